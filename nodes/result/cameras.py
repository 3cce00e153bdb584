"""6 Cameras: the path from which the finished scene is rendered."""

from __future__ import annotations

from typing import Any

from ...a124core.cameras.keyframes import path_of_cameras
from ...a124core.cameras.parse_camera import camera_list, parse_point
from ...a124core.cameras.paths import CameraPath, FixedTime, Orbit, Spline, StaticCamera, angles_towards, read_keys
from ...a124core.cameras.stereo import Stereo
from ...a124core.cameras.transforms import read_camera_file
from .. import sockets
from ..declarations import Node, choice, number, outputs, socket, text
from ..host.file_stamps import NEVER_SAME, file_stamps
from ..host.folders import resolve_user_file
from ..queued import UNPLUGGED, check_declared, when_queued

KINDS = ("orbit", "turntable", "reference", "spline", "camera_info", "file")
ORIGIN = (0.0, 0.0, 0.0)
EXAMPLE_SPLINE = "0: 0 0 1.8\n0.5: 60 20 1.8\n1: 0 0 1.8"


@outputs(("cameras", sockets.CAMERAS, "Connect it to Render or Export video or frames."))
class A124Cameras(Node):
    """Makes a camera path for any number of frames."""

    DESCRIPTION = "The camera's path around the scene, for any number of frames."
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 camera", "orbit", "turntable", "camera path", "4D"]
    FUNCTION = "make"
    REQUIRED = {
        "kind": choice(KINDS, (
            "orbit: around the object while it moves. turntable: around it while the scene is frozen at 'moment'. "
            "reference: the image's own camera, at rest. spline: through the keyframes. camera_info: exactly the "
            "connected camera. file: cameras from a file."
        )),
        "elevation": number(0.0, -80.0, 80.0, 1.0, "Degrees from above. For orbit and turntable."),
        "azimuth": number(0.0, -360.0, 360.0, 1.0, (
            "Degrees to the side at which orbit and turntable begin. 0: the image's side."
        )),
        "radius": number(1.8, 1.0, 6.0, 0.05, "Distance. The image was taken from 1.8."),
        "fovy": number(40.0, 10.0, 90.0, 1.0, "Field of view from top to bottom, degrees. The image's is 40."),
        "turns": number(1.0, -10.0, 10.0, 0.05, "Rounds of orbit and turntable. Negative: the other way."),
        "moment": number(0.0, 0.0, 1.0, 0.01, "Scene time at which turntable is frozen: 0 is the image's, 1 the end."),
        "keyframes": text(EXAMPLE_SPLINE, (
            "For spline, one key a line: 'time: azimuth elevation radius', time from 0 to 1, angles in degrees."
        ), multiline=True),
    }
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, (
            "Whose camera 'reference' takes. Needed only when its camera was changed."
        )),
        "camera_info": socket("LOAD3D_CAMERA", (
            "The direction of the camera of a Load 3D node. It takes the place of elevation and azimuth. With kind "
            "camera_info, position, target, turn and field of view are taken as they are; of a list of cameras, the "
            "path goes through all of them in order."
        )),
        "eye_distance": number(0.0, 0.0, 1.0, 0.01, (
            "Above 0: two eyes, so far from each other, in images side by side for a headset or a 3D screen. 0.06 is "
            "comfortable at distance 1.8."
        )),
        "file": text("", (
            "For file: a transforms.json or camera_path.json of nerfstudio, or a JSON list of keys, in the input "
            "folder or in output/animate124."
        )),
    }

    @classmethod
    def IS_CHANGED(cls, file: str | None = "", **others: Any) -> str | float:
        return NEVER_SAME if file is None else str(file_stamps(file))

    @classmethod
    def VALIDATE_INPUTS(
        cls, kind: str | None = None, keyframes: str | None = None, file: str | None = "", camera_info: Any = UNPLUGGED
    ) -> bool:
        with when_queued():
            check_declared(cls, kind=kind)
            if kind == "spline" and keyframes is not None:
                read_keys(keyframes)
            if kind == "file" and file is not None:
                _camera_file(file)
            if kind == "camera_info":
                _check_connected(camera_info is not UNPLUGGED)
        return True

    def make(
        self, kind: str, elevation: float, azimuth: float, radius: float, fovy: float, turns: float, moment: float,
        keyframes: str, reference: Any = None, camera_info: dict | list | None = None, eye_distance: float = 0.0,
        file: str = "",
    ) -> tuple[CameraPath]:
        if kind == "spline":
            path: CameraPath = Spline(read_keys(keyframes, radius), fovy)
        elif kind == "file":
            path = _camera_file(file)
        elif kind == "camera_info":
            _check_connected(camera_info is not None)
            path = path_of_cameras(camera_info)
        elif kind == "reference" and camera_info is None:
            path = _reference_camera(reference)
        else:
            if camera_info is not None:
                first = camera_list(camera_info)[0]
                position, target = (parse_point(first, name, ORIGIN) for name in ("position", "target"))
                elevation, azimuth = angles_towards(position, target)
            pose = (elevation, azimuth, radius, fovy)
            path = StaticCamera(*pose) if kind == "reference" else Orbit(*pose, turns)
            path = FixedTime(path, moment) if kind == "turntable" else path
        return (Stereo(path, eye_distance) if eye_distance != 0 else path,)  # NaN is refused there


def _camera_file(file: str) -> CameraPath:
    """Return the path in a file that a widget names."""
    if not file.strip():
        raise ValueError("kind is file but no file is named: type the name of one in the input folder.")
    return read_camera_file(resolve_user_file(file))


def _check_connected(camera: bool) -> None:
    if not camera:
        raise ValueError("kind is camera_info but no camera is connected: wire one, or choose another kind.")


def _reference_camera(reference: Any) -> StaticCamera:
    """Return the reference image's camera."""
    if reference is None:
        return StaticCamera()
    camera = reference.camera
    return StaticCamera(*(float(v[0]) for v in (camera.elevation, camera.azimuth, camera.radius, camera.fovy)))
