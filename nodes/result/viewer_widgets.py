"""What the two nodes of the 4D viewer ask, and what they make of it."""

from __future__ import annotations

from ...a124core.export.viewer.volume import VolumeOptions
from .render import BACKGROUNDS


def viewer_widgets() -> dict[str, tuple]:
    """Inputs by name. Saved workflows store their values by position: append, never insert."""
    return {
        "resolution": ("INT", {"default": 64, "min": 8, "max": 256, "step": 8, "tooltip": (
            "Cells along the longest side of the subject. 64 is quick, 128 is sharp, more wants a good graphics card."
        )}),
        "frames": ("INT", {"default": 32, "min": 1, "max": 256, "tooltip": (
            "Moments that are baked; the viewer mixes neighbours. Twice the field's time grids loses nothing."
        )}),
        "megabytes": ("FLOAT", {"default": 32.0, "min": 0.1, "max": 500.0, "step": 0.1, "tooltip": (
            "Largest size of the baked scene. Its resolution is lowered until it fits."
        )}),
        "seconds": ("FLOAT", {"default": 3.0, "min": 0.1, "max": 600.0, "step": 0.1, "tooltip": (
            "How long one pass through the scene takes at speed 1."
        )}),
        "background": (list(BACKGROUNDS), {"tooltip": "The colour behind the subject when the viewer opens."}),
    }  # fmt: skip


def viewer_options(
    resolution: int, frames: int, megabytes: float, seconds: float, background: str
) -> VolumeOptions:  # fmt: skip
    """Widget values as the core's options."""
    return VolumeOptions(resolution, frames, megabytes, seconds, BACKGROUNDS[background])
