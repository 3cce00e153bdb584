"""What is shown to priors to find out what they see: three sides of a field, or the one that the picture shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..cameras.rig import make_cameras, nearest_cameras
from ..protocols import Cameras, Field, View
from ..reference.reference import Reference, camera_of
from ..render.clip import render_clip
from .probe import Shown

SIDES = {"front": 0.0, "side": 90.0, "back": 180.0}  # azimuth from the reference camera, degrees
FRAMES = 8  # of a clip; its middle is scene time 0.5
SAMPLES = 128  # steps across the cube
WHITE = (1.0, 1.0, 1.0)

Pictures = Callable[[Cameras, Tensor, int], tuple[Tensor, Tensor]]  # (B), (B,), size -> (B, 3, S, S), (B, 1, S, S)


def render_views(scene: Field, device: torch.device | str = "cpu") -> Pictures:
    """A field as pictures on white."""

    def pictures(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        clip = render_clip(scene, cameras, time, size, SAMPLES, WHITE, device=device, normals=False)
        return clip.image, clip.mask

    return pictures


@dataclass(frozen=True)
class Scene:
    """Where pictures come from: the field, or the one view that the reference picture shows."""

    reference: Reference | None
    pictures: Pictures | None
    size: int

    @property
    def camera(self) -> Cameras:
        return camera_of(self.reference)

    def at(self, azimuth: float, allowed: Cameras | None) -> Cameras:  # 1 camera
        """As the reference camera, that many degrees around it, or the nearest that a prior can judge."""
        c = self.camera
        wanted = make_cameras(c.elevation, (c.azimuth + azimuth + 180.0) % 360.0 - 180.0, c.radius, c.fovy)
        return wanted if allowed is None else nearest_cameras(wanted, allowed)

    def picture(self, label: str, camera: Cameras, time: Tensor) -> Shown:
        """One camera at one moment or, of a clip, at F."""
        cameras = camera[torch.zeros(len(time), dtype=torch.long)]
        if self.pictures is None:
            image = self.reference.on(WHITE, self.size).expand(len(time), -1, -1, -1)
        else:
            image = self.pictures(cameras, time, self.size)[0]
        view = View(cameras, self.camera, time, torch.tensor(WHITE))
        return Shown(label, image, view)

    def front(self) -> Shown | None:
        """The reference picture itself, at the first moment."""
        if self.reference is None:
            return None
        image = self.reference.on(WHITE, self.size)
        return Shown("front", image, View(self.camera, self.camera, torch.zeros(1), torch.tensor(WHITE)))

    def shown(self, role: str, allowed: Cameras | None) -> Iterator[Shown]:
        """Front, side and back, as this role looks at them. Of a reference picture only the front is real."""
        time = torch.arange(FRAMES) / FRAMES if role == "video" else torch.zeros(1)
        if role == "refine" and self.pictures is not None:
            time = torch.full((1,), 0.5)
        seen: list[tuple[float, float]] = []
        for label, azimuth in SIDES.items():
            camera = self.at(azimuth, allowed)
            where = (float(camera.azimuth), float(camera.elevation))
            if where in seen or (self.pictures is None and seen):
                continue
            seen.append(where)
            shown = self.picture(f"{role} {label}", camera, time)
            yield with_condition(shown) if role == "refine" else shown


def with_condition(shown: Shown) -> Shown:
    """A refine prior repairs the picture that it is shown."""
    return Shown(shown.label, shown.image, shown.view.with_condition(shown.image))
