"""A video prior that knows one camera must not confine the others; where nothing is confined nothing changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.builtin import make_priors
from a124core.priors.video_clip import clip_guidance
from a124core.protocols import Cameras, Guidance, Guidances, View
from a124core.stages.coarse import (
    MIN_TEMPORAL_TV,
    RefineFn,
    RefineTerm,
    clip_batches,
    clip_supervisions,
    with_min_temporal_tv,
)
from a124core.stages.config import CoarseConfig, RenderConfig, TimeConfig
from a124core.stages.presets import auto_preset
from a124core.stages.render_batch import RenderedImages
from tests.fakes import PixelPrior

CPU = torch.device("cpu")
CONFIG = CoarseConfig(
    render=RenderConfig(size=8, samples=8), reference_mode="paper", time=TimeConfig(ticks=16, frames=4, start_rate=1.0)
)
CAMERA = reference_camera()


@dataclass
class Recorder(PixelPrior):
    """Keep the view of every call."""

    views: list[View] = field(default_factory=list)
    filmed: tuple[Cameras, ...] = ()

    def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
        self.views.append(view)
        return x_t


def walk(video: Recorder | None, view: Recorder | None, refine_fn: RefineFn | None = None, steps: int = 40) -> list:
    """Run the losses of some steps; -> the batches of every step."""
    view, video = (None if p is None else Guidance(p, 1.0, 0.1, 0.9) for p in (view, video))
    batch_fn = clip_batches(None, Guidances(view=view, video=video), CONFIG, CPU, refine_fn)
    rng, batches = torch.Generator().manual_seed(0), []
    for step in range(1, steps + 1):
        batches.append(batch_fn(step, rng))
        for batch in batches[-1]:
            image = torch.zeros(len(batch.rays) // 64, 3, 8, 8)
            batch.loss_fn(RenderedImages(image, image[:, :1], image[:, :1], None))
    return batches


def test_the_clip_is_shown_from_its_camera_and_the_first_frame_from_all_sides() -> None:
    video, view = Recorder(CAMERA, clip=True), Recorder()
    walk(video, view)
    assert len(video.views) == 40 and all(len(v.time) == 4 for v in video.views)
    assert all(float(v.cameras.azimuth.abs().max()) == 0.0 for v in video.views)
    assert 8 <= len(view.views) <= 32 and all(v.time.tolist() == [0.0] for v in view.views)
    assert torch.cat([v.cameras.azimuth for v in view.views]).std() > 40
    assert all(v.shading.mode == "albedo" for v in video.views), "a clip shows its own light"
    assert any(v.shading.mode != "albedo" for v in view.views)


def test_the_view_prior_keeps_its_own_cameras() -> None:
    lattice = make_cameras([0.0, 0.0, 0.0], [0.0, 120.0, -120.0])
    view = Recorder(lattice)
    walk(Recorder(CAMERA, clip=True), view)
    assert {float(v.cameras.azimuth[0]) for v in view.views} == {0.0, 120.0, -120.0}


def test_a_repair_prior_is_not_confined_either() -> None:
    asked: list[View] = []

    def refine_fn(step: int, view: View, rng: torch.Generator) -> RefineTerm:
        asked.append(view)
        return RefineTerm(torch.tensor([1, 3]), lambda image: {"sds refine": image.sum()})

    walk(Recorder(CAMERA, clip=True), None, refine_fn=refine_fn)
    assert torch.cat([v.cameras.azimuth for v in asked]).std() > 40


def test_a_clip_alone_needs_no_second_picture() -> None:
    assert all(len(batches) == 1 for batches in walk(Recorder(CAMERA, clip=True), None))


def test_what_one_camera_does_not_see_is_held_together_in_time() -> None:
    clip, free = (Guidance(Recorder(cameras, clip=True), 1.0, 0.1, 0.9) for cameras in (CAMERA, None))
    for form, least in MIN_TEMPORAL_TV.items():
        weak = replace(CONFIG, losses=replace(CONFIG.losses, time_tv_form=form))
        assert with_min_temporal_tv(weak, clip).losses.time_tv == least > weak.losses.time_tv
    strong = replace(CONFIG, losses=replace(CONFIG.losses, time_tv=5.0))
    assert with_min_temporal_tv(strong, clip) is strong and with_min_temporal_tv(CONFIG, free) is CONFIG


@pytest.mark.parametrize("cameras", [None, make_cameras([0.0] * 3, [0.0, 120.0, -120.0])])
def test_others_share_one_clip_and_draw_as_before(cameras: Cameras | None) -> None:
    """One batch a step, and the view prior sees the first frame of the video prior's own clip."""
    video, view = Recorder(cameras, clip=True), Recorder()
    assert all(len(batches) == 1 for batches in walk(video, view))
    firsts = [v for v in video.views if v.time[0] == 0.0]
    shared = [v for v in firsts if any(torch.equal(v.cameras.azimuth[:1], w.cameras.azimuth) for w in view.views)]
    assert len(shared) == len(view.views)


