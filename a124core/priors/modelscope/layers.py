"""Blocks of the video UNet: an image UNet with temporal convolutions and attention in every block.

Attribute names are those of the published weights (`temopral_conv` is spelled so there). Frames run as one batch of
images; only the temporal parts unfold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

HEAD = 64  # channels of one attention head, the same in every published file
GROUPS = 32


@dataclass(frozen=True)
class LayerFactory:
    """Where layers come from: torch.nn, or a host's namespace of the same class names that casts and offloads."""

    source: Any = nn
    dtype: Any = None
    device: Any = None

    def __call__(self, kind: str, *sizes: int, **options: Any) -> nn.Module:
        return getattr(self.source, kind)(*sizes, dtype=self.dtype, device=self.device, **options)

    def norm(self, channels: int, eps: float = 1e-5) -> nn.Module:
        return self("GroupNorm", GROUPS, channels, eps=eps)


@dataclass(frozen=True)
class ClipContext:
    """What the blocks of one forward pass share."""

    frames: int
    emb: Tensor  # (B*F, E) of the noise level
    text: Tensor  # (B*F, L, context)
    size: tuple[int, int] | None = None  # height and width after the next upsampling


class TemporalConv(nn.Module):
    """Four convolutions over three frames each, added to their input."""

    def __init__(self, make: LayerFactory, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(make.norm(channels), nn.SiLU(), _over_time(make, channels))
        for name in ("conv2", "conv3", "conv4"):  # Identity: a dropout while training
            step = nn.Sequential(make.norm(channels), nn.SiLU(), nn.Identity(), _over_time(make, channels))
            setattr(self, name, step)

    def forward(self, x: Tensor, frames: int) -> Tensor:  # (B*F, C, h, w)
        clip = rearrange(x, "(b f) c h w -> b c f h w", f=frames)
        out = self.conv4(self.conv3(self.conv2(self.conv1(clip))))
        return rearrange(clip + out, "b c f h w -> (b f) c h w")


def _over_time(make: LayerFactory, channels: int) -> nn.Module:
    return make("Conv3d", channels, channels, (3, 1, 1), padding=(1, 0, 0))


class ResBlock(nn.Module):
    """Two 3x3 convolutions with the noise level between them, a skip, and the temporal convolutions."""

    def __init__(self, make: LayerFactory, channels: int, out: int, emb: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(make.norm(channels), nn.SiLU(), make("Conv2d", channels, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), make("Linear", emb, out))
        last = make("Conv2d", out, out, 3, padding=1)
        self.out_layers = nn.Sequential(make.norm(out), nn.SiLU(), nn.Identity(), last)
        self.skip_connection = nn.Identity() if channels == out else make("Conv2d", channels, out, 1)
        self.temopral_conv = TemporalConv(make, out)

    def forward(self, x: Tensor, clip: ClipContext) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(clip.emb)[:, :, None, None]
        h = self.skip_connection(x) + self.out_layers(h)
        return self.temopral_conv(h, clip.frames)


class Attention(nn.Module):
    """Multi-head attention of x to a context, or to itself."""

    def __init__(self, make: LayerFactory, width: int, context: int) -> None:
        super().__init__()
        self.to_q = make("Linear", width, width, bias=False)
        self.to_k = make("Linear", context, width, bias=False)
        self.to_v = make("Linear", context, width, bias=False)
        self.to_out = nn.Sequential(make("Linear", width, width), nn.Identity())

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:  # (N, L, width), (N, M, context)
        context = x if context is None else context
        q, k, v = (
            rearrange(t, "n l (heads d) -> n heads l d", d=HEAD)
            for t in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        out = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(rearrange(out, "n heads l d -> n l (heads d)"))


class GatedLinear(nn.Module):
    """One half, gated by the GELU of the other."""

    def __init__(self, make: LayerFactory, width: int, inner: int) -> None:
        super().__init__()
        self.proj = make("Linear", width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """A gated layer four times as wide, and back."""

    def __init__(self, make: LayerFactory, width: int) -> None:
        super().__init__()
        back = make("Linear", 4 * width, width)
        self.net = nn.Sequential(GatedLinear(make, width, 4 * width), nn.Identity(), back)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Self-attention, attention to the context (along time: self-attention again), feed-forward."""

    def __init__(self, make: LayerFactory, width: int, context: int) -> None:
        super().__init__()
        self.attn1 = Attention(make, width, width)
        self.attn2 = Attention(make, width, context)
        self.ff = FeedForward(make, width)
        self.norm1, self.norm2, self.norm3 = (make("LayerNorm", width) for _ in range(3))

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """Attention of every pixel of a frame to the frame and to the text."""

    def __init__(self, make: LayerFactory, channels: int, width: int, context: int, depth: int) -> None:
        super().__init__()
        self.norm = make.norm(channels, eps=1e-6)
        self.proj_in = make("Linear", channels, width)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(make, width, context) for _ in range(depth))
        self.proj_out = make("Linear", width, channels)

    def forward(self, x: Tensor, clip: ClipContext) -> Tensor:
        h = self.proj_in(rearrange(self.norm(x), "n c h w -> n (h w) c"))
        for block in self.transformer_blocks:
            h = block(h, clip.text)
        return x + rearrange(self.proj_out(h), "n (h w) c -> n c h w", h=x.shape[2])


class TemporalTransformer(nn.Module):
    """Attention of every pixel to itself in all frames; the norm is taken over the whole clip."""

    def __init__(self, make: LayerFactory, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.norm = make.norm(channels, eps=1e-6)
        self.proj_in = make("Conv1d", channels, width, 1)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(make, width, width) for _ in range(depth))
        self.proj_out = make("Conv1d", width, channels, 1)

    def forward(self, x: Tensor, clip: ClipContext) -> Tensor:
        h = self.norm(rearrange(x, "(b f) c h w -> b c f h w", f=clip.frames))
        h = self.proj_in(rearrange(h, "b c f h w -> (b h w) c f"))
        h = rearrange(h, "n c f -> n f c")
        for block in self.transformer_blocks:
            h = block(h, None)
        h = self.proj_out(rearrange(h, "n f c -> n c f"))
        return x + rearrange(h, "(b h w) c f -> (b f) c h w", h=x.shape[2], w=x.shape[3])


class Downsample(nn.Module):
    """Half the height and width."""

    def __init__(self, make: LayerFactory, channels: int, out: int) -> None:
        super().__init__()
        self.op = make("Conv2d", channels, out, 3, stride=2, padding=1)

    def forward(self, x: Tensor, clip: ClipContext) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """Twice the height and width, or those of the next skip connection: odd sizes were rounded up going down."""

    def __init__(self, make: LayerFactory, channels: int, out: int) -> None:
        super().__init__()
        self.conv = make("Conv2d", channels, out, 3, padding=1)

    def forward(self, x: Tensor, clip: ClipContext) -> Tensor:
        return self.conv(F.interpolate(x, size=clip.size, mode="nearest"))
