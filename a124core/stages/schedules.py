"""What happens at a step: functions of the step number, the options and the random numbers. Nothing is remembered.

step counts from 1 to cfg.steps within a stage; the global step counts on across stages, as the release does.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..cameras.rig import angle_between, camera_to_world
from ..protocols import Cameras, Guidance, Shading
from .config import CoarseConfig, StageConfig, StaticConfig

AMBIENT = (0.1, 0.9)  # a shaded novel view has ambient light 0.1 + 0.9 U(0, 1) (release)


def global_step(step: int, cfg: StageConfig) -> int:
    """Steps since the start of the static stage."""
    return cfg.step_offset + step


def progress(step: int, steps: int) -> float:
    """0 at the first step, 1 at the last."""
    return (step - 1) / max(steps - 1, 1)


def is_reference_step(step: int, cfg: StageConfig) -> bool:
    """Released mode: the first global steps, then every reference_every-th, render the reference view only."""
    g = global_step(step, cfg)
    return g <= cfg.reference_first or g % cfg.reference_every == 0


def renders(step: int, cfg: StageConfig, clip_starts_at_zero: bool = True) -> tuple[bool, bool]:
    """Which views a step renders: (the reference view, novel views).

    "released": one or the other, by the step number. "paper": novel views always; with them the reference view, in
    the static stage at every step, in the moving stages (Eq. 5, 6) where the clip starts at 0. "every": both, always.
    """
    if cfg.reference_mode == "every":
        return True, True
    if cfg.reference_mode == "paper":
        return clip_starts_at_zero or not isinstance(cfg, CoarseConfig), True
    reference = is_reference_step(step, cfg)
    return reference, not reference


def learning_rate_factor(step: int, cfg: StageConfig) -> float:
    """Linear from 1 at the first step to lr_end at the last."""
    return 1.0 + (cfg.optim.lr_end - 1.0) * progress(step, cfg.steps)


def entropy_factor(step: int, cfg: StageConfig) -> float:
    """min(1, 2 g / G), G the global step at which the stage ends: the release's coarse stage begins at 2/3."""
    return min(1.0, 2.0 * global_step(step, cfg) / (cfg.step_offset + cfg.steps))


def masked_levels(step: int, cfg: StageConfig) -> int:
    """How many of the finest grid levels are masked: some in the first share of the static stage, none later."""
    if not isinstance(cfg, StaticConfig) or step > round(cfg.masked_until * cfg.steps):
        return 0
    return cfg.masked_levels


def is_normal_phase(step: int, cfg: StageConfig) -> bool:
    """At the beginning of the static stage (release: global step < 1000 of 5000) priors see normal maps."""
    return isinstance(cfg, StaticConfig) and step < round(cfg.normal_phase * cfg.steps)


def shading(step: int, cfg: StageConfig, rng: torch.Generator, cameras: Cameras) -> Shading:
    """How the novel views of a step are lit: one mode, one ambient share and one draw n for all of them.

    Light comes from normalise(camera centre + n), n normal: every frame of a clip has its own camera and its own light.
    The same random numbers are drawn whatever the mode, so that switching one off moves no other draw.
    """
    texture, ambient = torch.rand(2, generator=rng).tolist()
    n = torch.randn(3, generator=rng)
    if not cfg.shaded:
        return Shading()
    if is_normal_phase(step, cfg):
        return Shading("normal")
    centre = camera_to_world(cameras)[:, :3, 3]
    mode = "textureless" if texture < cfg.textureless else "lambertian"
    return Shading(mode, AMBIENT[0] + AMBIENT[1] * ambient, functional.normalize(centre + n.to(centre), dim=-1))


def background(cfg: StageConfig, rng: torch.Generator) -> Tensor:  # (3,) in [0, 1]
    """Behind novel views: one random colour for a whole step, or white. Reference views are always on white."""
    colour = torch.rand(3, generator=rng)
    return colour if cfg.background == "random" else torch.ones(3)


def t_high(guidance: Guidance, step: int, steps: int) -> float:
    """Upper end of the noise range, a share of the schedule: t_max, falling linearly to t_max_end if there is one."""
    if guidance.t_max_end is None:
        return guidance.t_max
    high = guidance.t_max + (guidance.t_max_end - guidance.t_max) * progress(step, steps)
    return max(high, guidance.t_min)


def guidance_weights(guidance: Guidance, cameras: Cameras, reference: Cameras) -> Tensor:  # (B,)
    """Factor of the SDS gradient for each camera: its weight, times angle / 180 degrees with angle_weight.

    Zero123's view of the reference camera is the reference image itself, so there its weight is 0 (release).
    """
    weights = torch.full_like(cameras.azimuth, guidance.weight)
    return weights * angle_between(cameras, reference) / 180.0 if guidance.angle_weight else weights
