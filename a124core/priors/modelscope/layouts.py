"""The files of ModelScope text-to-video, and the two layouts of its UNet: both become the original's.

The layouts are ModelScope's own file and diffusers' UNet3DConditionModel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath

from torch import Tensor

SUFFIXES = (".safetensors", ".sft", ".pth", ".pt", ".bin", ".ckpt")  # the first is taken where there are several
COMPANIONS = {
    "text encoder": ("text_encoder/model", "text_encoder/pytorch_model", "open_clip_pytorch_model"),
    "VAE": ("vae/diffusion_pytorch_model", "VQGAN_autoencoder"),
}
PUBLIC_FILES = {"text encoder": "open_clip_pytorch_model.bin", "VAE": "VQGAN_autoencoder.pth"}  # ModelScope's own
OTHERS = ("text_encoder/", "vae/", "tokenizer/", "scheduler/", "open_clip", "vqgan", "optimizer", "training_args")
MARKS = {"original": "input_blocks.0.1.proj_in.weight", "diffusers": "transformer_in.proj_in.weight"}
MAX_MODULES = 64  # of one kind in a row; ModelScope's UNet has 12
ADVICE = "text2video_pytorch_model.pth is needed"
# Outer modules, original: diffusers; blocks are numbered below.
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

# Files


def unet_files(names: Iterable[str]) -> list[str]:
    """Return the files that may hold a video UNet: every weights file that is not known to be something else."""
    weights = [name for name in names if name.lower().endswith(SUFFIXES)]
    return sorted(name for name in weights if not any(f"/{other}" in f"/{_normalised(name)}" for other in OTHERS))


def companion(names: Iterable[str], unet: str, part: str) -> str | None:
    """Return the text encoder or VAE that lies beside a UNet file, or beside its `unet` folder."""
    folder = _normalised(unet).split("/")[:-1]
    base = folder[:-1] if folder[-1:] == ["unet"] else folder
    for start in COMPANIONS[part]:
        path = "/".join([*base, start.lower()])
        matches = [n for n in names if _normalised(n).startswith(path) and n.lower().endswith(SUFFIXES)]
        if matches:
            return min(matches, key=lambda n: (SUFFIXES.index(PurePath(n).suffix.lower()), len(n)))
    return None


def _normalised(name: str) -> str:
    return name.replace("\\", "/").lower()


# Weights


def to_original(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of either layout, under a prefix or not, in the original's names and shapes, without copies."""
    layout, prefix = layout_of(weights)
    weights = {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}
    if layout == "original":
        return weights
    prefixes = [(theirs, ours) for ours, theirs in prefix_pairs(weights)]
    return {_renamed(name, prefixes): _reshaped(name, w) for name, w in weights.items()}


def layout_of(names: Iterable[str]) -> tuple[str, str]:
    """Return the layout and the prefix of every name (such as `model.diffusion_model.`)."""
    for name in names:
        for layout, mark in MARKS.items():
            if name.endswith(mark):
                return layout, name[: -len(mark)]
    raise ValueError(
        f"these are not weights of ModelScope text-to-video: {ADVICE}, or the unet folder of a diffusers text-to-video "
        "model (such as text-to-video-ms-1.7b or a ZeroScope)."
    )


def prefix_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (original prefix, diffusers prefix) of every module of a diffusers UNet that has these names."""
    names = list(names)
    yield from ENDS.items()
    number = 1
    for level in numbered(names, "down_blocks."):
        for layer in range(len(numbered(names, f"{level}resnets."))):
            yield from _layer(f"input_blocks.{number}.", level, layer)
            number += 1
        if numbered(names, f"{level}downsamplers."):
            yield f"input_blocks.{number}.op.", f"{level}downsamplers.0.conv."
            number += 1
    yield from _layer("middle_block.", "mid_block.", 0)
    yield from _resnet("middle_block.3.", "mid_block.", 1)
    number = 0
    for level in numbered(names, "up_blocks."):
        layers = len(numbered(names, f"{level}resnets."))
        for layer in range(layers):
            yield from _layer(f"output_blocks.{number + layer}.", level, layer)
        number += layers
        index = 3 if numbered(names, f"{level}attentions.") else 1
        yield f"output_blocks.{number - 1}.{index}.conv.", f"{level}upsamplers.0.conv."


def _layer(ours: str, theirs: str, layer: int) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a residual block and, where there are any, its two transformers."""
    yield from _resnet(f"{ours}0.", theirs, layer)
    yield f"{ours}1.", f"{theirs}attentions.{layer}."
    yield f"{ours}2.", f"{theirs}temp_attentions.{layer}."


def _resnet(ours: str, theirs: str, layer: int) -> Iterator[tuple[str, str]]:
    for our_part, their_part in RESNET.items():
        yield f"{ours}{our_part}", f"{theirs}resnets.{layer}.{their_part}"
    yield f"{ours}temopral_conv.", f"{theirs}temp_convs.{layer}."


def numbered(names: Iterable[str], prefix: str) -> list[str]:
    """Return `prefix0.`, `prefix1.`, ... as far as there are names below them."""
    numbers = {name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)}
    numbers = {number for number in numbers if number.isascii() and number.isdigit()}
    if len(numbers) > MAX_MODULES or any(len(number) > 4 for number in numbers):
        raise ValueError(f"the weights have more modules under {prefix!r} than any ModelScope UNet: {ADVICE}.")
    return [f"{prefix}{n}." for n in sorted(map(int, numbers))]


def _renamed(name: str, prefixes: list[tuple[str, str]]) -> str:
    """Return the original's name; one that fits nowhere stays as it is, and the check that follows reports it."""
    for theirs, ours in prefixes:
        if name.startswith(theirs):
            return ours + name[len(theirs) :]
    return name


def _reshaped(name: str, weight: Tensor) -> Tensor:
    """Give temporal projections, linear layers in diffusers, the third axis of the original's 1-D convolutions."""
    temporal = name.startswith("transformer_in.") or ".temp_attentions." in name
    projection = name.endswith(("proj_in.weight", "proj_out.weight"))
    return weight[..., None] if temporal and projection and weight.ndim == 2 else weight
