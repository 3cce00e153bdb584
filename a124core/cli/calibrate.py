"""`--calibrate`: cfg and noise range of learned priors, chosen when a stage begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..field.field4d import Field4D
from ..prior_check.calibrate import calibrate, scene_views
from ..protocols import Guidances
from ..runs.memory import model_priors
from .prepare import PreparedRun


def calibrated_guidances(
    prepared: PreparedRun, stage: str, field: Field4D | None, say: Callable[[str], None], check_stop: Callable[[], None]
) -> Guidances:
    """Return the stage's guidances with numbers under which the scene, as the stage before left it, keeps its contrast;
    say what was chosen. check_stop is called before each query of a prior."""
    options, guidances = prepared.options, prepared.stage_guidances(stage)
    if not options.calibrate:
        return guidances
    requested = {role: g and replace(g, calibrate=True) for role, g in vars(guidances).items()}
    views = scene_views(prepared.reference, field, prepared.config(stage).render.size, options.device)
    say(f"{stage}: calibrating the guidances ...")
    try:
        chosen = calibrate(Guidances(**requested), views, options.seed, options.device, lambda *_: check_stop())
    finally:
        for prior in model_priors(guidances):
            prior.close()
    for note in chosen.notes:
        say(f"  {note}")
    return chosen.apply(guidances)
