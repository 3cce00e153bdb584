"""The single files of Zero123 and ModelScope, with the weights of given diffusers networks under the original names.

The names are written here from the original programs' modules, block by block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.tiny_folders import randomised, tokens
from tests.tiny_modelscope import Sizes, random_weights

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
TINY = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 32, "attention_head_dim": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "cross_attention_dim": 64}
# The modules of that UNet in the original: one layer a level going down, two coming up.
UNET = {
    "down_blocks.0.resnets.0.": "input_blocks.1.0.", "down_blocks.0.attentions.0.": "input_blocks.1.1.",
    "down_blocks.0.downsamplers.0.conv.": "input_blocks.2.0.op.", "down_blocks.1.resnets.0.": "input_blocks.3.0.",
    "mid_block.resnets.0.": "middle_block.0.", "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.", "up_blocks.0.resnets.0.": "output_blocks.0.0.",
    "up_blocks.0.resnets.1.": "output_blocks.1.0.", "up_blocks.0.upsamplers.0.conv.": "output_blocks.1.1.conv.",
    "up_blocks.1.resnets.0.": "output_blocks.2.0.", "up_blocks.1.attentions.0.": "output_blocks.2.1.",
    "up_blocks.1.resnets.1.": "output_blocks.3.0.", "up_blocks.1.attentions.1.": "output_blocks.3.1.",
    "time_embedding.linear_1.": "time_embed.0.", "time_embedding.linear_2.": "time_embed.2.",
    "conv_in.": "input_blocks.0.0.", "conv_norm_out.": "out.0.", "conv_out.": "out.2.",
}
# And of a VAE with two levels of one layer: the decoder has two, and counts its levels from the end.
VAE = {
    "down_blocks.0.resnets.0.": "down.0.block.0.", "down_blocks.0.downsamplers.0.conv.": "down.0.downsample.conv.",
    "down_blocks.1.resnets.0.": "down.1.block.0.", "up_blocks.0.resnets.0.": "up.1.block.0.",
    "up_blocks.0.resnets.1.": "up.1.block.1.", "up_blocks.0.upsamplers.0.conv.": "up.1.upsample.conv.",
    "up_blocks.1.resnets.0.": "up.0.block.0.", "up_blocks.1.resnets.1.": "up.0.block.1.",
    "mid_block.resnets.0.": "mid.block_1.", "mid_block.resnets.1.": "mid.block_2.",
    "mid_block.attentions.0.": "mid.attn_1.", "conv_norm_out.": "norm_out.",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def unet(network: nn.Module) -> dict[str, Tensor]:
    weights = {}
    for name, weight in network.state_dict().items():
        start = next(p for p in UNET if name.startswith(p))
        rest = name[len(start) :]
        if ".resnets." in name:
            module, end = rest.rsplit(".", 1)
            rest = f"{RESNET[module]}.{end}"
        weights[UNET[start] + rest] = weight
    return weights


def vae(network: nn.Module) -> dict[str, Tensor]:
    weights = {}
    for name, weight in network.state_dict().items():
        half, _, rest = name.partition(".")
        if half.endswith("quant_conv"):
            weights[name] = weight
            continue
        start = next((p for p in VAE if rest.startswith(p)), "")
        tail = rest[len(start) :].replace("conv_shortcut", "nin_shortcut")
        if "attentions" in start:
            module, end = tail.rsplit(".", 1)
            tail = f"{ATTENTION[module]}.{end}"
            weight = weight[..., None, None] if weight.ndim == 2 else weight
        weights[f"{half}.{VAE.get(start, '')}{tail}"] = weight
    return weights


class Block(nn.Module):
    """A residual attention block of OpenAI's CLIP and of OpenCLIP; gelu is x sigmoid(1.702 x) in the first."""

    def __init__(self, width: int, heads: int, quick: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})
        self.quick = quick

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False, attn_mask=mask)[0]
        h = self.mlp["c_fc"](self.ln_2(x))
        h = h * torch.sigmoid(1.702 * h) if self.quick else nn.functional.gelu(h)
        return x + self.mlp["c_proj"](h)


class Blocks(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, quick: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, quick) for _ in range(layers))


class Vision(nn.Module):
    """OpenAI's CLIP image encoder."""

    def __init__(self, width: int, layers: int, out: int, side: int, patch: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn((side // patch) ** 2 + 1, width))
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Blocks(width, layers, max(1, width // 64), quick=True)
        self.proj = nn.Parameter(torch.randn(width, out) / width**0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        x = self.ln_pre(x)
        for block in self.transformer.resblocks:
            x = block(x)
        return self.ln_post(x[:, 0]) @ self.proj


class Text(nn.Module):
    """OpenCLIP's text encoder. ModelScope takes the output of its last layer but one, normalised."""

    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(77, width) / 4)
        self.transformer = Blocks(width, layers, max(1, width // 64), quick=False)
        self.ln_final = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embedding(ids) + self.positional_embedding
        mask = torch.full((77, 77), float("-inf")).triu(1)
        for block in self.transformer.resblocks[:-1]:
            x = block(x, mask)
        return self.ln_final(x)


def prefixed(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": w.detach().clone().contiguous() for name, w in weights.items()}


# Whole files


MODELSCOPE = Sizes(dim=64, mults=(1, 2), layers=1, context=64, first_width=512)


def tiny_unet(**changes: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return randomised(UNet2DConditionModel(**TINY, out_channels=4, **changes), 1)


def tiny_vae() -> Any:
    from diffusers import AutoencoderKL

    return randomised(AutoencoderKL(
        block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2, layers_per_block=1,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4,
    ), 2)


def tiny_vision() -> Vision:
    return randomised(Vision(64, 1, 64, 28, 14), 5)


def tiny_text(folder: Path) -> Text:
    """With the vocabulary of the folder's tokenizer, which it writes."""
    return randomised(Text(tokens(folder), 64, 2), 6)


def zero123(path: Path, **more: Any) -> Path:
    """Zero123's one file, with whatever else its training program saved."""
    rng = torch.Generator().manual_seed(7)
    weights = prefixed("model.diffusion_model.", unet(tiny_unet(in_channels=8)))
    weights |= prefixed("first_stage_model.", vae(tiny_vae()))
    weights |= prefixed("cond_stage_model.model.visual.", tiny_vision().state_dict())
    weights |= {"cc_projection.weight": torch.randn(64, 68, generator=rng) / 8, "cc_projection.bias": torch.zeros(64)}
    weights["model_ema.decay"] = torch.tensor(0.99)
    torch.save({"state_dict": weights, "global_step": 5, **more}, path)
    return path


def modelscope(folder: Path) -> Path:
    """ModelScope's own three files, and a tokenizer folder beside them."""
    folder.mkdir()
    torch.save(random_weights(MODELSCOPE, "original"), folder / "text2video_pytorch_model.pth")
    text = tiny_text(folder).state_dict()
    torch.save(text | {"logit_scale": torch.zeros(()), "text_projection": torch.eye(64)},
               folder / "open_clip_pytorch_model.bin")
    torch.save({"state_dict": prefixed("first_stage_model.", vae(tiny_vae()))}, folder / "VQGAN_autoencoder.pth")
    return folder
