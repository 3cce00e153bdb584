"""The video UNet, built from the shapes of its weights, so that no size needs a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from einops import rearrange
from torch import Tensor, nn

from ...utils.text import first_line
from . import layers
from .layers import ClipContext, LayerFactory
from .layouts import ADVICE, numbered, to_original

Shapes = Mapping[str, tuple[int, ...]]  # name of a weight in the original layout -> its shape


class VideoUNet(nn.Module):
    """The eps-prediction of ModelScope text-to-video 1.7B: (B, 4, F, h, w) noisy latents, timestep, text -> noise."""

    def __init__(self, shapes: Shapes, make: LayerFactory | None = None) -> None:
        super().__init__()
        make = LayerFactory() if make is None else make
        self.channels = shapes["time_embed.0.weight"][1]
        self.time_embed = nn.Sequential(
            _linear(shapes, "time_embed.0", make), nn.SiLU(), _linear(shapes, "time_embed.2", make)
        )
        self.input_blocks = nn.ModuleList(_block(shapes, p, make) for p in numbered(shapes, "input_blocks."))
        self.middle_block = _block(shapes, "middle_block.", make)
        self.output_blocks = nn.ModuleList(_block(shapes, p, make) for p in numbered(shapes, "output_blocks."))
        last = make.norm(shapes["out.0.weight"][0])
        self.out = nn.Sequential(last, nn.SiLU(), _conv(shapes, "out.2.", make))

    def forward(
        self,
        x: Tensor,  # (B, C, F, h, w)
        timesteps: Tensor,  # (B,)
        text: Tensor,  # (B, L, context)
    ) -> Tensor:  # (B, C, F, h, w)
        frames = x.shape[2]
        emb = self.time_embed(sinusoids(timesteps, self.channels).to(x.dtype))
        clip = ClipContext(frames, emb.repeat_interleave(frames, dim=0), text.repeat_interleave(frames, dim=0))
        h, skips = rearrange(x, "b c f h w -> (b f) c h w"), []
        for block in self.input_blocks:
            h = _run(block, h, clip)
            skips.append(h)
        h = _run(self.middle_block, h, clip)
        for block in self.output_blocks:
            h = torch.cat([h, skips.pop()], dim=1)
            h = _run(block, h, replace(clip, size=tuple(skips[-1].shape[-2:]) if skips else None))
        return rearrange(self.out(h), "(b f) c h w -> b c f h w", f=frames)


def sinusoids(timesteps: Tensor, channels: int) -> Tensor:  # (B,) -> (B, channels) float32
    """Return cosines, then sines, of the timestep at channels / 2 frequencies from 1 down to almost 1 / 10000."""
    half = channels // 2
    frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float32, device=timesteps.device) / half)
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def _run(part: nn.Module, x: Tensor, clip: ClipContext) -> Tensor:
    if isinstance(part, nn.ModuleList):
        for inner in part:
            x = _run(inner, x, clip)
        return x
    return part(x) if isinstance(part, nn.Conv2d) else part(x, clip)


# From shapes to modules


def _block(shapes: Shapes, prefix: str, make: LayerFactory) -> nn.Module:
    """Build one step of the UNet: a list of parts, or a bare downsampling."""
    if f"{prefix}op.weight" in shapes:
        return _part(shapes, prefix, make)
    return nn.ModuleList(_part(shapes, p, make) for p in numbered(shapes, prefix))


def _part(shapes: Shapes, prefix: str, make: LayerFactory) -> nn.Module:
    """Build the part that the names of its weights identify."""
    if f"{prefix}in_layers.2.weight" in shapes:
        out, channels = shapes[f"{prefix}in_layers.2.weight"][:2]
        return layers.ResBlock(make, channels, out, shapes[f"{prefix}emb_layers.1.weight"][1])
    if f"{prefix}proj_in.weight" in shapes:
        return _transformer(shapes, prefix, make)
    for name, kind in (("op", layers.Downsample), ("conv", layers.Upsample)):
        if weight := shapes.get(f"{prefix}{name}.weight"):
            return kind(make, weight[1], weight[0])
    return _conv(shapes, prefix, make)


def _transformer(shapes: Shapes, prefix: str, make: LayerFactory) -> nn.Module:
    """Build a transformer: along time its projections are 1-D convolutions (3 axes), within a frame linear (2 axes)."""
    width, channels, *rest = shapes[f"{prefix}proj_in.weight"]
    if width % layers.HEAD or len(rest) > 1:
        raise ValueError(
            f"{prefix}proj_in is {width}x{channels} with {len(rest)} more axes: not a layer of ModelScope."
        )
    depth = len(numbered(shapes, f"{prefix}transformer_blocks."))
    if rest:
        return layers.TemporalTransformer(make, channels, width, depth)
    context = shapes[f"{prefix}transformer_blocks.0.attn2.to_k.weight"][1]
    return layers.SpatialTransformer(make, channels, width, context, depth)


def _linear(shapes: Shapes, name: str, make: LayerFactory) -> nn.Module:
    out, channels = shapes[f"{name}.weight"]
    return make("Linear", channels, out)


def _conv(shapes: Shapes, prefix: str, make: LayerFactory) -> nn.Module:
    out, channels = shapes[f"{prefix}weight"][:2]
    return make("Conv2d", channels, out, 3, padding=1)


# From weights to a network


def load_unet(weights: Mapping[str, Tensor]) -> VideoUNet:
    """Build a frozen UNet in the weights' own precision that shares their memory, for use without a host."""
    original = to_original(weights)
    unet = check_shapes(shapes_of(original))
    unet.load_state_dict(original, assign=True)
    return unet.requires_grad_(False).eval()


def shapes_of(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights.items()}


def check_shapes(shapes: Shapes) -> VideoUNet:
    """Build the UNet of these shapes without memory (meta device) and check that its weights are exactly those."""
    try:
        unet = VideoUNet(shapes, LayerFactory(device="meta"))
    except KeyError as name:
        missing = str(name)[:100]
        raise ValueError(f"the weights are incomplete or not a ModelScope UNet's: {missing} is missing.") from None
    except (ValueError, LookupError, TypeError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise ValueError(f"the weights are not a ModelScope UNet's ({first_line(error)}): {ADVICE}.") from None
    expected = shapes_of(unet.state_dict())
    faults = {
        "missing": sorted(expected.keys() - shapes.keys()),
        "unknown": sorted(shapes.keys() - expected.keys()),
        "of another shape": sorted(n for n in shapes.keys() & expected.keys() if shapes[n] != expected[n]),
    }
    messages = [f"{len(names)} {fault} ({', '.join(names[:3])[:150]})" for fault, names in faults.items() if names]
    if messages:
        raise ValueError(f"these weights are not those of ModelScope text-to-video: {'; '.join(messages)}.")
    return unet
