"""Choose cfg and noise range of learned priors at the start of a stage, so that the scene keeps its contrast."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import torch

from ..priors.checked import checked
from ..protocols import Field, Guidance, Guidances
from ..reference.reference import Reference
from ..utils.progress import OnProgress
from .curve_advice import Calibration, calibrate_curve
from .probe import Probe
from .respond import N_CURVE_QUERIES, curve_input, measure_curve
from .views import ProbeViews, render_views
from .warnings import CFG_RANGE

NOTHING_TO_QUERY = "Not calibrated: calibrate needs a reference, or a field of the stage before"


@dataclass
class Calibrations:
    """What was chosen, by role, and a sentence on every guidance that requested it."""

    by_role: dict[str, Calibration] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def apply(self, guidances: Guidances) -> Guidances:
        """Return the guidances with the chosen numbers; the priors must be closed, for they are copied."""
        return replace(guidances, **{role: c.apply(getattr(guidances, role)) for role, c in self.by_role.items()})


def to_calibrate(guidances: Guidances) -> dict[str, Guidance]:
    """Return the guidances that request it, by role."""
    return {role: g for role, g in vars(guidances).items() if g is not None and g.calibrate}


def scene_views(
    reference: Reference | None, field: Field | None, size: int, device: torch.device | str
) -> ProbeViews | None:
    """Return what a stage can query with when it begins: the field of the stage before, else the reference image."""
    if reference is None and field is None:
        return None
    return ProbeViews(reference, None if field is None else render_views(field, device), size)


def calibrate(
    guidances: Guidances,
    views: ProbeViews | None,  # None: there is nothing to query with
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_progress: OnProgress | None = None,  # called before each query
) -> Calibrations:
    """Measure the response curve of each guidance that requests it, and choose its numbers; PriorError if a prior
    fails, as in a stage."""
    chosen, requested = Calibrations(), to_calibrate(checked(guidances))
    done, total = itertools.count(), N_CURVE_QUERIES * len(requested)
    for role, guidance in requested.items():

        def on_query(role: str = role) -> None:
            if on_progress is not None:
                on_progress(min(next(done), total), total, f"calibrating the {role} guidance")

        if (reason := _why_not(guidance)) is not None:
            chosen.notes.append(f"The {role} guidance {reason}, so calibrate leaves it as it is.")
            continue
        if views is None:
            chosen.notes.append(f"{NOTHING_TO_QUERY}, so the cfg of the {role} guidance stays {guidance.prior.cfg:g}.")
            continue
        probe = Probe(role, guidance, torch.device(device), seed, on_query)
        _choose(probe, views, chosen)
    return chosen


def _why_not(guidance: Guidance) -> str | None:
    """Return why the numbers of a guidance are not for choosing; None if they are."""
    if guidance.prior.exact:
        return "is exact"
    return "has no cfg" if guidance.prior.cfg is None else None


def _choose(probe: Probe, views: ProbeViews, chosen: Calibrations) -> None:
    """Measure one prior; say what was chosen, or why nothing was."""
    role, guidance = probe.role, probe.guidance
    curve = measure_curve(probe, curve_input(list(views.inputs(role, probe.prior.cameras)), role))
    best = None if curve is None else calibrate_curve(curve, guidance, role)
    if best is None:
        low, high = CFG_RANGE[role]
        reason = f"no cfg from {low:g} to {high:g} makes the {role} guidance keep the contrast of the scene"
        reason = reason if curve is None or curve.linear else f"a patch changes what cfg means to the {role} guidance"
        chosen.notes.append(f"Not calibrated: {reason}, so its cfg stays {guidance.prior.cfg:g}.")
        return
    best = replace(best, cfg=float(f"{best.cfg:.3g}"))
    chosen.by_role[role] = best
    chosen.notes.append(
        f"The {role} guidance is calibrated: cfg {best.cfg:g} in place of {guidance.prior.cfg:g}, noise {best.t_min:g} "
        f"to {best.t_max:g}, so that it keeps the contrast of the scene."
    )
