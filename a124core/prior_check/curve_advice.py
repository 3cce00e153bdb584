"""From a response curve to numbers under which the scene keeps its contrast, and to a sentence for the user."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..protocols import Guidance
from .curve import LEVELS, NoiseDraws, ResponseCurve, noise_draws
from .warnings import CFG_RANGE

FADES, SATURATES = 0.8, 1.2  # contrast at rest, from which on it is visible
BAND = (0.9, 1.1)  # contrasts at rest of the cfgs that are recommended
CONTRADICTS = 0.3  # of contrast by which one noise level moves the true scene, from which on it is left out
NOT_LINEAR = (
    "The {role} guidance does not answer in proportion to its cfg (a patch such as RescaleCFG changes it): its curve "
    "holds for cfg {cfg:g} only, and no other can be recommended."
)


@dataclass(frozen=True)
class Calibration:
    """The cfg and the noise range with which score distillation rests at the true contrast."""

    cfg: float
    t_min: float
    t_max: float

    def apply(self, guidance: Guidance) -> Guidance:
        """Return the guidance with these numbers; a source must have the prior's cfg, or their residuals differ."""
        source = None if guidance.source is None else guidance.source.with_cfg(self.cfg)
        prior = guidance.prior.with_cfg(self.cfg)
        return replace(with_range(guidance, self.t_min, self.t_max), prior=prior, source=source)


def with_range(guidance: Guidance, t_min: float, t_max: float) -> Guidance:
    """Return the guidance with another noise range; annealing still ends where it did, as far as it is inside."""
    last = guidance.t_max_end
    return replace(
        guidance, t_min=t_min, t_max=t_max, t_max_end=None if last is None else min(max(last, t_min), t_max)
    )


def calibrate_curve(curve: ResponseCurve, guidance: Guidance, role: str) -> Calibration | None:
    """Choose the widest part of the guidance's noise range that rests at the true contrast without any of its levels
    moving it far, and its cfg; None where no cfg of the role's usual range does."""
    for t_min, t_max in sorted(_noise_ranges(guidance), key=lambda r: r[0] - r[1]):
        cfg = _cfg(curve, guidance, role, (t_min, t_max), 1.0)
        if cfg is not None and _agrees(curve, cfg, (t_min, t_max)):
            return Calibration(cfg, t_min, t_max)
    return None


def _noise_ranges(guidance: Guidance) -> list[tuple[float, float]]:
    """Return the range of the guidance, and those that leave out the curve's levels at its ends."""
    inside = [level for level in LEVELS if guidance.t_min <= level <= guidance.t_max]
    middles = [(a + b) / 2 for a, b in zip(inside[:-1], inside[1:], strict=True)]
    lows = [guidance.t_min, *(round(m, 2) for m in middles)]
    highs = [*(round(m, 2) for m in middles), guidance.t_max]
    return [(low, high) for low in lows for high in highs if sum(low <= level <= high for level in inside) >= 2] or [
        (guidance.t_min, guidance.t_max)
    ]


def _cfg(
    curve: ResponseCurve, guidance: Guidance, role: str, noise: tuple[float, float], contrast: float
) -> float | None:
    """Return the cfg for a contrast at rest, if the role may have it."""
    cfg, (low, high) = curve.cfg_for(contrast, noise_draws(with_range(guidance, *noise))), CFG_RANGE[role]
    return cfg if cfg is not None and low <= cfg <= high else None


def _agrees(curve: ResponseCurve, cfg: float, noise: tuple[float, float]) -> bool:
    """Whether each noise level of the range alone would leave the true scene about where it is."""
    return all(abs(curve.keeps(t, cfg) - 1.0) <= CONTRADICTS for t in LEVELS if noise[0] <= t <= noise[1])


# Sentences


