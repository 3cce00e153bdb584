"""Stable Diffusion's original weight names -> diffusers', for the UNet and the VAE. Nothing is copied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor

from ..modelscope.keys import ENDS, RESNET

ATTENTION = {"norm.": "group_norm.", "q.": "to_q.", "k.": "to_k.", "v.": "to_v.", "proj_out.": "to_out.0."}
VAE_ENDS = {"conv_in.": "conv_in.", "norm_out.": "conv_norm_out.", "conv_out.": "conv_out."}


def inside(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights below a prefix, without it."""
    return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}


def numbers(names: Iterable[str], prefix: str) -> list[int]:
    """0, 1, ... as far as there are weights below `prefix0.`, `prefix1.`, ..."""
    heads = {name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)}
    return sorted(int(h) for h in heads if h.isdigit())


def renamed(weights: Mapping[str, Tensor], pairs: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Every name by the pair (theirs, ours) that it begins with; a name that fits none is refused."""
    pairs, found = list(pairs), {}
    for name, weight in weights.items():
        fitting = next((pair for pair in pairs if name.startswith(pair[0])), None)
        if fitting is None:
            raise ValueError(
                f"the file has a weight {name} that Stable Diffusion 1 has not: give Zero123's or ModelScope's file."
            )
        found[fitting[1] + name[len(fitting[0]) :]] = weight
    return found


def unet_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(original prefix, diffusers prefix) of every module of a UNet with one class of blocks."""
    names = list(names)
    yield from ENDS.items()
    level = layer = 0
    for k in numbers(names, "input_blocks.")[1:]:
        if f"input_blocks.{k}.0.op.weight" in names:
            yield f"input_blocks.{k}.0.op.", f"down_blocks.{level}.downsamplers.0.conv."
            level, layer = level + 1, 0
            continue
        yield from _layer(f"input_blocks.{k}.", f"down_blocks.{level}.", layer)
        layer += 1
    yield from _layer("middle_block.", "mid_block.", 0)
    yield from _resnet("middle_block.2.", "mid_block.resnets.1.")
    level = layer = 0
    for k in numbers(names, "output_blocks."):
        up = [n for n in names if re.fullmatch(rf"output_blocks\.{k}\.\d\.conv\.weight", n)]
        for name in up:  # before the layer: its second part may be the upsampling
            yield name.removesuffix("weight"), f"up_blocks.{level}.upsamplers.0.conv."
        yield from _layer(f"output_blocks.{k}.", f"up_blocks.{level}.", layer)
        level, layer = (level + 1, 0) if up else (level, layer + 1)


def _layer(theirs: str, ours: str, layer: int) -> Iterator[tuple[str, str]]:
    """A residual block and, where there is one, its transformer."""
    yield from _resnet(f"{theirs}0.", f"{ours}resnets.{layer}.")
    yield f"{theirs}1.", f"{ours}attentions.{layer}."


def _resnet(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    for their_part, our_part in RESNET.items():
        yield f"{theirs}{their_part}", f"{ours}{our_part}"


def vae_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The same of the VAE."""
    names = list(names)
    yield from (("quant_conv.", "quant_conv."), ("post_quant_conv.", "post_quant_conv."))
    for half, theirs, ours, sampling in (
        ("encoder.", "down.", "down_blocks.", "downsample"), ("decoder.", "up.", "up_blocks.", "upsample"),
    ):  # fmt: skip
        yield from ((half + a, half + b) for a, b in VAE_ENDS.items())
        yield f"{half}mid.attn_1.", f"{half}mid_block.attentions.0."
        for k in (1, 2):
            yield f"{half}mid.block_{k}.nin_shortcut.", f"{half}mid_block.resnets.{k - 1}.conv_shortcut."
            yield f"{half}mid.block_{k}.", f"{half}mid_block.resnets.{k - 1}."
        levels = numbers(names, half + theirs)
        for level in levels:
            place = level if half == "encoder." else len(levels) - 1 - level  # the decoder counts from the end
            yield f"{half}{theirs}{level}.{sampling}.conv.", f"{half}{ours}{place}.{sampling}rs.0.conv."
            for k in numbers(names, f"{half}{theirs}{level}.block."):
                block = f"{half}{theirs}{level}.block.{k}."
                yield f"{block}nin_shortcut.", f"{half}{ours}{place}.resnets.{k}.conv_shortcut."
                yield block, f"{half}{ours}{place}.resnets.{k}."


def unet_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """diffusion_model's weights in diffusers' names."""
    return renamed(weights, unet_pairs(weights))


def vae_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """first_stage_model's. Its attention is written as 1x1 convolutions, diffusers' as linear layers."""
    weights = {n: w for n, w in weights.items() if not n.startswith("loss.")}
    found = {}
    for name, weight in renamed(weights, vae_pairs(weights)).items():
        head, mark, tail = name.partition("mid_block.attentions.0.")
        if mark:
            part = next((p for p in ATTENTION if tail.startswith(p)), "")
            name = f"{head}{mark}{ATTENTION.get(part, '')}{tail[len(part) :]}"
            weight = weight[..., 0, 0] if weight.ndim == 4 else weight
        found[name] = weight
    return found
