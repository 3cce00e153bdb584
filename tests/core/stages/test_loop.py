"""The stages on a prior whose answer is known, and the exactness of chunks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.field.field4d import Field4D, new_field
from a124core.field.occupancy import Occupancy, empty_occupancy, update_occupancy
from a124core.protocols import Guidance, Guidances, Shading, Step, View
from a124core.render.clip import ImageOptions, render_clip
from a124core.stages import loop
from a124core.stages.config import NORMALS, CoarseConfig, FineConfig, LossWeights, RenderConfig
from a124core.stages.fine import refined_frames
from a124core.stages.gradients import backward
from a124core.stages.optimise import initial_field
from a124core.stages.render_batch import RenderedImages, novel_batch
from tests.core.stages.ball import (
    FIELD,
    MOVING,
    PICTURES,
    STATIC,
    SWEPT,
    VIDEO,
    VIDEOS,
    VIEW,
    VIEWS,
    Ball,
    viewed_by,
)
from tests.stage_runs import run_stage


def error(field: Field4D, time: float) -> float:
    cameras = make_cameras([0.0, 20.0, -10.0], [15.0, 130.0, 250.0])
    times = torch.full((3,), time)
    wanted = VIEW.prior.picture(cameras, times, 16, torch.ones(3))
    image = render_clip(field, cameras, times, ImageOptions(16, 48, normals=False)).image
    return float((image - wanted).square().mean())


def test_static_reaches_the_prior(still: Field4D) -> None:
    start = new_field(replace(FIELD, time_grids=1), torch.Generator().manual_seed(0))
    assert error(still, 0.0) < min(0.02, 0.25 * error(start, 0.0))


def test_coarse_learns_the_motion_and_leaves_its_input_alone(still: Field4D) -> None:
    before = still.table.clone()
    moving = run_stage("coarse", CoarseConfig(**MOVING), VIDEOS, still, time_grids=FIELD)
    assert error(moving, 1.0) < 0.4 * error(still, 1.0)
    assert torch.equal(still.table, before) and moving.config.time_grids == 5


def test_fine_repairs_towards_its_prior(still: Field4D) -> None:
    class Blue(Ball):
        """Repairs what it is shown: the condition, but blue is missing."""

        def denoise(self, x_t, sigma, view):
            fixed = view.condition.clone()
            fixed[:, 2] *= 0.5
            return fixed

    coarse = run_stage("coarse", CoarseConfig(**{**MOVING, "steps": 8}), VIDEOS, still, time_grids=FIELD)
    refine = Guidance(Blue(clip=False), 1e-2, 0.02, 0.5, form="clean")
    config = FineConfig(**{**MOVING, "background": "white", "steps": 30})
    fine = run_stage("fine", config, Guidances(refine=refine), coarse)
    cameras, time = make_cameras(0.0, 30.0), torch.tensor([0.4])
    was, now = (render_clip(f, cameras, time, ImageOptions(16, 48, normals=False)) for f in (coarse, fine))
    inside = was.mask > 0.9
    change = [float((now.image - was.image)[:, c : c + 1][inside].mean()) for c in range(3)]
    assert change[2] < -0.15 and abs(change[0]) < 0.5 * -change[2], change


def test_between_sweeps_the_sampled_cells_alone_are_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []

    def watched(occupancy: Occupancy, *args: Any, within: torch.Tensor | None = None) -> Occupancy:
        assert within is None or torch.equal(within, occupancy.mask().binary)
        shares.append(1.0 if within is None else float(within.float().mean()))
        return update_occupancy(occupancy, *args, within=within)

    monkeypatch.setattr(loop, "update_occupancy", watched)
    run_stage("static", replace(STATIC, **SWEPT, steps=9), VIEWS, FIELD)
    assert len(shares) == 5
    assert shares[0] == shares[3] == 1.0 and 0 < max(shares[1], shares[2], shares[4]) < 1


@pytest.mark.parametrize("mode", ["albedo", "lambertian", "normal"])
def test_chunks_give_exactly_the_same_gradient(mode: str) -> None:
    """All regularisers on, so that sums over samples are covered too."""
    rng = torch.Generator().manual_seed(3)
    field = new_field(replace(FIELD, init_scale=0.3), rng)
    occupancy = update_occupancy(empty_occupancy(16, 4, 1.0), field, 1.0, rng)
    field = replace(field, occupancy=occupancy)
    losses = replace(LossWeights(), entropy=1.0, orientation=1.0)
    target = torch.rand(2, 3, 12, 12, generator=rng)
    light = torch.nn.functional.normalize(torch.randn(2, 3, generator=rng), dim=1)

    def loss_fn(images: RenderedImages) -> dict[str, torch.Tensor]:
        return {"rgb": (images.image - target).square().mean(), "depth": images.depth.square().mean()}

    def gradient(chunk: int) -> tuple[torch.Tensor, torch.Tensor, dict]:
        fork = field.fork()
        draws = torch.Generator().manual_seed(5)
        cameras, time = make_cameras([0.0, 20.0], [0.0, 50.0]), torch.tensor([0.1, 0.6])
        view = View(cameras, reference_camera(), time, torch.ones(3), Shading(mode, 0.3, light))
        batch = novel_batch(view, 12, loss_fn, draws, torch.device("cpu"))
        config = RenderConfig(samples=48, chunk=chunk, pixel_variance=0.2)
        report = backward(fork, batch, occupancy.mask(), config, losses, 1.0)
        return fork.table.grad, fork.mlp["w1"].grad, report.losses

    whole, mlp, report = gradient(0)
    assert whole.abs().sum() > 0 and {"entropy", "orientation", "normal tv", "normal blur"} <= report.keys()
    for chunk in (7, 100):
        table_grad, mlp_grad, chunked = gradient(chunk)
        torch.testing.assert_close(table_grad, whole, atol=1e-6 * float(whole.abs().max()) * 10, rtol=1e-4)
        torch.testing.assert_close(mlp_grad, mlp, atol=1e-5 * float(mlp.abs().max()), rtol=1e-4)
        assert chunked == pytest.approx(report, rel=1e-4)


def test_same_seed_same_field() -> None:
    config = replace(STATIC, steps=5)
    fields = [run_stage("static", config, VIEWS, FIELD, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(fields[0].table, fields[1].table) and not torch.equal(fields[0].table, fields[2].table)


def test_a_field_with_few_levels_keeps_half_of_them_audible() -> None:
    config = replace(STATIC, steps=3, masked_levels=8)
    made = run_stage("static", config, VIEWS, replace(FIELD, levels=1))
    assert made.table.isfinite().all()


def test_a_step_of_the_static_stage_shows_as_many_views_as_are_requested() -> None:
    """Each from a camera of its own, and together as strong as one: score distillation is their mean."""
    asked: list[View] = []

    class Watching(Ball):
        def denoise(self, x_t, sigma, view):
            asked.append(view)
            return super().denoise(x_t, sigma, view)

    strengths: dict[int, list[float]] = {}
    for views in (1, 4):
        steps: list[Step] = []
        config = replace(STATIC, steps=6, views=views)
        run_stage("static", config, viewed_by(Watching()), FIELD, on_step=steps.append)
        strengths[views] = [step.losses["sds view"] for step in steps]
    assert [len(view.cameras) for view in asked] == [1] * 6 + [4] * 6
    assert all(len(set(view.cameras.azimuth.tolist())) == len(view.cameras) for view in asked)
    means = {views: sum(found) / len(found) for views, found in strengths.items()}
    assert 0.3 < means[4] / means[1] < 0.8  # the norm of a mean of four independent ones is about half


def test_normals_of_differences_reach_shading_and_the_frozen_copy(
    still: Field4D, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They change what shaded views teach and nothing else; the field that comes out is in closed form again."""
    config = replace(STATIC, steps=2)
    for shaded in (False, True):
        configs = [replace(config, shaded=shaded, render=replace(PICTURES, normals=form)) for form in NORMALS]
        closed, smooth = (run_stage("static", c, VIEWS, FIELD) for c in configs)
        assert torch.equal(closed.table, smooth.table) != shaded and not smooth.smooth_normals
    frozen: list[Field4D] = []
    monkeypatch.setattr("a124core.stages.fine.refinement", lambda field, *_: frozen.append(field))
    moving = initial_field("coarse", still, FIELD, CoarseConfig(**MOVING), 0)
    for form in NORMALS:
        options = {**MOVING, "steps": 1, "render": replace(PICTURES, normals=form)}
        run_stage("fine", FineConfig(**options), Guidances(video=VIDEO, refine=VIEW), moving)
    assert [field.smooth_normals for field in frozen] == [False, True]


