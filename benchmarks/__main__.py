"""Seconds per step of each stage by part, on built-in priors, in plain torch and with the fastest kernels there are.

python -m benchmarks [--preset demo] [--steps 20]; on one CPU thread the clock is the process's own.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from dataclasses import replace

import torch

from a124core.field.field4d import Field4D
from a124core.field.occupancy import Occupancy
from a124core.priors.builtin import BuiltInPriors, RequestedMotion, example_image, make_priors
from a124core.priors.builtin.denoisers import ImagePrior, TilePrior, VideoPrior, ViewPrior
from a124core.protocols import OnStep, Run, Step
from a124core.reference.reference import Reference, make_reference
from a124core.render import render as renderer
from a124core.stages import fine, gradients, loop
from a124core.stages.config import Preset
from a124core.stages.loop import STAGES
from a124core.stages.optimise import initial_field, optimise
from a124core.stages.presets import PRESETS, preset
from a124core.utils.device import best_device, keep_freed_pages, synchronize

from .clock import Clock
from .measure import all_kernels, kernels_from

PLACES = {
    "march": [(gradients, "sample_rays")],
    "field, forwards": [(Field4D, "__call__"), (Field4D, "density_gradient")],
    "composite": [(renderer, "render_weights"), (renderer, "accumulate")],
    "field and renderer, backwards": [(gradients, "_backward_pixels")],
    "frozen field": [(fine, "frozen_images")],
    "losses": [(gradients, "pixel_gradients"), (gradients, "sample_terms"), (loop, "temporal_tv")],
    "prior": [(kind, "denoise") for kind in (ImagePrior, ViewPrior, VideoPrior, TilePrior)],
    "occupancy": [(loop, "update_occupancy"), (Occupancy, "mask")],
    "optimiser": [(loop, "adam_step")],
}
StageRun = Callable[[OnStep, int], Field4D]
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


def _prepared(stage: str, reference: Reference, still: Field4D, args: argparse.Namespace) -> StageRun:
    """A stage that waits for its on_step and number of steps. Its priors have drawn nothing yet."""
    settings = preset(args.preset)
    guidances, config = _priors(reference, settings).guidances, getattr(settings, stage)
    start = initial_field(stage, still, settings.field, config, 1)

    def run(watch: OnStep, steps: int) -> Field4D:
        return optimise(stage, start, reference, guidances, replace(config, steps=steps), Run(1, args.device, watch))

    return run


def _priors(reference: Reference, settings: Preset) -> BuiltInPriors:
    size = settings.static.render.size
    return make_priors(reference, "a robot is swaying", RequestedMotion("sway"), size, subject="robot")


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
    config = replace(settings.static, steps=args.grow, masked_levels=0)
    start = initial_field("static", None, settings.field, config, 0)
    return optimise("static", start, reference, priors.guidances, config, Run(0, args.device))


def _timed(run: StageRun, steps: int, device: str, kernels: str) -> dict[str, float]:
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
