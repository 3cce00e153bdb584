"""The words of export as options of the core. Each format's are made, and so checked, only where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from ..cameras.paths import CameraPath, StaticCamera
from ..export.images.capture import CaptureOptions
from ..export.images.film import WHITE, FilmOptions
from ..export.mesh import MeshOptions
from ..export.viewer.volume import VolumeOptions
from .camera_args import BACKGROUNDS, chosen_film, chosen_path
from .machine import available_device


@dataclass(frozen=True)
class ExportRequest:
    """What was asked for, in the words of the core."""

    words: object  # of the command line
    frames: int | None  # as they said it: what is chosen where they do not depends on the format

    @property
    def film(self) -> FilmOptions:
        _ = self.cameras  # a file of cameras says how many frames
        return chosen_film(self.words, self._ground)

    @cached_property
    def cameras(self) -> CameraPath:
        return chosen_path(self.words)

    @property
    def capture(self) -> CaptureOptions:
        w = self.words
        options = CaptureOptions(w.views, self.frames or 16, w.size, w.radius, w.fovy)
        self._standing(1)
        return options

    @property
    def mesh(self) -> MeshOptions:
        w = self.words
        pace = {} if w.fps is None else {"fps": w.fps}
        return MeshOptions(**self._given, **pace, faces=w.faces, texture=w.texture, quantise=w.quantise, time=w.time)

    @property
    def viewer(self) -> VolumeOptions:
        fps, frames = self.words.fps, self._given.get("frames", VolumeOptions.frames)
        if fps is not None and not fps > 0:
            raise ValueError(f"fps is {fps:g}: it must be above 0.")
        lasts = {} if fps is None else {"seconds": frames / fps}
        camera = self._standing
        camera(1)
        return VolumeOptions(**self._given, **lasts, megabytes=self.words.megabytes, background=self._ground or WHITE,
                             camera=camera)  # fmt: skip

    @cached_property
    def device(self) -> torch.device:
        return available_device(self.words.device)

    @property
    def _given(self) -> dict[str, int]:
        asked = {"frames": self.frames, "resolution": self.words.resolution}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def _ground(self) -> tuple[float, float, float] | None:
        return BACKGROUNDS[self.words.background]

    @property
    def _standing(self) -> StaticCamera:
        w = self.words
        return StaticCamera(w.elevation, w.azimuth, w.radius, w.fovy)
