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


@pytest.mark.parametrize("name", ["elevation", "azimuth", "radius", "fovy", "turns", "moment", "eye_distance"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_no_widget_gives_are_refused(
    nodes: dict, call_node: Callable, name: str, number: float
) -> None:
    """A graph sent to the host's API may hold NaN, which lies below no minimum and above no maximum."""
    with pytest.raises(ValueError, match="(finite|it must be|scene time runs)"):
        call_node(nodes["A124Cameras"], kind="turntable", **{name: number})
