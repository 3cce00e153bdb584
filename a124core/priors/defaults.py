"""Weight, noise range and guidance scale of each role: the release's for networks, tuned ones for built-in priors."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..protocols import Guidance, Prior


@dataclass(frozen=True)
class RoleDefaults:
    """The numbers of a role's prior and Guidance."""

    cfg: float  # uncond + cfg (cond - uncond); the release's omega is cond + omega (cond - uncond), so cfg = omega + 1
    weight: float
    t_min: float
    t_max: float
    t_max_end: float | None = None
    size: int | None = None  # pixels a side of the network's input; None: chosen by the caller
    form: str = "eps"
    angle_weight: bool = False
    weight_unit: str = "raw"
    calibrate: bool = False

    def guidance(self, prior: Prior, note: str) -> Guidance:
        """Wrap a prior with these numbers; one prior may be in two guidances, with another weight."""
        return Guidance(
            prior, self.weight, self.t_min, self.t_max, self.t_max_end, self.form, self.angle_weight, note,
            self.weight_unit, self.calibrate,
        )


# As in animate124's launch scripts, cfg in the standard form.
RELEASED = {
    # --guidance_scale 100; 0.025: the threestudio set, see stages/presets.py
    "image": RoleDefaults(101.0, 0.025, 0.2, 0.6, size=512),
    "view": RoleDefaults(5.0, 1.0, 0.2, 0.6, size=256, angle_weight=True),  # standard form already; 1 in the same set
    "video": RoleDefaults(101.0, 1.0, 0.02, 0.98, size=256),  # --guidance_scale 100, frames resized to 256
    "refine": RoleDefaults(8.5, 1.0, 0.2, 0.8, size=1024, form="clean"),  # --cn_guidance 7.5, clean-latent loss
    # the upscaler's own default; the paper prints none
    "upscale": RoleDefaults(9.0, 1.0, 0.2, 0.8, size=512, form="clean"),
}
NOISE_LEVEL = 20  # of the upscaler: its own default
PAPER = ("paper", "paper_as_printed")  # presets that go with the weights that the paper prints
MOVING_VIEW_WEIGHT = 40.0  # lambda_3D of the coarse and fine stage

# Weights multiply a gradient that is summed over the pixels of an image, while the reference losses are means.
BUILT_IN = {
    "image": RoleDefaults(3.0, 5e-5, 0.02, 0.98, 0.5),
    "view": RoleDefaults(1.5, 2e-3, 0.02, 0.98, 0.5),
    "video": RoleDefaults(3.0, 2e-5, 0.02, 0.98, 0.5),
    "refine": RoleDefaults(1.0, 1e-3, 0.02, 0.98, 0.1, form="clean"),
    "upscale": RoleDefaults(1.0, 1e-3, 0.02, 0.98, 0.1),
}


# The same strengths in the unit "normalised", at the sizes above and the presets' weights of the picture: released's
# 1000 in the static and 5e4 in the moving stages, demo's 20 (48 pixels, 6 frames).
NORMALISED = {"image": 0.23, "view": 2.3, "video": 0.83, "refine": 2.6, "upscale": 2.6}
NORMALISED_BUILT_IN = {"image": 0.011, "view": 0.44, "video": 0.026, "refine": 4.0, "upscale": 0.87}


def normalised_built_in(role: str, guidance: Guidance) -> Guidance:
    """Return an exact prior's guidance with the same strength in the unit that goes with every preset."""
    factor = guidance.weight / BUILT_IN[role].weight
    return replace(guidance, weight=factor * NORMALISED_BUILT_IN[role], weight_unit="normalised")


def released_defaults(role: str, preset: str, moving: bool = False) -> RoleDefaults:
    """Return a role's numbers; `paper` weighs image : view 1 : 40 everywhere and prints cfg 7.5 for the ControlNet;
    `good` has a weight of the picture for which the raw weights of models were not made; `draft` renders half of the
    release's sides, so half is enough for its repair, with as much weight on a quarter of the latents."""
    numbers = RELEASED[role]
    if preset == "good":
        return replace(numbers, weight=NORMALISED[role], weight_unit="normalised")
    if preset == "draft" and role == "refine":
        return replace(numbers, size=numbers.size // 2, weight=4.0 * numbers.weight)
    if preset in PAPER and role == "image":
        return replace(numbers, weight=1.0)
    if preset in PAPER and role == "refine":
        return replace(numbers, cfg=7.5)
    if role == "view" and (moving or preset in PAPER):
        return replace(numbers, weight=MOVING_VIEW_WEIGHT)
    return numbers
