"""The images that priors are queried with: three sides of a field, or the one view that the reference shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..cameras.rig import make_cameras, nearest_cameras
from ..protocols import Cameras, Field, View
from ..reference.reference import WHITE, Reference, camera_of
from ..render.clip import ImageOptions, render_clip
from .probe import ProbeInput

AZIMUTHS = {"front": 0.0, "side": 90.0, "back": 180.0}  # azimuth from the reference camera, degrees
FRAMES = 8  # of a clip; its middle is scene time 0.5
MIN_SIDE, MAX_SIDE = 8, 1024  # pixels of a render
SAMPLES = 128  # steps across the cube

# cameras (B), times (B,), size -> image (B, 3, S, S), opacity (B, 1, S, S)
RenderFn = Callable[[Cameras, Tensor, int], tuple[Tensor, Tensor]]


def render_views(field: Field, device: torch.device | str = "cpu") -> RenderFn:
    """Return a function that renders the field on white."""

    def render(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        clip = render_clip(field.to(device), cameras, time, ImageOptions(size, SAMPLES, WHITE, normals=False))
        return clip.image, clip.mask

    return render


def check_any_view(reference: bool, field: bool) -> None:
    """Refuse a check to which neither a reference nor a field is connected."""
    if not (reference or field):
        raise ValueError("there is nothing to query the priors with: connect the reference or a field.")


@dataclass(frozen=True)
class ProbeViews:
    """Where the images come from: the field, or the one view that the reference image shows."""

    reference: Reference | None
    render: RenderFn | None  # of the field, or of a ground truth; None: the reference image alone
    size: int = 128  # pixels of a render

    def __post_init__(self) -> None:
        if not MIN_SIDE <= self.size <= MAX_SIDE:
            raise ValueError(f"size is {self.size}: choose {MIN_SIDE} to {MAX_SIDE} pixels.")
        check_any_view(self.reference is not None, self.render is not None)

    @property
    def camera(self) -> Cameras:
        return camera_of(self.reference)

    def camera_at(self, azimuth: float, allowed: Cameras | None) -> Cameras:  # 1 camera
        """Return the reference camera turned by the azimuth, or the nearest one that the prior supports."""
        c = self.camera
        turned = make_cameras(c.elevation, (c.azimuth + azimuth + 180.0) % 360.0 - 180.0, c.radius, c.fovy)
        return turned if allowed is None else nearest_cameras(turned, allowed)

    def input_at(self, label: str, camera: Cameras, time: Tensor) -> ProbeInput:
        """Return the image of one camera at one time or, for a clip, at F times."""
        cameras = camera[torch.zeros(len(time), dtype=torch.long)]
        if self.render is None:
            image = self.reference.composite(self.size).expand(len(time), -1, -1, -1)
        else:
            image = self.render(cameras, time, self.size)[0]
        return ProbeInput(label, image, View(cameras, self.camera, time, torch.tensor(WHITE)))

    def reference_input(self) -> ProbeInput | None:
        """Return the reference image itself, at time 0."""
        if self.reference is None:
            return None
        return replace(self, render=None).input_at("front", self.camera, torch.zeros(1))

    def inputs(self, role: str, allowed: Cameras | None) -> Iterator[ProbeInput]:
        """Yield front, side and back as the role gets them; without a field only the front exists."""
        time = torch.arange(FRAMES) / FRAMES if role == "video" else torch.zeros(1)
        if role == "refine" and self.render is not None:
            time = torch.full((1,), 0.5)
        used: list[tuple[float, float]] = []
        for label, azimuth in AZIMUTHS.items():
            camera = self.camera_at(azimuth, allowed)
            angles = (float(camera.azimuth), float(camera.elevation))
            if angles in used or (self.render is None and used):
                continue
            used.append(angles)
            item = self.input_at(f"{role} {label}", camera, time)
            yield with_condition(item) if role == "refine" else item


def with_condition(item: ProbeInput) -> ProbeInput:
    """Return the item with its own image as the one to repair."""
    return replace(item, view=item.view.with_condition(item.image))
