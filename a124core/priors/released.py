"""The learned priors' numbers as the release has them (animate124's launch scripts), cfg in the standard form."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Numbers:
    """What a role's Guidance and prior are made with."""

    cfg: float  # uncond + cfg (cond - uncond); the release's omega is cond + omega (cond - uncond), so cfg = omega + 1
    weight: float
    t_min: float
    t_max: float
    size: int  # pixels that the network sees
    form: str = "eps"
    angle_weight: bool = False


IMAGE = Numbers(101.0, 0.025, 0.2, 0.6, 512)  # --guidance_scale 100; 0.025: the threestudio set, see stages/presets.py
VIEW = Numbers(5.0, 1.0, 0.2, 0.6, 256, angle_weight=True)  # standard form already; 1 in the same set
VIDEO = Numbers(101.0, 1.0, 0.02, 0.98, 256)  # --guidance_scale 100, frames resized to 256
REFINE = Numbers(8.5, 1.0, 0.2, 0.8, 1024, form="clean")  # --cn_guidance 7.5, clean-latent loss
UPSCALE = Numbers(9.0, 1.0, 0.2, 0.8, 512, form="clean")  # the upscaler's own default; the paper prints none
NOISE_LEVEL = 20  # of the upscaler: its own default
MOVING_VIEW_WEIGHT = 40.0  # lambda_3D of the coarse and fine stage

BY_ROLE = {"image": IMAGE, "view": VIEW, "video": VIDEO, "refine": REFINE, "upscale": UPSCALE}


def numbers(role: str, preset: str, moving: bool = False) -> Numbers:
    """Of a role under a preset; `paper` weighs image : view 1 : 40 everywhere and prints cfg 7.5 for the ControlNet."""
    found = BY_ROLE[role]
    if preset == "paper" and role == "image":
        return replace(found, weight=1.0)
    if preset == "paper" and role == "refine":
        return replace(found, cfg=7.5)
    if role == "view" and (moving or preset == "paper"):
        return replace(found, weight=MOVING_VIEW_WEIGHT)
    return found
