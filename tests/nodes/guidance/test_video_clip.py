"""A clip on an IMAGE wire, through the node and into the coarse stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch


@pytest.fixture
def clip(picture: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The red disc sliding to the right: IMAGE (4, 64, 64, 3), MASK (4, 64, 64) with 1 = transparent."""
    image, mask = picture
    return tuple(torch.cat([t.roll(2 * i, dims=2) for i in range(4)]) for t in (image, mask))


def test_a_clip_becomes_a_video_guidance(
    nodes: dict[str, type], call_node: Callable, clip: Any, reference: Any
) -> None:
    with torch.inference_mode():
        inputs = {"images": clip[0].clone(), "mask": clip[1].clone()}
        guidance = call_node(nodes["A124ClipGuidance"], **inputs, reference=reference)[0]
    assert guidance.prior.layers.shape == (4, 4, 64, 64) and not guidance.prior.layers.is_inference()
    assert "4 frames" in guidance.note and "overlaps" not in guidance.note
    assert guidance.prior.cameras is reference.camera


def test_without_masks_the_black_background_is_cut_away(nodes: dict[str, type], call_node: Callable, clip: Any) -> None:
    prior = call_node(nodes["A124ClipGuidance"], images=clip[0])[0].prior
    assert ((prior.layers[:, 3] > 0.5).float() - (1.0 - clip[1])).abs().mean() < 0.02
    opaque = call_node(nodes["A124ClipGuidance"], images=clip[0], mask=torch.zeros_like(clip[1]))[0].prior
    assert torch.equal(opaque.layers, prior.layers), "as Load Image gives an opaque GIF"


def test_alpha_counts_as_a_mask(nodes: dict[str, type], call_node: Callable, clip: Any) -> None:
    rgba = torch.cat((clip[0], 1.0 - clip[1][..., None]), dim=-1)
    prior = call_node(nodes["A124ClipGuidance"], images=rgba)[0].prior
    torch.testing.assert_close(prior.layers[:, 3], 1.0 - clip[1])


@pytest.mark.usefixtures("tiny")
def test_it_drives_the_coarse_stage_beside_a_built_in_view_prior(
    nodes: dict[str, type], call_node: Callable, clip: Any, reference: Any, pack_module: Callable
) -> None:
    video = call_node(nodes["A124ClipGuidance"], images=clip[0], mask=clip[1], size=16, reference=reference)[0]
    view = call_node(nodes["A124BuiltInPriors"], prompt="a toy is swaying", reference=reference)[1]
    assert pack_module("a124core.stages.presets").auto_preset([view, video]) == "demo"
    still = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    moving = call_node(
        nodes["A124CoarseOptimizer"], field=still, reference=reference, view_guidance=view, video_guidance=video
    )[0]
    assert moving.table.shape[0] == 3 and moving.table.isfinite().all()


def test_a_single_frame_is_refused(nodes: dict[str, type], call_node: Callable, clip: Any) -> None:
    with pytest.raises(ValueError, match="2 or more"):
        call_node(nodes["A124ClipGuidance"], images=clip[0][:1])


def seen_from(x: float, z: float, **more: Any) -> dict:
    """A LOAD3D_CAMERA that looks at the middle of the scene."""
    return {"position": {"x": x, "y": 0.0, "z": z}, "target": {"x": 0, "y": 0, "z": 0}, "fov": 40, "zoom": 1, **more}


def test_cameras_come_from_a_3d_node_a_list_or_a_path(nodes: dict[str, type], call_node: Callable, clip: Any) -> None:
    def filmed(cameras: Any, times: int = 1) -> list[list[float]]:
        images, mask = (t.repeat(times, *[1] * (t.ndim - 1)) for t in clip)
        prior = call_node(nodes["A124ClipGuidance"], images=images, mask=mask, size=16, cameras=cameras)[0].prior
        return [[round(a, 2) % 360 for a in camera.azimuth.tolist()] for camera in prior.filmed]

    side, back = seen_from(1.8, 0.0), seen_from(0.0, -1.8)
    assert filmed(side) == filmed([side]) == [[90.0]]
    assert filmed([seen_from(0.0, 1.8), side, back, seen_from(-1.8, 0.0)]) == [[0.0, 90.0, 180.0, 270.0]]
    assert filmed([side, back], times=2) == [[90.0], [180.0]]
    orbit = call_node(nodes["A124Cameras"], kind="orbit", azimuth=30.0)[0]
    assert filmed(orbit) == [[30.0, 120.0, 210.0, 300.0]]
    assert filmed(call_node(nodes["A124Cameras"], kind="reference")[0]) == [[0.0]]


