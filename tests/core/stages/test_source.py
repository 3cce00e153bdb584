"""A source in the video guidance: what a prior does to a clip that stands still, it does not do to the moving one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.field.field4d import Field4D
from a124core.prior_check.curve_advice import Calibration
from a124core.priors.checked import PriorError, check_gradients, checked
from a124core.priors.sds import StillClip, sds
from a124core.protocols import FieldExplodedError, Guidance, Guidances, View
from a124core.render.clip import ImageOptions, render_clip
from a124core.stages.config import CoarseConfig
from a124core.stages.render_batch import sds_loss
from tests.core.stages.ball import FIELD, MOVING, STATIC, VIDEO, VIEWS, Ball
from tests.stage_runs import run_stage


@dataclass
class Faded(Ball):
    """Answers with the ball at 0.6 of its contrast, rising or not."""

    still: bool = False

    def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
        time = torch.zeros_like(view.time) if self.still else view.time
        image = self.picture(view.cameras, time, x_t.shape[-1], view.background)
        background = view.background.view(1, 3, 1, 1)
        return self.encode(background + 0.6 * (image - background))


def contrast(field: Field4D) -> float:
    cameras, time = make_cameras([0.0, 20.0], [15.0, 130.0]), torch.full((2,), 0.25)
    image = render_clip(field, cameras, time, ImageOptions(16, 48, normals=False)).image
    truth = VIDEO.prior.picture(cameras, time, 16, torch.ones(3))
    return float((1 - image).square().mean().sqrt() / (1 - truth).square().mean().sqrt())


def test_a_source_keeps_the_contrast_that_a_fading_prior_takes() -> None:
    still = run_stage("static", STATIC, VIEWS, FIELD)
    fading = replace(VIDEO, prior=Faded(clip=True))
    config = CoarseConfig(**MOVING)
    plain = run_stage("coarse", config, Guidances(video=fading), still, time_grids=FIELD)
    sourced = replace(fading, source=Faded(clip=True, still=True))
    kept = run_stage("coarse", config, Guidances(video=sourced), still, time_grids=FIELD)
    assert contrast(plain) < 0.8 < contrast(still) - 0.1 < contrast(kept) < 1.1  # early, while it has hardly risen


def test_residuals_of_one_noise_cancel_at_the_still_clip(rng: torch.Generator) -> None:
    """A prior that agrees with its source leaves the still clip exactly where it is; another moves it by the
    difference of their answers, w / sigma times."""
    view = View(make_cameras([0.0] * 2, [0.0] * 2), make_cameras(0.0, 0.0), torch.tensor([0.0, 1.0]), torch.ones(3))
    x0 = torch.rand(1, 3, 2, 16, 16, generator=rng, requires_grad=True)
    eps, sigma = torch.randn(x0.shape, generator=rng), torch.tensor([2.0])
    moving, standing = Faded(clip=True), Faded(clip=True, still=True)
    for prior, expected in (
        (standing, torch.zeros(1)),
        (moving, 0.8 / 2.0 * (standing.denoise(x0, sigma, view) - moving.denoise(x0, sigma, view))),
    ):
        loss = sds(prior, x0, view, sigma, eps, source=StillClip(standing, x0.detach()))
        gradient = torch.autograd.grad(loss.sum(), x0)[0]
        torch.testing.assert_close(gradient, expected.expand_as(gradient), atol=1e-5, rtol=1e-4)


def test_a_source_is_checked_like_a_prior() -> None:
    class Broken(Ball):
        def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
            return x_t[..., :1]

    still = run_stage("static", replace(STATIC, steps=1), VIEWS, FIELD)
    guidance = Guidance(Ball(clip=True), 1e-2, 0.02, 0.98, source=Broken(clip=True))
    config = CoarseConfig(**{**MOVING, "steps": 1})
    with pytest.raises(PriorError, match=r"the video source prior \(Broken\) answered with"):
        run_stage("coarse", config, Guidances(video=guidance), still, time_grids=FIELD)


def test_an_exploded_render_is_told_as_one_beside_a_source() -> None:
    """The still clip is healthy, so it must not be what a broken answer is compared with."""
    guidance = replace(VIDEO, prior=Faded(clip=True), source=Faded(clip=True, still=True))
    used = checked(Guidances(video=guidance)).video
    image = torch.full((4, 3, 12, 12), torch.nan, requires_grad=True)
    cameras = make_cameras([0.0] * 4, [0.0] * 4)
    view = View(cameras, cameras[:1], torch.linspace(0, 1, 4), torch.ones(3))
    with pytest.raises(FieldExplodedError):
        for step in range(1, 30):
            rng = torch.Generator().manual_seed(step)
            sds_loss(used, image, view, step, CoarseConfig(**MOVING), rng, still=torch.ones(4, 3, 12, 12))


def test_what_a_source_notes_is_told_once() -> None:
    used = checked(Guidances(video=replace(VIDEO, source=Faded(clip=True, still=True))))
    used.video.source.notes.append("an unlucky answer")
    assert check_gradients(used, {}) == ["an unlucky answer"] and check_gradients(used, {}) == []


def test_calibration_gives_a_source_the_cfg_of_the_prior() -> None:
    @dataclass
    class Guided(Faded):
        cfg: float = 7.5

        def with_cfg(self, scale: float) -> Guided:
            return replace(self, cfg=scale)

    guidance = replace(VIDEO, prior=Guided(clip=True), source=Guided(clip=True, still=True))
    chosen = Calibration(30.0, 0.1, 0.9).apply(guidance)
    assert chosen.prior.cfg == chosen.source.cfg == 30.0 and chosen.source.still
