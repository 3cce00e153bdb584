"""The arguments of `export` as options of the core; those of a format are made, and so checked, where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from ..cameras.paths import CameraPath, StaticCamera
from ..export.images.capture import CaptureOptions
from ..export.images.film import WHITE, FilmOptions
from ..export.mesh import MeshOptions
from ..export.viewer.volume import VolumeOptions
from .camera_args import BACKGROUNDS, camera_path_from_args, film_options_from_args
from .machine import available_device

CAPTURE_TIMES = 16


@dataclass(frozen=True)
class ExportRequest:
    """What an export is made with; ValueError where the arguments make none."""

    args: Any  # of the command line

    @cached_property
    def film(self) -> FilmOptions:
        """Options of films and frames."""
        _, frames = self._path
        return film_options_from_args(self.args, frames, BACKGROUNDS[self.args.background])

    @property
    def cameras(self) -> CameraPath:
        """Cameras of films and frames."""
        return self._path[0]

    @cached_property
    def capture(self) -> CaptureOptions:
        """Options of a data set."""
        a = self.args
        self.camera(1)
        return CaptureOptions(a.views, a.frames or CAPTURE_TIMES, a.size, a.radius, a.fovy)

    @cached_property
    def mesh(self) -> MeshOptions:
        """Options of meshes."""
        a = self.args
        provided = self._provided("frames", "resolution", "fps")
        return MeshOptions(**provided, faces=a.faces, texture=a.texture, quantise=a.quantise, time=a.time)

    @cached_property
    def viewer(self) -> VolumeOptions:
        """Options of the viewer."""
        fps, provided = self.args.fps, self._provided("frames", "resolution")
        if fps is not None and not fps > 0:
            raise ValueError(f"fps is {fps:g}: it must be above 0.")
        seconds = {} if fps is None else {"seconds": provided.get("frames", VolumeOptions.frames) / fps}
        self.camera(1)
        background = BACKGROUNDS[self.args.background] or WHITE
        megabytes = self.args.megabytes
        return VolumeOptions(**provided, **seconds, megabytes=megabytes, background=background, camera=self.camera)

    @property
    def camera(self) -> StaticCamera:
        """The camera that the arguments place."""
        return StaticCamera(self.args.elevation, self.args.azimuth, self.args.radius, self.args.fovy)

    @cached_property
    def device(self) -> torch.device:
        """The device to compute on."""
        return available_device(self.args.device)

    @cached_property
    def _path(self) -> tuple[CameraPath, int]:
        return camera_path_from_args(self.args)

    def _provided(self, *names: str) -> dict[str, Any]:
        """Those of the arguments that are given: what is chosen otherwise depends on the format."""
        return {name: value for name in names if (value := getattr(self.args, name)) is not None}
