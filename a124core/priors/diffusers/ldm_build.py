"""Networks of diffusers and transformers built from the shapes of original weights: single files bring no config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .clip_keys import text_weights, vision_weights
from .ldm_keys import numbers, unet_weights, vae_weights
from .package import diffusers, transformers

HEADS = 8  # of every attention in Stable Diffusion 1's UNet
CLIP_HEAD = 64  # width of a head in all of CLIP's sizes
SCALE = 0.18215  # of Stable Diffusion 1's and 2's latents


def build_unet(original: Mapping[str, Tensor]) -> nn.Module:
    """Stable Diffusion 1's UNet with any number of input channels."""
    weights = unet_weights(original)
    levels = numbers(weights, "down_blocks.")
    attended = [f"down_blocks.{k}.attentions.0.norm.weight" in weights for k in levels]
    config = {
        "in_channels": weights["conv_in.weight"].shape[1],
        "out_channels": weights["conv_out.weight"].shape[0],
        "block_out_channels": tuple(weights[f"down_blocks.{k}.resnets.0.conv1.weight"].shape[0] for k in levels),
        "layers_per_block": len(numbers(weights, "down_blocks.0.resnets.")),
        "down_block_types": tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attended),
        "up_block_types": tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attended)),
        "cross_attention_dim": _context(weights),
        "attention_head_dim": HEADS,  # diffusers' name for their number
    }
    return _filled(diffusers().UNet2DConditionModel(**config), weights)


def _context(weights: Mapping[str, Tensor]) -> int:
    return next(w.shape[1] for n, w in weights.items() if n.endswith("attn2.to_k.weight"))


def build_vae(original: Mapping[str, Tensor]) -> nn.Module:
    """Stable Diffusion's VAE."""
    weights = vae_weights(original)
    levels = numbers(weights, "encoder.down_blocks.")
    channels = tuple(weights[f"encoder.down_blocks.{k}.resnets.0.conv1.weight"].shape[0] for k in levels)
    config = {
        "block_out_channels": channels,
        "layers_per_block": len(numbers(weights, "encoder.down_blocks.0.resnets.")),
        "down_block_types": ("DownEncoderBlock2D",) * len(levels),
        "up_block_types": ("UpDecoderBlock2D",) * len(levels),
        "latent_channels": weights["quant_conv.weight"].shape[0] // 2,
        "scaling_factor": SCALE,
    }
    return _filled(diffusers().AutoencoderKL(**config), weights)


def build_vision(original: Mapping[str, Tensor]) -> nn.Module:
    """OpenAI's CLIP, the half that looks."""
    weights = vision_weights(original)
    width, _, patch, _ = weights["vision_model.embeddings.patch_embedding.weight"].shape
    places = weights["vision_model.embeddings.position_embedding.weight"].shape[0]
    config = {
        **_sizes(width, weights, "vision_model."),
        "patch_size": patch,
        "image_size": patch * round((places - 1) ** 0.5),
        "projection_dim": weights["visual_projection.weight"].shape[0],
        "hidden_act": "quick_gelu",
    }
    made = transformers()
    return _filled(made.CLIPVisionModelWithProjection(made.CLIPVisionConfig(**config)), weights)


def build_text(original: Mapping[str, Tensor]) -> nn.Module:
    """OpenCLIP, the half that reads, without its last layer: what ModelScope and SD 2 were trained on."""
    weights = text_weights(original, len(numbers(original, "transformer.resblocks.")) - 1)
    words, width = weights["embeddings.token_embedding.weight"].shape
    config = {
        **_sizes(width, weights, ""),
        "vocab_size": words,
        "max_position_embeddings": weights["embeddings.position_embedding.weight"].shape[0],
        "hidden_act": "gelu",
    }
    made = transformers()
    model = made.CLIPTextModel(made.CLIPTextConfig(**config))
    # releases of transformers differ in the prefix that they give these names
    prefix = next(n for n in model.state_dict() if n.endswith("token_embedding.weight")).removesuffix(
        "embeddings.token_embedding.weight"
    )
    return _filled(model, {prefix + name: w for name, w in weights.items()})


def _sizes(width: int, weights: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": len(numbers(weights, f"{prefix}encoder.layers.")),
        "num_attention_heads": max(1, width // CLIP_HEAD),
        "intermediate_size": weights[f"{prefix}encoder.layers.0.mlp.fc1.weight"].shape[0],
    }


def _filled(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """The model with exactly these weights, frozen, in float32."""
    buffers = {n for n in model.state_dict() if n.endswith("position_ids")}
    missing, unknown = model.load_state_dict({n: w.to(torch.float32) for n, w in weights.items()}, strict=False)
    faults = [*(n for n in missing if n not in buffers), *unknown]
    if faults:
        raise ValueError(
            f"the file's weights do not fit a {type(model).__name__} ({len(faults)} names, such as {faults[0]}): give "
            "the original file of Zero123 or ModelScope."
        )
    return model.requires_grad_(False).eval()
