"""Normals in closed form against differences, on a field fitted to a picture alone, and what a step with each costs.

python -m benchmarks.normals [--preset draft] [--steps 120] prints Markdown. The picture is the built-in robot's, seen
from its own side and seven others; weights are those of compositing."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from a124core.cameras.rig import make_cameras
from a124core.field.field4d import Field4D
from a124core.priors.builtin import example_image
from a124core.protocols import Guidances, Run, Shading, View
from a124core.reference.reference import make_reference
from a124core.render.render import Render, render
from a124core.render.sample import camera_rays, sample_rays
from a124core.stages.config import NORMALS, StaticConfig
from a124core.stages.gradients import backward
from a124core.stages.optimise import initial_field, optimise
from a124core.stages.presets import preset
from a124core.stages.render_batch import novel_batch

from .measure import median_seconds

SIZE = 48  # pixels a side of the views that are looked at


@dataclass(frozen=True)
class EightViews:
    """Samples of eight views, their normals under one form, and the pixels' sums of them."""

    rendered: Render
    directions: Tensor  # (R, 3)

    def facing_away(self) -> float:
        """Return the share of the weight whose normal faces away from the camera."""
        along = functional.normalize(self.directions, dim=-1)[self.rendered.samples.ray_indices]
        away = (self.rendered.sample_normals * along).sum(1) > 0
        return float(self.rendered.weights[away].sum() / self.rendered.weights.sum())

    def pixel_normals(self) -> tuple[Tensor, Tensor]:  # (8, S, S, 3) mean normals, (8, S, S) are they opaque?
        opacity = self.rendered.opacity
        mean = (2.0 * self.rendered.normal - opacity) / opacity.clamp_min(1e-6)
        return mean.view(8, SIZE, SIZE, 3), (opacity > 0.9).view(8, SIZE, SIZE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.normals", description=__doc__)
    parser.add_argument("--preset", default="draft", help="whose grid and static stage (%(default)s)")
    parser.add_argument("--steps", type=int, default=120, help="of the fit (%(default)s)")
    parser.add_argument("--size", type=int, default=72, help="of the picture, pixels a side (%(default)s)")
    parser.add_argument("--fitted", choices=NORMALS, default=NORMALS[0], help="normals of the fit (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of each timed step (%(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = replace(preset(args.preset).static, steps=args.steps)
    config = replace(config, render=replace(config.render, reference_size=args.size, normals=args.fitted))
    field = fit(args.preset, config)
    views = {form: eight_views(field, config, form) for form in NORMALS}
    print(f"Angle between both normals, weighted mean: {angle(*views.values()):.0f} degrees.\n")
    print("| normals | facing away | length of a pixel's normal | neighbours differ by | a shaded view, s |")
    print("|---|---|---|---|---|")
    for form, view in views.items():
        normals, opaque = view.pixel_normals()
        length, rows = float(normals.norm(dim=-1)[opaque].mean()), row_difference(normals, opaque)
        seconds = step_seconds(field, config, form, args.repeats)
        cells = (form, f"{view.facing_away():.0%}", f"{length:.2f}", f"{rows:.2f}", f"{seconds:.2f}")
        print(f"| {' | '.join(cells)} |", flush=True)


def fit(name: str, config: StaticConfig) -> Field4D:
    """Fit a still field to the picture alone, with the stage's own schedule and regularisers."""
    reference = make_reference(*example_image("robot", 256), mask_marks="subject")
    start = initial_field("static", None, preset(name).field, config, 0)
    return optimise("static", start, reference, Guidances(), config, Run())


@torch.no_grad()
def eight_views(field: Field4D, config: StaticConfig, normals: str) -> EightViews:
    """Render eight views around the subject with normals of one form."""
    field = replace(field, smooth_normals=normals == "differences")
    rays = camera_rays(make_cameras([0.0] * 8, [45.0 * k for k in range(8)]), torch.zeros(8), SIZE)
    samples = sample_rays(rays, field.occupancy.mask(), config.render.samples)
    return EightViews(render(field, samples, torch.ones(3), Shading(), normals=True), rays.directions)


def angle(first: EightViews, second: EightViews) -> float:
    """Return the mean angle between the normals of the same samples, weighted, in degrees."""
    a, b = first.rendered.sample_normals, second.rendered.sample_normals
    weights = first.rendered.weights
    return float((weights * (a * b).sum(1).clamp(-1, 1).acos()).sum() / weights.sum() * 180.0 / torch.pi)


def row_difference(normals: Tensor, opaque: Tensor) -> float:
    """Return the rms difference of a pixel's normal to the one below, where both are opaque."""
    both = opaque[:, 1:] & opaque[:, :-1]
    return float((normals[:, 1:] - normals[:, :-1])[both].square().sum(-1).mean().sqrt())


def step_seconds(field: Field4D, config: StaticConfig, normals: str, repeats: int) -> float:
    """Time rendering and gradient of one shaded novel view as the stage makes it."""
    cameras = make_cameras([0.0], [70.0])
    light = functional.normalize(torch.tensor([[1.0, 1.0, 1.0]]), dim=1)
    view = View(cameras, cameras, torch.zeros(1), torch.ones(3), Shading("lambertian", 0.5, light))
    field = replace(field.fork(), smooth_normals=normals == "differences")
    rng, mask, size = torch.Generator().manual_seed(0), field.occupancy.mask(), config.render.size
    batch = novel_batch(view, size, lambda i: {"rgb": i.image.square().mean()}, rng, torch.device("cpu"))
    return median_seconds(
        tuple, lambda: backward(field, batch, mask, config.render, config.losses, 1.0), "cpu", repeats
    )


if __name__ == "__main__":
    main()
