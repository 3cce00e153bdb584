"""A built-in scene at bench size with the ratios of a preset, guided by exact priors or by echoes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from a124core.cli.prepare import PreparedRun, RunOptions, prepare
from a124core.priors.builtin import BuiltInPriors, RequestedMotion, example_image, make_priors
from a124core.priors.builtin.denoisers import NEVER, BankPrior
from a124core.priors.builtin.make import TILE
from a124core.priors.defaults import BUILT_IN, RELEASED, RoleDefaults, released_defaults
from a124core.protocols import Guidance, Guidances, Prior, View
from a124core.reference.reference import make_reference
from a124core.stages.config import Preset, StageConfig
from a124core.stages.loop import STAGES
from a124core.stages.presets import preset

from .drawings import TUNED_ON
from .echo_prior import EchoPrior

FRAMES = 8
TICKS = 16  # half of them lie between two time grids
GRIDS = TICKS // 2 + 1
ROLES = ("image", "view", "video", "refine")
ELEMENTS = {  # of x0 with the published weights, for an image or a frame
    "image": 4 * 64 * 64,
    "view": 4 * 32 * 32,
    "video": 4 * 32 * 32,
    "refine": 4 * 128 * 128,
}
DRIFT = (1.15, 1.0, 0.85)  # factors of red, green, blue


@dataclass(frozen=True)
class StillPrior(Prior):
    """An exact prior that knows the scene at time 0 only."""

    prior: BankPrior
    exact = True

    @property
    def sigmas(self) -> Tensor:
        return self.prior.sigmas

    def encode(self, image: Tensor) -> Tensor:
        return self.prior.encode(image)

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return self.prior.denoise(x_t, sigma, replace(view, time=torch.zeros_like(view.time)))


@dataclass(frozen=True)
class Setting:
    """How the priors err; None as gain: they are exact."""

    name: str
    gain: float | None  # cfg times the share of the condition that is heard: the contrast at which they rest
    roles: dict[str, float]  # gains of single roles
    pose: float = 0.0  # degrees
    error: float = 0.0
    drift: bool = False
    condition: float = 0.0  # share of the condition in what the refine role answers

    def prior(self, role: str, exact: BankPrior, cfg: float) -> BankPrior | EchoPrior:
        """Return the role's exact prior, or its echo at the network's own cfg."""
        gain = self.roles.get(role, self.gain)
        exact = _answers_only(exact)
        if gain is None:
            return exact
        pose = 0.0 if role == "refine" else self.pose  # it sees its condition
        drift = DRIFT if self.drift and role in ("image", "video") else (1.0, 1.0, 1.0)
        condition = self.condition if role == "refine" else 0.0
        return EchoPrior(exact, gain / cfg, cfg, pose, drift, self.error, condition, still=role == "view")


def parse_setting(text: str) -> Setting:
    """Read "exact", or GAIN[:ROLE=GAIN ...][:pose=DEGREES][:error=RMS][:condition=SHARE][:drift]."""
    gain, *options = text.split(":")
    pairs = dict(option.partition("=")[::2] for option in options)
    numbers = {key: float(value) for key, value in pairs.items() if value}
    unknown = {*pairs} - {*ROLES, "pose", "error", "condition", "drift"}
    if unknown:
        raise SystemExit(f"a setting has no {', '.join(sorted(unknown))}: use a role, pose, error, condition or drift.")
    roles = {key: value for key, value in numbers.items() if key in ROLES}
    return Setting(text, None if gain == "exact" else float(gain), roles, numbers.get("pose", 0.0),
                   numbers.get("error", 0.0), "drift" in pairs, numbers.get("condition", 0.0))


def scene_of(name: str, size: int, seed: int) -> PreparedRun:
    """Prepare SUBJECT:MOTION with exact priors."""
    subject, motion = name.split(":")
    inflated = subject in TUNED_ON
    if inflated:
        reference = TUNED_ON[subject].reference()
    else:
        reference = make_reference(*example_image(subject), mask_marks="subject")
    own = None if inflated else subject
    priors = make_priors(reference, f"a {subject}", RequestedMotion(motion), size, own, seed)
    options = RunOptions(reference, f"a {subject}", motion, own, seed, "demo")
    return prepare(options, priors)


def at_bench_size(scene: PreparedRun, name: str, setting: Setting, steps: int) -> PreparedRun:
    """Give a scene a preset's numbers, cut to bench size, and priors that err."""
    settings = bench_settings(name, scene.priors.image.prior.size, steps)
    guidances = _guidances(scene.priors, name, setting, moving=True)
    static_view = _guidances(scene.priors, name, setting, moving=False).view
    return replace(scene, settings=settings, guidances=guidances, static_view=static_view)


