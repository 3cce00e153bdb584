"""Two layouts of one network, ModelScope's file and diffusers' UNet3DConditionModel: both become the original's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor

MARKS = {"original": "input_blocks.0.1.proj_in.weight", "diffusers": "transformer_in.proj_in.weight"}

# Outer names, original <- diffusers; blocks are numbered below.
ENDS = {
    "input_blocks.0.0.": "conv_in.",
    "input_blocks.0.1.": "transformer_in.",
    "time_embed.0.": "time_embedding.linear_1.",
    "time_embed.2.": "time_embedding.linear_2.",
    "out.0.": "conv_norm_out.",
    "out.2.": "conv_out.",
}
RESNET = {
    "in_layers.0.": "norm1.",
    "in_layers.2.": "conv1.",
    "emb_layers.1.": "time_emb_proj.",
    "out_layers.0.": "norm2.",
    "out_layers.3.": "conv2.",
    "skip_connection.": "conv_shortcut.",
}


def to_original(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of either layout, under a prefix or not, in the original's names and shapes. Nothing is copied."""
    layout, prefix = layout_of(weights)
    weights = {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}
    if layout == "original":
        return weights
    prefixes = [(theirs, ours) for ours, theirs in prefix_pairs(weights)]
    return {_renamed(name, prefixes): _reshaped(name, w) for name, w in weights.items()}


def layout_of(names: Iterable[str]) -> tuple[str, str]:
    """-> which layout, and what stands before every name (such as `model.diffusion_model.`)."""
    for name in names:
        for layout, mark in MARKS.items():
            if name.endswith(mark):
                return layout, name[: -len(mark)]
    raise ValueError(
        "these are not weights of ModelScope text-to-video: wanted is text2video_pytorch_model.pth or the unet folder "
        "of a diffusers text-to-video model (such as text-to-video-ms-1.7b or a ZeroScope)."
    )


def prefix_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(original prefix, diffusers prefix) of every module of a diffusers UNet that has these names."""
    names = list(names)
    yield from ENDS.items()
    number = 1
    for level in _numbered(names, "down_blocks."):
        for layer in range(len(_numbered(names, f"{level}resnets."))):
            yield from _layer(f"input_blocks.{number}.", level, layer)
            number += 1
        if _numbered(names, f"{level}downsamplers."):
            yield f"input_blocks.{number}.op.", f"{level}downsamplers.0.conv."
            number += 1
    yield from _layer("middle_block.", "mid_block.", 0)
    yield from _resnet("middle_block.3.", "mid_block.", 1)
    number = 0
    for level in _numbered(names, "up_blocks."):
        layers = len(_numbered(names, f"{level}resnets."))
        for layer in range(layers):
            yield from _layer(f"output_blocks.{number + layer}.", level, layer)
        number += layers
        place = 3 if _numbered(names, f"{level}attentions.") else 1
        yield f"output_blocks.{number - 1}.{place}.conv.", f"{level}upsamplers.0.conv."


def _layer(ours: str, theirs: str, layer: int) -> Iterator[tuple[str, str]]:
    """A residual block and, where there are any, its two transformers."""
    yield from _resnet(f"{ours}0.", theirs, layer)
    yield f"{ours}1.", f"{theirs}attentions.{layer}."
    yield f"{ours}2.", f"{theirs}temp_attentions.{layer}."


def _resnet(ours: str, theirs: str, layer: int) -> Iterator[tuple[str, str]]:
    for our_part, their_part in RESNET.items():
        yield f"{ours}{our_part}", f"{theirs}resnets.{layer}.{their_part}"
    yield f"{ours}temopral_conv.", f"{theirs}temp_convs.{layer}."


def _numbered(names: list[str], prefix: str) -> list[str]:
    numbers = {name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)}
    return [f"{prefix}{n}." for n in sorted(int(n) for n in numbers)]


def _renamed(name: str, prefixes: list[tuple[str, str]]) -> str:
    """Names that fit nowhere stay as they are: the check that follows reports them."""
    for theirs, ours in prefixes:
        if name.startswith(theirs):
            return ours + name[len(theirs) :]
    return name


def _reshaped(name: str, weight: Tensor) -> Tensor:
    """The original's temporal projections are 1-D convolutions of width one, diffusers has linear layers."""
    temporal = name.startswith("transformer_in.") or ".temp_attentions." in name
    projection = name.endswith(("proj_in.weight", "proj_out.weight"))
    return weight[..., None] if temporal and projection and weight.ndim == 2 else weight
