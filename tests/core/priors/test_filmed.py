"""Clips from several cameras and from one that moves, and what a refine prior knows of them and of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera, to_pinholes
from a124core.models3d.mesh import MeshModel
from a124core.priors.builtin.denoisers import ENCODE_SCALE
from a124core.priors.clip_frames import ClipFrames
from a124core.priors.owned import refine_guidance
from a124core.priors.posed_images import posed_images
from a124core.priors.video_clip import ClipPrior, FilmedClip, clip_guidance, film_clips, video_guidance
from a124core.protocols import Cameras, View

SIZE, FRAMES = 32, 5
BACKGROUND = torch.tensor([0.2, 0.9, 0.5])


def box(x: float = 0.0) -> MeshModel:
    """A box of six colours, moved to the right."""
    import trimesh

    mesh = trimesh.creation.box((0.5, 0.7, 0.4))
    mesh.unmerge_vertices()
    side = torch.tensor(mesh.vertex_normals)
    vertices = torch.tensor(mesh.vertices, dtype=torch.float32) + torch.tensor([x, 0.0, 0.0])
    return MeshModel(vertices, torch.tensor(mesh.faces), (side.float() + 1.0) / 2.0)


def filmed(cameras: Cameras) -> ClipFrames:
    """What cameras, one or one for each frame, film of the box that slides to the right."""
    at = cameras if len(cameras) == FRAMES else cameras[torch.zeros(FRAMES, dtype=torch.long)]
    layers = torch.cat([box(0.05 * k).layers(at[k : k + 1], (64, 64))[:, :4] for k in range(FRAMES)])
    image, alpha = layers[:, :3] / layers[:, 3:].clamp_min(1e-6), layers[:, 3:]
    return ClipFrames(image.clamp(0, 1), None, alpha)


def film(cameras: Cameras) -> FilmedClip:
    (clip,) = film_clips(filmed(cameras), to_pinholes(cameras), None, SIZE)
    return clip


def view_of(cameras: Cameras, times: list[float], condition: torch.Tensor | None = None) -> View:
    return View(cameras, reference_camera(), torch.tensor(times), BACKGROUND, condition=condition)


def truth(cameras: Cameras, times: list[float], size: int) -> torch.Tensor:
    layers = torch.cat([
        box(0.05 * round(4 * t)).layers(cameras[k : k + 1], (size, size))[:, :4] for k, t in enumerate(times)
    ])
    return layers[:, :3] + (1 - layers[:, 3:]) * BACKGROUND.view(3, 1, 1)


def test_each_clip_answers_at_its_own_camera() -> None:
    cameras = make_cameras([0.0, 20.0], [0.0, 150.0])
    clips = [film(cameras[k : k + 1]) for k in (0, 1)]
    video = video_guidance(clips)
    assert [len(c) for c in video.prior.filmed] == [1, 1] and len(video.prior.cameras) == 2
    assert "azimuth 150, elevation 20" in video.note
    for k in (0, 1):
        at, times = cameras[torch.tensor([k, k])], [0.25, 1.0]
        answer = video.prior.denoise(torch.randn(1, 3, 2, SIZE, SIZE), torch.ones(1), view_of(at, times))
        images = (answer[0].transpose(0, 1) / ENCODE_SCALE + 1) / 2
        assert (images - truth(at, times, SIZE)).abs().mean() < 0.01


def test_a_moving_camera_answers_at_the_times_of_its_frames() -> None:
    path = make_cameras(0.0, [0.0, 20.0, 40.0, 60.0, 80.0])
    clip = film(path)
    assert len(clip.small.cameras) == FRAMES and "moves from azimuth 0, elevation 0 to azimuth 80" in (
        video_guidance([clip]).note
    )
    at, times = path[torch.tensor([1, 4])], [0.25, 1.0]
    images = clip.small.frames(torch.tensor(times), BACKGROUND)
    assert (images - truth(at, times, SIZE)).abs().mean() < 0.01


def test_a_batch_of_views_holds_one_clip_after_another() -> None:
    cameras = make_cameras(0.0, [0.0, 90.0, 180.0])
    parts = [filmed(cameras[k : k + 1]) for k in range(3)]
    batch = ClipFrames(torch.cat([p.image for p in parts]), None, torch.cat([p.alpha for p in parts]))
    together = film_clips(batch, to_pinholes(cameras), None, SIZE)
    alone = [film(cameras[k : k + 1]) for k in range(3)]
    assert all(torch.equal(a.small.layers, b.small.layers) for a, b in zip(together, alone, strict=True))


def test_cutting_out_is_reported_frame_by_frame() -> None:
    reports: list[tuple[int, int, str]] = []
    film_clips(filmed(reference_camera()), None, None, SIZE, lambda *report: reports.append(report))
    assert reports == [(k + 1, FRAMES, "cutting the clip out") for k in range(FRAMES)]
    reports.clear()
    orbit = make_cameras(0.0, [0.0, 90.0, 180.0])
    layers = box().layers(orbit, (32, 32))
    image = (layers[:, :3] / layers[:, 3:4].clamp_min(1e-6)).clamp(0.0, 1.0)
    posed = posed_images(image, None, layers[:, 3:4], to_pinholes(orbit), lambda *report: reports.append(report))
    assert reports == [(k + 1, 3, "cutting the pictures out") for k in range(3)] and len(posed) == 3


def test_clips_are_joined_one_wire_after_another() -> None:
    cameras = make_cameras(0.0, [0.0, 90.0])
    a, b = (film(cameras[k : k + 1]) for k in (0, 1))
    video = video_guidance([b], others=video_guidance([a]))
    refine = refine_guidance((), [b], SIZE, refine_guidance((), [a], SIZE))
    for guidance in (video, refine):
        assert [float(c.azimuth) for c in guidance.prior.filmed] == pytest.approx([0.0, 90.0], abs=1e-3)
    assert "azimuth 90" in video.note and "reference camera" in video.note
    weighted = replace(refine_guidance((), [a], SIZE), weight=0.5)
    assert refine_guidance((), [b], SIZE, weighted).weight == 0.5
    with pytest.raises(ValueError, match="that is connected .* is not of a clip"):
        video_guidance([b], others=refine)
    with pytest.raises(ValueError, match="that is connected .* is not of a clip or 3D model"):
        refine_guidance((), [b], SIZE, video)


def test_the_front_clip_of_always_is_the_same_in_every_bit() -> None:
    frames = filmed(reference_camera())
    old = clip_guidance(frames.image, frames.mask, frames.alpha, None, SIZE)
    new = video_guidance(film_clips(frames, to_pinholes(reference_camera()), None, SIZE))
    assert isinstance(old.prior, ClipPrior) and torch.equal(old.prior.layers, new.prior.layers)
    assert (old.weight, old.t_max_end, old.note) == (new.weight, new.t_max_end, new.note)


def test_the_refine_prior_answers_exactly_where_the_clip_or_the_model_shows_it() -> None:
    front = reference_camera()
    refine = refine_guidance([box()], [film(front)], SIZE)
    side = 2 * SIZE
    at = front[torch.tensor([0, 0])]
    condition = torch.full((2, 3, SIZE, SIZE), 0.5)
    assert (refine.prior.images(view_of(at, [0.5, 1.0], condition)) - truth(at, [0.5, 1.0], side)).abs().mean() < 0.01
    elsewhere = make_cameras([10.0, 30.0], [120.0, -70.0])
    answer = refine.prior.images(view_of(elsewhere, [0.0, 0.0], condition))
    torch.testing.assert_close(answer, truth(elsewhere, [0.0, 0.0], side), atol=1e-4, rtol=0)
    assert refine.prior.exact and refine.prior.reads_condition and refine.prior.cameras is None
    assert refine_guidance((), [film(front)], SIZE).prior.cameras is not None


def test_a_model_of_something_else_than_the_clip_shows_is_refused() -> None:
    away = box(1.0)
    with pytest.raises(ValueError, match="overlaps only 0 % with the 3D model .* cameras") as refusal:
        refine_guidance([away], [film(reference_camera())], SIZE)
    assert str(refusal.value).endswith(".")


def wrong_count(frames: int, cameras: int) -> Callable[[], object]:
    image = torch.rand(frames, 3, 16, 16)
    return lambda: film_clips(ClipFrames(image), to_pinholes(make_cameras(0.0, [9.0 * k for k in range(cameras)])))


@pytest.mark.parametrize(("frames", "cameras"), [(12, 5), (5, 12), (7, 2)])
def test_cameras_of_another_number_are_refused(frames: int, cameras: int) -> None:
    with pytest.raises(ValueError, match=f"there are {cameras} cameras for {frames} frames: give 1"):
        wrong_count(frames, cameras)()
