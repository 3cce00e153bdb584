"""Seconds per step of each stage by part, on built-in priors: python -m benchmarks [--preset demo] [--steps 20]."""

from __future__ import annotations

import argparse
import platform
from dataclasses import replace

import torch

from a124core.device import best_device, keep_freed_pages, synchronize
from a124core.field.field4d import Field4D, from_static
from a124core.priors.builtin import example_picture, make_priors
from a124core.priors.builtin.denoisers import ImagePrior, TilePrior, VideoPrior, ViewPrior
from a124core.protocols import OnStep
from a124core.reference import make_reference
from a124core.render import render as render_module
from a124core.stages import backprop, fine, loop
from a124core.stages.coarse import optimise_coarse
from a124core.stages.config import with_steps
from a124core.stages.fine import optimise_fine
from a124core.stages.presets import PRESETS, preset
from a124core.stages.static import optimise_static

from .clock import Clock

PLACES = {
    "march": [(render_module, "place_samples")],
    "field, forwards": [(Field4D, "__call__"), (Field4D, "density_gradient")],
    "composite": [(render_module, "render_weights"), (render_module, "_pixels")],
    "field and renderer, backwards": [(backprop, "_push")],
    "frozen field": [(fine, "frozen_pictures")],
    "losses": [(backprop, "pixel_gradients"), (backprop, "sample_terms"), (loop, "_time_tv")],
    "prior": [(kind, "denoise") for kind in (ImagePrior, ViewPrior, VideoPrior, TilePrior)],
    "occupancy": [(loop, "refresh"), (loop, "marched")],
    "optimiser": [(loop, "_adam_step")],
}
WARM_UP = 5  # steps that are not counted


def main() -> None:
    args = _arguments()
    keep_freed_pages()
    settings = preset(args.preset)
    picture, mask = example_picture("robot")
    reference = make_reference(picture, mask, mask_marks="subject")
    sizes = settings.static.render.size, 2 * settings.static.render.size
    priors = make_priors(reference, "a robot is swaying", "sway", *sizes, subject="robot")
    still = _grown(reference, priors, settings, args)
    slices = settings.coarse.render.occupancy_slices
    moving = from_static(still, settings.field.time_grids, slices)
    common = {"seed": 1, "device": args.device}
    runs = {
        "static": lambda watch, n: optimise_static(
            reference,
            priors.image,
            priors.view,
            with_steps(settings.static, n),
            settings.field,
            on_step=watch,
            **common,
        ),
        "coarse": lambda watch, n: optimise_coarse(
            moving, reference, priors.view, priors.video, with_steps(settings.coarse, n), on_step=watch, **common
        ),
        "fine": lambda watch, n: optimise_fine(
            moving,
            reference,
            priors.view,
            priors.video,
            priors.refine,
            with_steps(settings.fine, n),
            on_step=watch,
            **common,
        ),
    }
    threads = f", {torch.get_num_threads()} threads" if args.device == "cpu" else ""
    print(f"preset {args.preset}, {args.device}{threads}, {platform.machine()}, torch {torch.__version__}")
    for stage, run in runs.items():
        _show(stage, *_timed(run, args.steps, args.device))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--preset", choices=[p for p in PRESETS if p != "auto"], default="demo")
    parser.add_argument("--steps", type=int, default=20, help="steps that are counted, per stage")
    parser.add_argument(
        "--grow", type=int, default=60, help="static steps before anything is timed, so that fog is gone"
    )
    parser.add_argument("--device", default=str(best_device()))
    return parser.parse_args()


def _grown(reference, priors, settings, args) -> Field4D:  # noqa: ANN001
    """A still field past its first fog: the state in which most steps are spent."""
    config = replace(with_steps(settings.static, args.grow), masked_levels=0)
    return optimise_static(reference, priors.image, priors.view, config, settings.field, 0, device=args.device)


def _timed(run, steps: int, device: str) -> tuple[float, dict[str, float], int]:  # noqa: ANN001
    """Seconds of all counted steps, seconds by part, counted steps."""
    clock, began = Clock(device), [0.0]

    def watch(step) -> None:  # noqa: ANN001
        if step.step == WARM_UP:
            synchronize(device)
            clock.seconds.clear()
            began[0] = clock.now()

    on_step: OnStep = watch
    with clock.watching(PLACES):
        run(on_step, WARM_UP + steps)
    synchronize(device)
    return clock.now() - began[0], dict(clock.seconds), steps


def _show(stage: str, total: float, parts: dict[str, float], steps: int) -> None:
    print(f"\n{stage}: {total / steps:.4f} s per step")
    for part, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"  {part:<32}{seconds / steps:>9.4f} s {100 * seconds / total:5.1f} %")
    rest = total - sum(parts.values())
    print(f"  {'everything else':<32}{rest / steps:>9.4f} s {100 * rest / total:5.1f} %")


if __name__ == "__main__":
    main()