def test_clips_are_shown_in_turn_each_from_its_camera() -> None:
    filmed = tuple(make_cameras(0.0, azimuth) for azimuth in (0.0, 90.0, 180.0))
    video, view = Recorder(filmed[0], clip=True, filmed=filmed), Recorder()
    walk(video, view, steps=60)
    shown = [float(v.cameras.azimuth[0]) for v in video.views]
    assert len(shown) == 60 and all(float(v.cameras.azimuth.std()) == 0.0 for v in video.views)
    assert all(10 <= shown.count(azimuth) <= 32 for azimuth in (0.0, 90.0, 180.0))
    assert torch.cat([v.cameras.azimuth for v in view.views]).std() > 40, "other priors are not confined"


def test_a_moving_camera_is_shown_at_the_times_of_its_frames() -> None:
    path = make_cameras(0.0, [0.0, 20.0, 40.0, 60.0, 80.0])
    video = Recorder(path[:1], clip=True, filmed=(path,))
    walk(video, None)
    for view in video.views:
        frames = view.time * 4
        torch.testing.assert_close(frames, frames.round())
        torch.testing.assert_close(view.cameras.azimuth, 20.0 * frames)
    assert len({float(t) for v in video.views for t in v.time}) == 5


@pytest.mark.parametrize("anywhere", [True, False])
def test_a_filmed_repair_prior_is_shown_its_own_cameras_too(anywhere: bool) -> None:
    """Anywhere: it also knows a 3D model; else it is shown its own cameras only, and the view prior any."""
    refine, view = Recorder(None if anywhere else CAMERA, filmed=(CAMERA,)), Recorder()
    guidances = Guidances(view=Guidance(view, 1.0, 0.1, 0.9), refine=Guidance(refine, 1.0, 0.1, 0.9))

    def refine_fn(step: int, view: View, rng: torch.Generator) -> RefineTerm:
        refine.views.append(view)
        return RefineTerm(torch.tensor([1, 3]), lambda image: {"sds refine": image.sum()})

    batch_fn, rng = clip_batches(None, guidances, CONFIG, CPU, refine_fn), torch.Generator().manual_seed(0)
    for step in range(1, 31):
        for batch in batch_fn(step, rng):
            image = torch.zeros(len(batch.rays) // 64, 3, 8, 8)
            batch.loss_fn(RenderedImages(image, image[:, :1], image[:, :1], None))
    at_front = [v for v in refine.views if float(v.cameras.azimuth.abs().max()) == 0.0]
    assert len(at_front) == 30 and len(refine.views) == (60 if anywhere else 30)
    assert torch.cat([v.cameras.azimuth for v in view.views]).std() > 40


FRONT, LEFT, BACK = (make_cameras(0.0, azimuth) for azimuth in (0.0, 90.0, 180.0))


@pytest.mark.parametrize(
    ("video_clips", "refine_clips", "anywhere", "expected"),
    [
        ((FRONT,), (FRONT, BACK), True, {0.0, 180.0}),
        ((FRONT,), (FRONT, BACK), False, {0.0, 180.0}),
        ((FRONT,), (BACK,), False, {180.0}),  # it does not know the front, so it is not asked about it
        ((FRONT, LEFT), (FRONT, BACK), False, {0.0, 180.0}),
    ],
)
def test_a_clip_that_only_the_repair_prior_has_supervises_from_its_camera(
    video_clips: tuple[Cameras, ...], refine_clips: tuple[Cameras, ...], anywhere: bool, expected: set[float]
) -> None:
    video = Recorder(None, clip=True, filmed=video_clips)
    refine = Recorder(None if anywhere else CAMERA, filmed=refine_clips)
    guidances = Guidances(video=Guidance(video, 1.0, 0.1, 0.9), refine=Guidance(refine, 1.0, 0.1, 0.9))

    def refine_fn(step: int, view: View, rng: torch.Generator) -> RefineTerm:
        refine.views.append(view)
        return RefineTerm(torch.tensor([1, 3]), lambda image: {"sds refine": image.sum()})

    supervisions = clip_supervisions(guidances, refine_fn)
    asked = {float(c.azimuth[0]) for s in supervisions if s.refine_fn is not None for c in s.filmed}
    assert asked == expected
    batch_fn, rng = clip_batches(None, guidances, CONFIG, CPU, refine_fn), torch.Generator().manual_seed(0)
    for step in range(1, 21):
        batch_fn(step, rng)
    azimuths = {float(v.cameras.azimuth[0]) for v in refine.views}
    assert expected <= azimuths and (anywhere or azimuths == expected)


def test_auto_is_demo_for_a_clip_beside_built_in_priors() -> None:
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, 4:12, 4:10] = mask[1, :, 4:12, 6:12] = 1.0
    clip = clip_guidance(mask.expand(-1, 3, -1, -1).clone(), mask, None, size=16)
    built_in = make_priors(None, "a robot is waving", image_size=16)
    assert auto_preset([built_in.view, clip]) == "demo" and auto_preset([clip, None]) == "demo"
    assert auto_preset([clip, replace(built_in.view, prior=Recorder())]) == "draft"


def test_a_model_that_follows_a_clip_moves_all_sides() -> None:
    """At the clip's camera the clip, at any other the model: one clip each at every step."""
    video = Recorder(clip=True, filmed=(CAMERA,))
    walk(video, None, steps=40)
    azimuths = [float(v.cameras.azimuth[0]) for v in video.views]
    assert len(azimuths) == 80 and azimuths[::2] == [0.0] * 40
    assert torch.tensor(azimuths[1::2]).std() > 40
