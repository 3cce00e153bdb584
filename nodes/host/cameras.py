"""A124_CAMERAS and LOAD3D_CAMERA as the cameras of a batch of frames."""

from __future__ import annotations

from typing import Any

from ...a124core.cameras.keyframes import pinholes_from_matrices
from ...a124core.cameras.parse_camera import parse_camera
from ...a124core.cameras.rig import to_pinholes
from ...a124core.protocols import Pinholes


def frame_cameras(cameras: Any, frames: int) -> Pinholes | None:
    """Return the cameras that are listed, or of a path one for each frame; None where nothing is connected."""
    if cameras is None:
        return None
    if callable(cameras):
        return to_pinholes(cameras(frames)[0])
    listed = list(cameras) if isinstance(cameras, (list, tuple)) else [cameras]
    if not listed:
        raise ValueError("the list of cameras is empty: connect one camera or more.")
    matrices, fovy = zip(*map(parse_camera, listed), strict=True)
    return pinholes_from_matrices(matrices, fovy)
