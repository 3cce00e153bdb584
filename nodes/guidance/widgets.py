"""Inputs that the guidance nodes share, with the method's numbers and where they come from."""

from __future__ import annotations


def models(model: str) -> dict[str, tuple]:
    """Return MODEL, CLIP and VAE, as a checkpoint loader gives them."""
    return {
        "model": ("MODEL", {"tooltip": model}),
        "clip": ("CLIP", {"tooltip": "The CLIP of the same checkpoint."}),
        "vae": ("VAE", {"tooltip": "The VAE of the same checkpoint: the gradient goes through a copy of its encoder."}),
    }


def prompt(default: str, tooltip: str) -> tuple:
    return ("STRING", {"multiline": True, "default": default, "tooltip": tooltip})


def cfg(default: float, source: str = "") -> tuple:
    reason = source or (
        "101 is no mistake: score distillation needs it to converge to one result, and the release's 100 is added to "
        "the conditional prediction, which is 101 in ComfyUI's form."
    )
    return ("FLOAT", {
        "default": default, "min": 1.0, "max": 1000.0, "step": 0.5,
        "tooltip": f"Strength of classifier-free guidance, uncond + cfg (cond - uncond). {reason}",
    })


def weight(default: float, tooltip: str) -> tuple:
    return ("FLOAT", {"default": default, "min": 0.0, "max": 1e4, "step": 0.001, "tooltip": tooltip})


def noise(low: float, high: float, source: str = "as released") -> dict[str, tuple]:
    """Return the range of noise levels, as shares of the schedule; source: where the two numbers are from."""
    limits = {"min": 0.0, "max": 1.0, "step": 0.01}
    return {
        "t_min": ("FLOAT", {"default": low, **limits, "tooltip": (
            f"Lowest noise level that is drawn, as a share of the schedule. {low} {source}."
        )}),
        "t_max": ("FLOAT", {"default": high, **limits, "tooltip": (
            f"Highest noise level that is drawn. {high} {source}. Lower it when the result is over-saturated."
        )}),
    }


def size(default: int, source: str = "as released") -> tuple:
    return ("INT", {
        "default": default, "min": 64, "max": 2048, "step": 64,
        "tooltip": (
            f"Renders are resized to this many pixels for the MODEL. {default} {source}; smaller is faster and needs "
            "less memory."
        ),
    })