def with_source(scene: PreparedRun) -> PreparedRun:
    """Subtract the video prior's residual of the still clip (Guidance.source)."""
    video = scene.guidances.video
    if isinstance(video.prior, EchoPrior):
        source = replace(video.prior, still=True)
    else:
        source = StillPrior(video.prior)
    return replace(scene, guidances=replace(scene.guidances, video=replace(video, source=source)))


def annealed(scene: PreparedRun) -> PreparedRun:
    """Let the highest noise of the video prior fall to 0.4 of the schedule; DreamTime (arXiv 2306.12422) anneals it."""
    return replace(scene, guidances=replace(scene.guidances, video=replace(scene.guidances.video, t_max_end=0.4)))


VARIANTS: dict[str, Callable[[PreparedRun], PreparedRun]] = {
    "-": lambda scene: scene, "source": with_source, "annealed": annealed,
}


def bench_settings(name: str, size: int, steps: int) -> Preset:
    """Return a preset's ratios, rates and schedules at bench size, on the grid of demo."""
    own, demo = preset(name), preset("demo")
    grid = {key: getattr(demo.field, key) for key in ("levels", "base_resolution", "max_resolution",
                                                      "log2_hashmap_size", "hidden")}
    stages, offset = {}, 0
    share = min(1.0, steps / own.static.steps)
    for stage in STAGES:
        config: StageConfig = getattr(own, stage)
        changes: dict[str, Any] = {
            "steps": min(steps, config.steps),
            "step_offset": offset,
            "reference_first": round(share * config.reference_first),
            "render": replace(config.render, size=size, reference_size=2 * size, samples=demo.static.render.samples,
                              occupancy_size=demo.static.render.occupancy_size,
                              occupancy_slices=demo.static.render.occupancy_slices),
        }
        if stage == "static":
            changes["masked_levels"] = round(config.masked_levels * demo.field.levels / own.field.levels)
        else:
            changes["time"] = replace(config.time, ticks=TICKS, frames=FRAMES)
        if stage == "fine":
            changes["refine_frames"] = max(1, round(config.refine_frames * FRAMES / config.time.frames))
        stages[stage] = replace(config, **changes)
        offset += changes["steps"]
    return Preset(replace(own.field, **grid, time_grids=GRIDS), **stages)


def bench_weight(role: str, weight: float, size: int) -> float:
    """Return the weight whose gradient, summed over the latents of `size` pixels, is that of the published ones."""
    side = TILE * size if role == "refine" else size
    return weight * ELEMENTS[role] / (3 * side * side)


def _guidances(priors: BuiltInPriors, name: str, setting: Setting, moving: bool) -> Guidances:
    size = priors.image.prior.size
    result = {}
    for role in ROLES:
        exact: Guidance = getattr(priors, role)
        numbers = bench_numbers(role, name, size, moving)
        result[role] = numbers.guidance(setting.prior(role, exact.prior, RELEASED[role].cfg), "")
    return Guidances(**result)


def bench_numbers(role: str, name: str, size: int, moving: bool) -> RoleDefaults:
    """Return demo's numbers as they are, the others' at the size of the bench's latents."""
    if name == "demo":
        return BUILT_IN[role]
    numbers = released_defaults(role, name, moving)
    share = (numbers.size / RELEASED[role].size) ** 2  # of the elements
    return replace(numbers, weight=bench_weight(role, share * numbers.weight, size))


def _answers_only(prior: BankPrior) -> BankPrior:
    """Drop what the condition excludes: a conditional estimate never holds it."""
    chosen = [k for k, weight in enumerate(prior.cond.tolist()) if weight > NEVER]
    return replace(prior, items=[prior.items[k] for k in chosen], cond=prior.cond[chosen], cfg=1.0)