def test_a_path_of_listed_cameras_is_the_list_and_any_other_path_is_a_moving_camera(
    nodes: dict[str, type], call_node: Callable, clip: Any, workspace: Any, pack_module: Callable
) -> None:
    """Two cameras for two clips of four frames, listed through 6 Cameras; with times they are a path."""
    images, mask = (t.repeat(2, *[1] * (t.ndim - 1)) for t in clip)
    image_cameras = pack_module("a124core.cameras.keyframes").image_cameras
    two, three = [seen_from(1.8, 0.0), seen_from(0.0, -1.8)], [seen_from(1.8, 0.1 * k) for k in range(3)]
    listed = call_node(nodes["A124Cameras"], kind="camera_info", camera_info=two)[0]
    video = call_node(nodes["A124ClipGuidance"], images=images, mask=mask, size=16, cameras=listed)[0]
    assert [[round(float(a)) for a in camera.azimuth] for camera in video.prior.filmed] == [[90], [180]]
    assert "azimuth 90" in video.note and "azimuth 180" in video.note
    with pytest.raises(ValueError, match="there are 3 cameras for 4 frames: give 1 for a camera at rest"):
        path = call_node(nodes["A124Cameras"], kind="camera_info", camera_info=three)[0]
        call_node(nodes["A124ClipGuidance"], images=clip[0], mask=clip[1], size=16, cameras=path)
    paths = pack_module("a124core.cameras.keyframes").path_from_keys
    late = [{"position": [1.8, 0, 0], "when": 0.0}, {"position": [0, 0, -1.8], "when": 0.5}]
    assert len(image_cameras(paths(late), 4)[0]) == 4
    spline = call_node(nodes["A124Cameras"], kind="spline", keyframes="0: 0 0\n1: 90 0")[0]
    cameras, note = image_cameras(spline, 4)
    assert [round(float(x), 2) for x in cameras.c2w[:, 0, 0, 3]] == [0.0, 0.9, 1.56, 1.8]
    assert note == "The 4 cameras were interpolated along a path of 2 keys, evenly in time."
    said = nodes["A124ClipGuidance"]().make(*(clip[0], "auto", 16, 1.0, 0.02, 0.98), mask=clip[1], cameras=spline)
    assert said["ui"]["text"][0].endswith(note) and "moves from azimuth 0" in said["ui"]["text"][0]


def test_keys_in_whatever_form_are_one_list(pack_module: Callable) -> None:
    """Two cameras of a file, as angles, points and matrices, with scene times or without, are two cameras."""
    keyframes = pack_module("a124core.cameras.keyframes")
    matrices = [[[0, 0, x, 1.8 * x], [0, 1, 0, 0], [-x, 0, 0, 0], [0, 0, 0, 1]] for x in (1, -1)]
    forms = (
        [{"azimuth": 90.0}, {"azimuth": 270.0}], [{"position": [x, 0, 0]} for x in (1.8, -1.8)],
        [{"transform_matrix": matrix} for matrix in matrices],
        [{"transform_matrix": matrix, "time": float(k)} for k, matrix in enumerate(matrices)],
    )
    for keys in forms:
        cameras, note = keyframes.image_cameras(keyframes.path_from_keys(keys), 8)
        assert cameras.c2w[:, 0, 0, 3].tolist() == pytest.approx([1.8, -1.8], abs=1e-6) and note == "", keys
        timed = [{**key, "when": when} for key, when in zip(keys, (0.0, 1.0), strict=True)]
        cameras, note = keyframes.image_cameras(keyframes.path_from_keys(timed), 8)
        assert len(cameras) == 8 and "along a path of 2 keys" in note, timed
    for alone in ([{"azimuth": 90.0}], [{"position": [1.8, 0, 0]}]):
        assert len(keyframes.image_cameras(keyframes.path_from_keys(alone), 8)[0]) == 1


@pytest.mark.parametrize(
    ("cameras", "words"),
    [
        ([seen_from(1.8, 0.0)] * 3, "there are 3 cameras for 4 frames"),
        ([], "list of cameras is empty"),
        (seen_from(0.0, 1.8, cameraType="orthographic"), "switch it to perspective"),
        ("front", "give its position and target"),
    ],
)
def test_cameras_that_do_not_fit_are_refused(
    nodes: dict[str, type], call_node: Callable, clip: Any, cameras: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        call_node(nodes["A124ClipGuidance"], images=clip[0], mask=clip[1], size=16, cameras=cameras)


@pytest.mark.usefixtures("tiny")
def test_two_clips_go_through_the_fine_stage_alone(
    nodes: dict[str, type], call_node: Callable, clip: Any, reference: Any
) -> None:
    inputs = {"images": clip[0], "mask": clip[1], "size": 16, "reference": reference}
    video, refine = call_node(nodes["A124ClipGuidance"], **inputs)
    video, refine = call_node(
        nodes["A124ClipGuidance"], **inputs, cameras=seen_from(0.0, -1.8), video_guidance=video, refine_guidance=refine
    )
    assert len(video.prior.filmed) == len(refine.prior.filmed) == 2
    field = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    field = call_node(nodes["A124CoarseOptimizer"], field=field, reference=reference, video_guidance=video)[0]
    fine = call_node(
        nodes["A124FineOptimizer"], field=field, reference=reference, video_guidance=video, refine_guidance=refine
    )[0]
    assert fine.table.isfinite().all() and not torch.equal(fine.table, field.table)
