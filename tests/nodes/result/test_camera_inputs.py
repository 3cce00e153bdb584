"""Files and 3D cameras that a saved graph may name: used, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["none.json", "a\x00b", "x" * 5000, "../secret.json", "\ud800"])
def test_names_of_no_file_are_refused(nodes: dict, call_node: Callable, workspace: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is neither in the input folder nor in") as refused:
        call_node(nodes["A124Cameras"], kind="file", file=name)
    assert len(str(refused.value).splitlines()) == 1 and len(str(refused.value)) < 400


@pytest.mark.parametrize("camera", ["front", {"position": {"x": "a", "y": 0, "z": 1}}, {"position": [0, 0, 10**400]}])
def test_what_is_no_camera_is_refused(nodes: dict, call_node: Callable, camera: object) -> None:
    for kind in ("camera_info", "orbit"):
        with pytest.raises(ValueError, match="camera") as refused:
            call_node(nodes["A124Cameras"], kind=kind, camera_info=camera)
        assert str(refused.value).endswith(".") and len(str(refused.value).splitlines()) == 1


def test_a_list_of_cameras_is_a_path_through_all_of_them(nodes: dict, call_node: Callable) -> None:
    """Newer hosts send lists: one camera for each picture of an orbit."""
    orbit = [{"position": {"x": x, "y": 0.5, "z": z}, "target": {"x": 0, "y": 0, "z": 0}, "fov": 30 + x}
             for x, z in ((0.0, 2.0), (2.0, 0.0), (0.0, -2.0))]
    path = call_node(nodes["A124Cameras"], kind="camera_info", camera_info=orbit)[0]
    cameras = path(3)[0]
    assert cameras.c2w[:, 0, :3, 3].tolist() == [[0.0, 0.5, 2.0], [2.0, 0.5, 0.0], [0.0, 0.5, -2.0]]
    assert cameras.fovy.tolist() == [30.0, 32.0, 30.0]
    one, listed = (call_node(nodes["A124Cameras"], kind="orbit", camera_info=c)[0](2)[0] for c in (orbit[1], orbit[1:]))
    assert one.azimuth.tolist() == listed.azimuth.tolist() == [90.0, 270.0]
    with pytest.raises(ValueError, match="list of cameras is empty"):
        call_node(nodes["A124Cameras"], kind="camera_info", camera_info=[])
    with pytest.raises(ValueError, match="switch it to perspective"):
        flat = {**orbit[1], "cameraType": "orthographic"}
        call_node(nodes["A124Cameras"], kind="camera_info", camera_info=[orbit[0], flat])


@pytest.mark.parametrize("name", ["elevation", "azimuth", "radius", "fovy", "turns", "moment", "eye_distance"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_no_widget_gives_are_refused(
    nodes: dict, call_node: Callable, name: str, number: float
) -> None:
    """A graph sent to the host's API may hold NaN, which lies below no minimum and above no maximum."""
    with pytest.raises(ValueError, match="(finite|it must be|scene time runs)"):
        call_node(nodes["A124Cameras"], kind="turntable", **{name: number})
