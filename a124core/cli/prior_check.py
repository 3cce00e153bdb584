"""`prior-check`: what each prior makes of the scene, before hours are spent on it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ..export.checkpoint import load_field
from ..export.images.sheets import write_image
from ..field.config import BACKBONES
from ..prior_check.check import PriorCheck, check_priors
from ..prior_check.views import ProbeViews, render_views
from ..protocols import Guidances
from ..runs.memory import model_priors
from ..stages.presets import MEMORY
from ..utils.device import is_out_of_memory
from ..utils.files import atomic_write
from .folder import refuse_overwriting, used_folder
from .prepare import PreparedRun, RunOptions
from .progress import advance, step_bar
from .run import prepare_aloud

SHEET, CURVE, REPORT = "prior_check.png", "response_curve.png", "prior_check.txt"


def add_prior_check_args(p: argparse.ArgumentParser) -> None:
    """Add what belongs to the check alone; picture, prompt and priors are those of `animate`."""
    p.add_argument("--field", type=Path, help="a saved field of the scene, such as the static stage's: only with it "
                   "are side, back and the view prior's camera checked")
    p.add_argument("--curve", action="store_true", help="also measure how much contrast each prior keeps of a scene "
                   "that fades, and with which cfg it would keep all: about 33 queries more to each")
    p.add_argument("--size", type=int, default=128, help="pixels a side of the pictures (%(default)s)")
    p.add_argument("--seed", type=int, default=0, help="same seed, threads and backend: same report")
    p.add_argument("--memory", choices=("auto", *MEMORY), default="auto", help="low: models wait in main memory "
                   "(%(default)s)")
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    # of a run, which this is not
    p.set_defaults(steps_scale=1.0, sampling=None, reference_mode=None, condition=None, calibrate=False)
    p.set_defaults(backbone=BACKBONES[0], no_reference=False, no_image_prior=False, no_moving_view_prior=False)
    p.set_defaults(no_motion_words=False)


def prior_check(describe: Callable[[argparse.Namespace], RunOptions], options: argparse.Namespace) -> None:
    """Check every prior that the run would use; write the sheet, the curve and the report."""
    if options.out is None:
        raise ValueError("no folder for the results is named: add --out FOLDER.")
    targets = {name: options.out / name for name in (SHEET, *((CURVE,) if options.curve else ()), REPORT)}
    for source in (options.image, options.mask, options.depth, options.field):
        refuse_overwriting(source, *targets.values())
    with used_folder(options.out, _say):
        run = describe(options)
        field = None if options.field is None else render_views(load_field(options.field), run.device)
        views = ProbeViews(run.reference, field, options.size)
        prepared = prepare_aloud(run, _say)
        result = _check(used_by_stages(prepared), views, run, options)
        write_image(targets[SHEET], result.sheet())
        if options.curve:
            write_image(targets[CURVE], result.curve_plot())
        with atomic_write(targets[REPORT]) as temporary:
            temporary.write_text(result.report + "\n", encoding="utf-8")
    print(result.report)
    print("Written: " + ", ".join(str(path) for path in targets.values()))


def used_by_stages(prepared: PreparedRun) -> Guidances:
    """Return the guidances that any stage of the run would use."""
    used = [vars(prepared.stage_guidances(stage)) for stage in prepared.stages]
    return Guidances(**{role: next((u[role] for u in used if u[role] is not None), None) for role in used[0]})


def _check(guidances: Guidances, views: ProbeViews, run: RunOptions, options: argparse.Namespace) -> PriorCheck:
    """Query the priors under a progress bar; give their memory back."""
    bar = step_bar("prior check", 0, 0, options.quiet)

    def on_progress(done: int, total: int, text: str) -> None:
        bar.total = total
        bar.set_postfix_str(text, refresh=False)
        if done > bar.n:
            advance(bar)

    try:
        with bar:
            return check_priors(guidances, views, "", run.seed, run.device, on_progress, options.curve)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        advice = "start it again with --memory low, or take smaller models"
        raise RuntimeError(f"the prior check is out of memory: {advice}.") from error
    finally:
        for prior in model_priors(guidances):
            prior.close()


def _say(line: str) -> None:
    print(line, flush=True)
