"""The networks of the four roles, empty, in the layouts of the real ones. Later roles begin as the image role ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .config import Nets, World

POSE = 4  # numbers of Zero123's pose


def schedule() -> Any:
    """Stable Diffusion's schedule with pure noise at its end (arXiv 2305.08891); v-prediction, which that needs."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
    )


def text_encoder(nets: Nets, vocabulary: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    end = vocabulary - 1
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=nets.text_width, intermediate_size=2 * nets.text_width,
        num_hidden_layers=nets.text_layers, num_attention_heads=nets.heads, projection_dim=nets.text_width,
        max_position_embeddings=nets.text_length, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
    ))


def image_encoder(nets: Nets, world: World) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=nets.text_width, intermediate_size=2 * nets.text_width, num_hidden_layers=nets.text_layers,
        num_attention_heads=nets.heads, projection_dim=nets.text_width, image_size=world.size, patch_size=nets.patch,
    ))


def unet(nets: Nets, world: World, channels: int = 4) -> Any:
    """UNet2DConditionModel on latents of half the picture's side."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        **_shape(nets, world, "2D"), in_channels=channels, attention_head_dim=nets.heads, use_linear_projection=True
    )


def clip_unet(nets: Nets, world: World) -> Any:
    """UNet3DConditionModel; there attention_head_dim is the width of a head."""
    from diffusers import UNet3DConditionModel

    return UNet3DConditionModel(
        **_shape(nets, world, "3D"), in_channels=4, attention_head_dim=nets.widths[-1] // nets.heads
    )


def _shape(nets: Nets, world: World, kind: str) -> dict[str, Any]:
    deeper = len(nets.widths) - 1
    return {
        "sample_size": world.size // 2,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": nets.widths,
        "down_block_types": (f"DownBlock{kind}",) + (f"CrossAttnDownBlock{kind}",) * deeper,
        "up_block_types": (f"CrossAttnUpBlock{kind}",) * deeper + (f"UpBlock{kind}",),
        "cross_attention_dim": nets.text_width,
        "norm_num_groups": nets.groups,
    }


def camera_projection(nets: Nets) -> Any:
    """Picture embedding and pose -> the one token that Zero123's UNet reads; saved as the published folders have it."""
    from diffusers.configuration_utils import ConfigMixin, register_to_config
    from diffusers.models.modeling_utils import ModelMixin

    class CCProjection(ModelMixin, ConfigMixin):
        @register_to_config
        def __init__(self, in_channel: int, out_channel: int) -> None:
            super().__init__()
            self.projection = nn.Linear(in_channel, out_channel)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.projection(x)

    return CCProjection(nets.text_width + POSE, nets.text_width)


def begin_as(model: nn.Module, learned: nn.Module) -> None:
    """Copy every weight that both have; of conv_in the first channels, the others start silent."""
    known, own = learned.state_dict(), model.state_dict()
    for name, weight in known.items():
        if name == "conv_in.weight" and own[name].shape[1] > weight.shape[1]:
            own[name].zero_()
            own[name][:, : weight.shape[1]] = weight
        elif name in own and own[name].shape == weight.shape:
            own[name].copy_(weight)
    model.load_state_dict(own)


def controlnet(base: nn.Module) -> Any:
    """A copy of the image role's first half; its pictures are halved once, as latents are."""
    from diffusers import ControlNetModel

    return ControlNetModel.from_unet(base, conditioning_embedding_out_channels=(16, 32))
