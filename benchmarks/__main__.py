"""Seconds per step of each stage by part, on built-in priors, in plain torch and with the fastest kernels there are.

python -m benchmarks [--preset demo] [--steps 20]; on one CPU thread the clock is the process's own.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from dataclasses import replace

import torch

from a124core.field.field4d import Field4D, from_static
from a124core.priors.builtin import BuiltInPriors, example_image, make_priors
from a124core.priors.builtin.denoisers import ImagePrior, TilePrior, VideoPrior, ViewPrior
from a124core.protocols import OnStep, Step
from a124core.reference.reference import Reference, make_reference
from a124core.render import render as render_module
from a124core.stages import fine, gradients, loop
from a124core.stages.coarse import optimise_coarse
from a124core.stages.config import Preset, with_steps
from a124core.stages.fine import optimise_fine
from a124core.stages.presets import PRESETS, preset
from a124core.stages.static import optimise_static
from a124core.utils.device import best_device, keep_freed_pages, synchronize

from .clock import Clock
from .measure import all_kernels, kernels_from

PLACES = {
    "march": [(render_module, "sample_rays")],
    "field, forwards": [(Field4D, "__call__"), (Field4D, "density_gradient")],
    "composite": [(render_module, "render_weights"), (render_module, "_pixels")],
    "field and renderer, backwards": [(gradients, "_backward_pixels")],
    "frozen field": [(fine, "frozen_pictures")],
    "losses": [(gradients, "pixel_gradients"), (gradients, "sample_terms"), (loop, "time_tv")],
    "prior": [(kind, "denoise") for kind in (ImagePrior, ViewPrior, VideoPrior, TilePrior)],
    "occupancy": [(loop, "update_occupancy"), (loop, "occupancy_mask")],
    "optimiser": [(loop, "adam_step")],
}
STAGES = ("static", "coarse", "fine")
Run = Callable[[OnStep, int], Field4D]
WARM_UP = 5  # steps that are not counted


def main() -> None:
    args = _arguments()
    keep_freed_pages()
    threads = f", {torch.get_num_threads()} threads" if args.device == "cpu" else ""
    print(f"preset {args.preset}, {args.device}{threads}, {platform.machine()}, torch {torch.__version__}")
    picture, mask = example_image("robot")
    reference = make_reference(picture, mask, mask_marks="subject")
    still = _grown(reference, args)
    for stage in STAGES:
        found = {}
        for kernels in all_kernels(args.device):
            found[kernels] = _timed(_prepared(stage, reference, still, args), args.steps, args.device, kernels)
        _show(stage, found)


def _prepared(stage: str, reference: Reference, still: Field4D, args: argparse.Namespace) -> Run:
    """A stage that waits for its on_step and number of steps. Its priors have drawn nothing yet."""
    settings = preset(args.preset)
    priors, common = _priors(reference, settings), {"seed": 1, "device": args.device}
    config = getattr(settings, stage)
    if stage == "static":
        given = (reference, priors.image, priors.view)
        return lambda watch, n: optimise_static(
            *given, with_steps(config, n), settings.field, on_step=watch, **common
        )
    moving = from_static(still, settings.field.time_grids, config.render.occupancy_slices)
    wires = (reference, priors.view, priors.video)
    if stage == "coarse":
        return lambda watch, n: optimise_coarse(moving, *wires, with_steps(config, n), on_step=watch, **common)
    return lambda watch, n: optimise_fine(
        moving, *wires, priors.refine, with_steps(config, n), on_step=watch, **common
    )


def _priors(reference: Reference, settings: Preset) -> BuiltInPriors:
    size = settings.static.render.size
    return make_priors(reference, "a robot is swaying", "sway", size, 2 * size, subject="robot")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--preset", choices=[p for p in PRESETS if p != "auto"], default="demo")
    parser.add_argument("--steps", type=int, default=20, help="steps that are counted, per stage")
    parser.add_argument(
        "--grow", type=int, default=60, help="static steps before anything is timed, so that fog is gone"
    )
    parser.add_argument("--device", default=str(best_device()))
    return parser.parse_args()


def _grown(reference: Reference, args: argparse.Namespace) -> Field4D:
    """A still field past its first fog: the state in which most steps are spent."""
    settings = preset(args.preset)
    priors = _priors(reference, settings)
    config = replace(with_steps(settings.static, args.grow), masked_levels=0)
    return optimise_static(reference, priors.image, priors.view, config, settings.field, 0, device=args.device)


def _timed(run: Run, steps: int, device: str, kernels: str) -> dict[str, float]:
    """Seconds of a counted step by part, and in all."""
    clock, began = Clock(device), [0.0]

    def watch(step: Step) -> None:
        if step.step == WARM_UP:
            synchronize(device)
            clock.seconds.clear()
            began[0] = clock.now()

    with clock.watching(PLACES), kernels_from(kernels):
        run(watch, WARM_UP + steps)
    synchronize(device)
    total = clock.now() - began[0]
    parts = {part: seconds / steps for part, seconds in clock.seconds.items()}
    return {"a step": total / steps, **parts, "everything else": total / steps - sum(parts.values())}


def _show(stage: str, found: dict[str, dict[str, float]]) -> None:
    """Columns: kernels; the last says how many times faster than torch."""
    *_, fastest = found
    print(f"\n{stage:<34}" + "".join(f"{name:>12}" for name in found))
    for part, seconds in sorted(found["torch"].items(), key=lambda item: -item[1]):
        cells = "".join(f"{parts.get(part, 0.0):10.4f} s" for parts in found.values())
        ratio = seconds / found[fastest][part] if found[fastest].get(part) else 1.0
        print(f"  {part:<32}{cells}{ratio:8.2f}x")


if __name__ == "__main__":
    main()
