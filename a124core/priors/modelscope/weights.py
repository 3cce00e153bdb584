"""Weights of any layout -> a UNet that has exactly these weights, or a sentence on what does not fit."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .keys import to_original
from .layers import LayerFactory
from .unet import Shapes, VideoUNet


def load_unet(weights: Mapping[str, Tensor]) -> VideoUNet:
    """A plain torch UNet in the weights' own precision that shares their memory, for use without a host."""
    original = to_original(weights)
    unet = check_shapes(shapes_of(original))
    unet.load_state_dict(original, assign=True)
    return unet.requires_grad_(False).eval()


def shapes_of(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights.items()}


def check_shapes(shapes: Shapes) -> VideoUNet:
    """The UNet of these shapes without memory (meta device), refused where its weights are not exactly those named."""
    try:
        unet = VideoUNet(shapes, LayerFactory(device="meta"))
    except KeyError as name:
        raise ValueError(f"the weights are incomplete or not a ModelScope UNet's: {name} is missing.") from None
    _complain(shapes, shapes_of(unet.state_dict()))
    return unet


def _complain(given: Shapes, wanted: Shapes) -> None:
    """Raise where names or shapes differ; the message shows the first few."""
    faults = {
        "missing": sorted(wanted.keys() - given.keys()),
        "unknown": sorted(given.keys() - wanted.keys()),
        "of another shape": sorted(n for n in given.keys() & wanted.keys() if given[n] != wanted[n]),
    }
    found = [f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in faults.items() if names]
    if found:
        raise ValueError(f"these weights are not those of ModelScope text-to-video: {'; '.join(found)}.")
