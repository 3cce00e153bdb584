"""The names and shapes of ModelScope's UNet in both layouts, enumerated from its published sizes, at any scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

Row = tuple[str, str, tuple[int, ...]]  # original name, diffusers name, shape in the original


@dataclass(frozen=True)
class Sizes:
    """Defaults: the published 1.7B model."""

    dim: int = 320
    mults: tuple[int, ...] = (1, 2, 4, 4)
    layers: int = 2
    context: int = 1024
    first_width: int = 512  # 8 heads of 64, also where dim is 320

    @property
    def attended(self) -> int:
        """Levels with transformers: all but the smallest."""
        return len(self.mults) - 1


TINY = Sizes(dim=64, mults=(1, 2), layers=1, context=48, first_width=128)
TINY_DEEP = Sizes(dim=64, mults=(1, 1, 2), layers=2, context=32, first_width=64)


def both(name: str, other: str, *shape: int, bias: bool = True) -> Iterator[Row]:
    yield f"{name}.weight", f"{other}.weight", shape
    if bias:
        yield f"{name}.bias", f"{other}.bias", shape[:1]


def resnet(ours: str, block: str, index: int, channels: int, out: int, emb: int) -> Iterator[Row]:
    theirs = f"{block}.resnets.{index}"
    yield from both(f"{ours}.in_layers.0", f"{theirs}.norm1", channels)
    yield from both(f"{ours}.in_layers.2", f"{theirs}.conv1", out, channels, 3, 3)
    yield from both(f"{ours}.emb_layers.1", f"{theirs}.time_emb_proj", out, emb)
    yield from both(f"{ours}.out_layers.0", f"{theirs}.norm2", out)
    yield from both(f"{ours}.out_layers.3", f"{theirs}.conv2", out, out, 3, 3)
    if channels != out:
        yield from both(f"{ours}.skip_connection", f"{theirs}.conv_shortcut", out, channels, 1, 1)
    for step, place in ((1, 2), (2, 3), (3, 3), (4, 3)):
        ours_step, theirs_step = f"{ours}.temopral_conv.conv{step}", f"{block}.temp_convs.{index}.conv{step}"
        yield from both(f"{ours_step}.0", f"{theirs_step}.0", out)
        yield from both(f"{ours_step}.{place}", f"{theirs_step}.{place}", out, out, 3, 1, 1)


def transformer(ours: str, theirs: str, channels: int, width: int, context: int | None) -> Iterator[Row]:
    """context None: along time, projections are 1-D convolutions and both attentions look at themselves."""
    tail = (1,) if context is None else ()
    yield from both(f"{ours}.norm", f"{theirs}.norm", channels)
    yield from both(f"{ours}.proj_in", f"{theirs}.proj_in", width, channels, *tail)
    yield from both(f"{ours}.proj_out", f"{theirs}.proj_out", channels, width, *tail)
    ours, theirs = f"{ours}.transformer_blocks.0", f"{theirs}.transformer_blocks.0"
    for name, keys in (("attn1", width), ("attn2", context or width)):
        yield from both(f"{ours}.{name}.to_q", f"{theirs}.{name}.to_q", width, width, bias=False)
        yield from both(f"{ours}.{name}.to_k", f"{theirs}.{name}.to_k", width, keys, bias=False)
        yield from both(f"{ours}.{name}.to_v", f"{theirs}.{name}.to_v", width, keys, bias=False)
        yield from both(f"{ours}.{name}.to_out.0", f"{theirs}.{name}.to_out.0", width, width)
    yield from both(f"{ours}.ff.net.0.proj", f"{theirs}.ff.net.0.proj", 8 * width, width)
    yield from both(f"{ours}.ff.net.2", f"{theirs}.ff.net.2", width, 4 * width)
    for name in ("norm1", "norm2", "norm3"):
        yield from both(f"{ours}.{name}", f"{theirs}.{name}", width)


def layer(ours: str, block: str, index: int, channels: int, out: int, sizes: Sizes, attends: bool) -> Iterator[Row]:
    yield from resnet(f"{ours}.0", block, index, channels, out, 4 * sizes.dim)
    if attends:
        yield from transformer(f"{ours}.1", f"{block}.attentions.{index}", out, out, sizes.context)
        yield from transformer(f"{ours}.2", f"{block}.temp_attentions.{index}", out, out, None)


def rows(sizes: Sizes) -> Iterator[Row]:
    """Every weight of the UNet."""
    dims = [sizes.dim * m for m in sizes.mults]
    emb, dim, last = 4 * sizes.dim, sizes.dim, dims[-1]
    yield from both("time_embed.0", "time_embedding.linear_1", emb, dim)
    yield from both("time_embed.2", "time_embedding.linear_2", emb, emb)
    yield from both("input_blocks.0.0", "conv_in", dim, 4, 3, 3)
    yield from transformer("input_blocks.0.1", "transformer_in", dim, sizes.first_width, None)
    skips, channels, number = [dim], dim, 1
    for level, out in enumerate(dims):
        for index in range(sizes.layers):
            name = f"input_blocks.{number}"
            yield from layer(name, f"down_blocks.{level}", index, channels, out, sizes, level < sizes.attended)
            channels, number = out, number + 1
            skips.append(out)
        if level + 1 < len(dims):
            yield from both(f"input_blocks.{number}.op", f"down_blocks.{level}.downsamplers.0.conv", out, out, 3, 3)
            number += 1
            skips.append(out)
    yield from layer("middle_block", "mid_block", 0, last, last, sizes, True)
    yield from resnet("middle_block.3", "mid_block", 1, last, last, emb)
    number = 0
    for level, out in enumerate(reversed(dims)):
        attends = len(dims) - 1 - level < sizes.attended
        for index in range(sizes.layers + 1):
            name, joined = f"output_blocks.{number}", channels + skips.pop()
            yield from layer(name, f"up_blocks.{level}", index, joined, out, sizes, attends)
            channels, number = out, number + 1
        if level + 1 < len(dims):
            place = 3 if attends else 1
            theirs = f"up_blocks.{level}.upsamplers.0.conv"
            yield from both(f"output_blocks.{number - 1}.{place}.conv", theirs, out, out, 3, 3)
    yield from both("out.0", "conv_norm_out", dim)
    yield from both("out.2", "conv_out", 4, dim, 3, 3)


def random_weights(sizes: Sizes, layout: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """The same numbers in either layout: norms near one, the rest small enough for finite outputs."""
    rng = torch.Generator().manual_seed(seed)
    weights = {}
    for ours, theirs, shape in rows(sizes):
        fan = max(1, torch.Size(shape[1:]).numel())
        weight = torch.randn(shape, generator=rng) / fan**0.5
        if len(shape) == 1:
            weight = 0.1 * weight + float(ours.endswith("weight"))
        if layout == "diffusers" and len(shape) == 3:
            weight = weight[..., 0]
        weights[ours if layout == "original" else theirs] = weight
    return weights
