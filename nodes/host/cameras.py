"""A124_CAMERAS and LOAD3D_CAMERA as the cameras of a batch of frames."""

from __future__ import annotations

from typing import Any

from ...a124core.cameras.keyframes import path_of_cameras
from ...a124core.cameras.rig import to_pinholes
from ...a124core.protocols import Pinholes


def frame_cameras(cameras: Any, frames: int) -> Pinholes | None:
    """Return the cameras that are listed, or of a path one for each frame; None where nothing is connected."""
    if cameras is None:
        return None
    return to_pinholes(cameras(frames)[0]) if callable(cameras) else path_of_cameras(cameras).keys
