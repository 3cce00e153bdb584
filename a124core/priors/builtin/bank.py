"""Appearances rendered from world cameras: the bank of images that the priors choose from, and the ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...cameras.rig import make_cameras
from ...protocols import Cameras, Shading
from .appearance import STILL, TICKS, Appearance, TensorCache, animate, render_appearance, to_subject_frame

# Rows of cameras: elevation, how many. About 20 degrees apart; the rows are staggered.
LATTICE_ROWS = ((-36, 14), (-18, 18), (0, 18), (18, 18), (36, 14), (54, 10), (72, 6))
IMAGE_BYTES = 220 * 2**20  # rendered images that stay cached; the oldest go first
POINT_BYTES = 280 * 2**20  # moved points that stay cached

SUPERSAMPLED_SIZE = 256  # pixels a side at which small images of the truth are rendered before they are averaged
PATH_SPACING = 0.02  # world units between the points that measure the path
PATH_TRAVEL = 0.03  # world units; a motion whose middle moves less than this has no path worth a figure
TURNS = ("spin", "twist")  # their middle moves only as far as the subject is lopsided


def camera_lattice(reference: Cameras) -> Cameras:
    """Return the cameras of the bank: the reference camera first, then rows around its azimuth."""
    elevation, azimuth = [float(reference.elevation)], [float(reference.azimuth)]
    for row, (height, count) in enumerate(LATTICE_ROWS):
        for k in range(count):
            a = float(reference.azimuth) + 360.0 * (k + 0.5 * ((row + 1) % 2 if height else 0)) / count
            if abs(height - elevation[0]) > 1e-3 or k:
                elevation.append(float(height))
                azimuth.append((a + 180.0) % 360.0 - 180.0)
    return make_cameras(elevation, azimuth, float(reference.radius), float(reference.fovy))


@dataclass(frozen=True)
class Bank:
    """Renders of appearances, cached as bytes at a fixed lattice of cameras and at fixed ticks of time."""

    reference: Cameras  # 1
    cameras: Cameras  # the lattice
    image_cache: TensorCache = field(default_factory=lambda: TensorCache(IMAGE_BYTES), repr=False)
    point_cache: TensorCache = field(default_factory=lambda: TensorCache(POINT_BYTES), repr=False)

    def images(
        self, items: list[Appearance], cameras: Cameras, time: Tensor, size: int, background: Tensor, shading: Shading
    ) -> Tensor:  # (K, B, 3, size, size) in [0, 1]
        """Render K appearances as a renderer with this background and shading would."""
        shaded = shading.mode != "albedo" and not (shading.mode == "lambertian" and shading.ambient >= 1.0)
        layers = self.layers(items, cameras, time, size, shaded)
        return shade(layers, background.cpu(), shading if shaded else Shading())

    def layers(self, items: list[Appearance], cameras: Cameras, time: Tensor, size: int, normals: bool) -> Tensor:
        """Return premultiplied colour, alpha and premultiplied world normal (K, B, 4 or 7, size, size) on the CPU."""
        time = time.cpu()
        local = to_subject_frame(cameras, float(self.reference.azimuth))
        slots = list(zip(self._lattice_indices(cameras), _ticks(time), strict=True))
        layers = torch.stack([self._bytes(item, local, time, slots, size, normals) for item in items]).float() / 255
        if not normals:
            return layers
        alpha = layers[:, :, 3:4]
        n = layers[:, :, 4:] * 2 - alpha  # bytes hold (n + alpha) / 2 in the subject's frame
        angle = torch.tensor(float(self.reference.azimuth) * pi / 180)
        rotation = torch.eye(3)
        rotation[0, 0] = rotation[2, 2] = angle.cos()
        rotation[0, 2], rotation[2, 0] = angle.sin(), -angle.sin()
        return torch.cat((layers[:, :, :4], torch.einsum("ij,kbjhw->kbihw", rotation, n)), 2)

    def _bytes(
        self, item: Appearance, cameras: Cameras, time: Tensor, slots: list[tuple[int, int]], size: int, normals: bool
    ) -> Tensor:
        """Return one appearance as bytes (B, 4 or 7, size, size); what is not cached is rendered in one batch."""
        keys = [
            (item.subject, item.palette, item.motion if tick else STILL, item.manner, camera, tick, size)
            if camera >= 0 and tick >= 0
            else None
            for camera, tick in slots
        ]
        out = [self._cached(key, normals) for key in keys]
        missing = [i for i, layers in enumerate(out) if layers is None]
        if missing:
            pick = torch.tensor(missing)
            layers = render_appearance(item, cameras[pick], time[pick], size, normals, self.point_cache)
            if normals:
                layers = torch.cat((layers[:, :4], (layers[:, 4:] + layers[:, 3:4]) / 2), 1)
            layers = (layers * 255 + 0.5).clamp(0, 255).to(torch.uint8)
            for i, layer in zip(missing, layers, strict=True):
                out[i] = layer
                if keys[i] is not None:
                    self.image_cache.put(keys[i], layer.clone())
        return torch.stack(out)

    def _cached(self, key: tuple | None, normals: bool) -> Tensor | None:
        entry = self.image_cache.get(key) if key else None
        if entry is None or (normals and entry[0].shape[0] == 4):
            return None
        return entry[0] if normals else entry[0][:4]

    def _lattice_indices(self, cameras: Cameras) -> list[int]:
        """Return each camera's index in the lattice, -1 for one that is not in it."""
        ours, theirs = (torch.stack((c.elevation, c.azimuth, c.radius, c.fovy), 1) for c in (self.cameras, cameras))
        gaps = (theirs.cpu()[:, None] - ours[None]).abs()
        gaps[..., 1] = ((gaps[..., 1] + 180) % 360 - 180).abs()
        gap, index = gaps.amax(-1).min(1)
        return torch.where(gap < 1e-3, index, -1).tolist()