def curve_warning(role: str, curve: ResponseCurve, guidance: Guidance) -> str | None:
    """Say that the scene would fade or over-saturate, and with which numbers it would not; None where it keeps."""
    draws = noise_draws(guidance)
    rest = curve.joint_rest(curve.own_cfg, draws)
    if curve.exact or FADES <= rest <= SATURATES:
        return None
    level = min(LEVELS, key=lambda t: abs(t - (guidance.t_min + guidance.t_max) / 2))
    which = f"At cfg {curve.own_cfg:g} the" if curve.has_cfg else "The"
    effect = "fades the scene" if rest < FADES else "over-saturates the scene"
    return (
        f"{which} {role} guidance keeps {curve.keeps(level, curve.own_cfg):.2g} of the contrast at t = {level:g} and "
        f"{effect}: score distillation rests at {_contrast(rest)}. {_remedy(role, curve, guidance, rest)}"
    )


def _contrast(rest: float) -> str:
    if math.isinf(rest):
        return "no contrast, which grows without end"
    return f"{rest:.2g} of it" if rest < 1.0 else f"{rest:.2g} times the true contrast"


def _remedy(role: str, curve: ResponseCurve, guidance: Guidance, rest: float) -> str:
    """Say which numbers to use instead."""
    low, high = CFG_RANGE[role]
    if not curve.has_cfg:
        return "It has no cfg that could be changed: use another model or prompt."
    if not curve.linear:
        return "Raise its cfg." if rest < FADES else "Lower its cfg."
    best = calibrate_curve(curve, guidance, role)
    if best is None:
        return f"No cfg from {low:g} to {high:g} mends it: use another model or prompt."
    noise = (best.t_min, best.t_max)
    ends = [_cfg(curve, guidance, role, noise, contrast) for contrast in BAND]
    first, last = sorted(_rounded(best.cfg if cfg is None else cfg) for cfg in ends)
    cfg = f"cfg {first:g} to {last:g}" if first < last else f"cfg {first:g}"
    limits = [f"t_min {best.t_min:g}"] if best.t_min > guidance.t_min else []
    limits += [f"t_max {best.t_max:g}"] if best.t_max < guidance.t_max else []
    return f"Use {' and '.join([cfg, *limits])}."


def _rounded(cfg: float) -> float:
    """Round to two digits."""
    return float(f"{cfg:.2g}")


def colour_warning(role: str, curve: ResponseCurve) -> str | None:
    """Say that a prior that is there to repair colours moves them further off."""
    if role != "refine" or curve.restored.get("colours", 1.0) >= 0.0:
        return None
    return (
        f"The refine guidance moves wrong colours further off at cfg {curve.own_cfg:g}: raise its cfg, or put the "
        "learned embedding into its prompt."
    )


def curve_notes(role: str, curve: ResponseCurve, guidance: Guidance) -> list[str]:
    """Say what holds its contrast whatever the noise, what cannot be predicted, and how far a guess repairs."""
    notes = []
    rest = curve.joint_rest(curve.own_cfg, noise_draws(guidance))
    if curve.exact and FADES <= rest <= SATURATES:
        notes.append(f"The {role} guidance is exact: it asks for its own answer at every noise.")
    elif curve.exact:
        same = ", or this one in motion or in other colours" if role == "video" else ""  # a picture alone stands still
        notes.append(
            f"The {role} guidance is exact, but its answer has {rest:.2g} times the contrast of this scene: it knows "
            f"another one{same}."
        )
    if curve.has_cfg and not curve.linear:
        notes.append(NOT_LINEAR.format(role=role, cfg=curve.own_cfg))
    if curve.restored:
        parts = " and ".join(f"{100 * share:.0f} % of {_ERRORS[name]}" for name, share in curve.restored.items())
        notes.append(f"One guess of the {role} guidance at t = 0.5 mends {parts}.")
    return notes


_ERRORS = {"blur": "a blur", "colours": "wrong colours"}


def curve_figures(curve: ResponseCurve, draws: NoiseDraws) -> dict[str, float]:
    """Return the measurements behind the sentences."""
    figures = {"rest": curve.joint_rest(curve.own_cfg, draws)}
    for level, value in zip(LEVELS, curve.rests(curve.own_cfg), strict=True):
        figures |= {f"keeps {level:g}": curve.keeps(level, curve.own_cfg), f"rest {level:g}": value}
    figures |= {f"mends {name}": share for name, share in curve.restored.items()}
    return figures