def test_nothing_connected_is_refused(still: Field4D) -> None:
    with pytest.raises(ValueError, match="connect a reference"):
        run_stage("static", STATIC, Guidances(), FIELD)
    with pytest.raises(ValueError, match="connect a video guidance"):
        run_stage("coarse", CoarseConfig(**MOVING), Guidances(), still, time_grids=FIELD)
    with pytest.raises(ValueError, match="run the coarse stage"):
        run_stage("fine", FineConfig(**MOVING), VIDEOS, still)


def test_a_field_that_empties_stops_the_stage_with_advice() -> None:
    class Nothing(Ball):
        def picture(self, cameras, time, size, background):
            return background.view(1, 3, 1, 1).expand(len(cameras), 3, size, size).clone()

    with pytest.raises(RuntimeError, match="collapsed and is empty"):
        run_stage("static", replace(STATIC, steps=400), viewed_by(Nothing(clip=False)), FIELD)


def test_steps_report_losses_previews_and_lazy_snapshots() -> None:
    steps: list[Step] = []
    run_stage("static", replace(STATIC, steps=3), VIEWS, FIELD, on_step=steps.append)
    assert [s.step for s in steps] == [1, 2, 3] and all("sds view" in s.losses for s in steps)
    assert steps[-1].preview().shape[:2] == (2, 3) and steps[-1].snapshot().step == 3


def test_refined_frames(rng: torch.Generator) -> None:
    assert refined_frames(16, 2, "first", rng).tolist() == [0, 8]
    assert refined_frames(8, 3, "first", rng).tolist() == [0, 2, 5]
    assert refined_frames(2, 4, "first", rng).tolist() == [0, 1]
    seen = {tuple(refined_frames(16, 2, "random", rng).tolist()) for _ in range(200)}
    assert seen == {(k, k + 8) for k in range(8)}