def _ticks(time: Tensor) -> list[int]:
    """Return each time's tick, -1 between ticks."""
    near = (time * TICKS).round()
    return torch.where((time * TICKS - near).abs() < 1e-3, near.long(), -1).tolist()


def shade(layers: Tensor, background: Tensor, shading: Shading) -> Tensor:
    """Shade layers (K, B, C, h, w) over a colour (3,) to (K, B, 3, h, w); the light model of the release."""
    rgb, alpha = layers[:, :, :3], layers[:, :, 3:4]
    behind = (1 - alpha) * background.view(3, 1, 1)
    if shading.mode == "albedo":
        return rgb + behind
    normal = layers[:, :, 4:] / alpha.clamp_min(1 / 255)
    if shading.mode == "normal":
        return (normal.clamp(-1, 1) + 1) / 2 * alpha + behind
    if shading.light is None:
        raise ValueError(
            f"shading {shading.mode!r} with ambient {shading.ambient:g} needs a light direction per camera."
        )
    toward = shading.light.cpu().view(1, -1, 3, 1, 1)
    lit = shading.ambient + (1 - shading.ambient) * (normal * toward).sum(2, keepdim=True).clamp_min(0)
    if shading.mode == "textureless":
        return (lit * alpha).expand_as(rgb) + behind
    return rgb * lit + behind


@dataclass(frozen=True)
class GroundTruth:
    """The scene to be recovered: the subject in the reference colours under the requested motion."""

    appearance: Appearance
    azimuth: float  # degrees; where the subject's front points: the reference camera's azimuth

    @property
    def subject(self) -> str:
        return self.appearance.subject.name

    @property
    def motion(self) -> str:
        return self.appearance.motion

    @property
    def motion_has_path(self) -> bool:
        """Check whether the middle of the subject travels, which it does not in a spin."""
        if self.motion in TURNS:
            return False
        path = self.path(torch.linspace(0, 1, 33))
        return bool((path - path[:1]).norm(dim=1).max() > PATH_TRAVEL)

    def render(
        self,
        cameras: Cameras,
        time: Tensor,
        size: int,
        background: tuple[float, float, float] | Tensor = (1.0, 1.0, 1.0),
    ) -> tuple[Tensor, Tensor]:  # (B, 3, size, size) in [0, 1], (B, 1, size, size)
        """Render images over a background colour, and their masks. Small ones are averaged from larger ones: one
        rendered at 48 px is itself 31 dB from its ideal, and no result could score better than that."""
        time = torch.as_tensor(time, dtype=torch.float32).cpu().expand(len(cameras))
        fold = max(1, round(SUPERSAMPLED_SIZE / size))
        local = to_subject_frame(cameras, self.azimuth)
        layers = avg_pool2d(render_appearance(self.appearance, local, time, fold * size), fold)
        behind = torch.as_tensor(background, dtype=torch.float32).cpu().view(3, 1, 1)
        return layers[:, :3] + (1 - layers[:, 3:]) * behind, layers[:, 3:]

    def path(self, times: Tensor) -> Tensor:  # (T, 3) world
        """Return the mean of the subject's surface at each time."""
        times = torch.as_tensor(times, dtype=torch.float32).cpu()
        o = animate(self.appearance, self.appearance.subject.surfels(PATH_SPACING), times)
        x, y, z = o.points.mean(1).unbind(1)
        a = torch.tensor(self.azimuth * pi / 180)
        return torch.stack((a.cos() * x + a.sin() * z, y, a.cos() * z - a.sin() * x), 1)
