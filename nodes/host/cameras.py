"""A124_CAMERAS and LOAD3D_CAMERA as the cameras of a batch of frames."""

from __future__ import annotations

from typing import Any

from ...a124core.cameras.keyframes import KeyframePath, path_of_cameras
from ...a124core.cameras.rig import to_pinholes
from ...a124core.protocols import Pinholes


def frame_cameras(cameras: Any, frames: int) -> Pinholes | None:
    """Return the cameras that are listed, in a LOAD3D_CAMERA or in a path that is evenly timed, or of any other path
    one for each frame; None where nothing is connected."""
    if cameras is None:
        return None
    path = cameras if callable(cameras) else path_of_cameras(cameras)
    return path.keys if isinstance(path, KeyframePath) and path.is_list else to_pinholes(path(frames)[0])
