"""The bank: looks photographed from a fixed lattice of cameras at fixed ticks of time, kept as bytes once drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi

import torch
from torch import Tensor

from ...cameras.rig import make_cameras
from ...protocols import Cameras, Shading
from .recipe import CLOUD_BYTES, PHOTO_BYTES, TICKS
from .scenes import STILL, Look, draw, turned_to_subject
from .store import Store

# Rows of cameras: elevation, how many. About 20 degrees apart; the rows are staggered.
LATTICE_ROWS = ((-36, 14), (-18, 18), (0, 18), (18, 18), (36, 14), (54, 10), (72, 6))


def lattice(reference: Cameras) -> Cameras:
    """The cameras the bank knows: rows around the reference's azimuth, and the reference camera itself, first."""
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
    """Pictures of looks, and the caches that make them fast."""

    reference: Cameras  # 1
    cameras: Cameras  # the lattice
    photos: Store = field(default_factory=lambda: Store(PHOTO_BYTES), repr=False)
    clouds: Store = field(default_factory=lambda: Store(CLOUD_BYTES), repr=False)

    def layers(self, looks: list[Look], cameras: Cameras, time: Tensor, size: int, normals: bool) -> Tensor:
        """(K, B, 4 or 7, size, size) premultiplied colour, alpha, premultiplied world normal; float on the CPU."""
        own = turned_to_subject(cameras, float(self.reference.azimuth))
        spots, ticks = self._spots(cameras), _ticks(time)
        rows = [self._look_layers(look, own, time.cpu(), spots, ticks, size, normals) for look in looks]
        layers = torch.stack(rows).float() / 255
        if normals:  # bytes hold (n + alpha) / 2 in the subject's world
            alpha = layers[:, :, 3:4]
            n = layers[:, :, 4:] * 2 - alpha
            a = float(self.reference.azimuth) * pi / 180
            spin = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float32)
            c, s = torch.tensor(a).cos(), torch.tensor(a).sin()
            spin[0, 0], spin[0, 2], spin[2, 0], spin[2, 2] = c, s, -s, c
            layers = torch.cat((layers[:, :, :4], torch.einsum("ij,kbjhw->kbihw", spin, n)), 2)
        return layers

    def pictures(
        self, looks: list[Look], cameras: Cameras, time: Tensor, size: int, background: Tensor, shading: Shading
    ) -> Tensor:  # (K, B, 3, size, size) in [0, 1]
        """The looks as a renderer with this background and shading would show them."""
        shaded = shading.mode != "albedo" and not (shading.mode == "lambertian" and shading.ambient >= 1.0)
        return shade(
            self.layers(looks, cameras, time, size, shaded), background.cpu(), shading if shaded else Shading()
        )

    def _look_layers(
        self, look: Look, cameras: Cameras, time: Tensor, spots: list[int], ticks: list[int], size: int, normals: bool
    ) -> Tensor:
        """Bytes (B, 4 or 7, size, size) of one look; what is missing is drawn in one batch."""
        keys = [
            (look.subject, look.palette, look.motion if tick else STILL, spot, tick, size)
            if spot >= 0 and tick >= 0
            else None
            for spot, tick in zip(spots, ticks, strict=True)
        ]
        found = [self._get(key, normals) for key in keys]
        missing = [i for i, f in enumerate(found) if f is None]
        if missing:
            pick = torch.tensor(missing)
            drawn = draw(look, cameras[pick], time[pick], size, normals, self.clouds)
            if normals:
                drawn = torch.cat((drawn[:, :4], (drawn[:, 4:] + drawn[:, 3:4]) / 2), 1)
            drawn = (drawn * 255 + 0.5).clamp(0, 255).to(torch.uint8)
            for i, layer in zip(missing, drawn, strict=True):
                found[i] = layer
                if keys[i] is not None:
                    self.photos.put(keys[i], layer.clone())
        return torch.stack(found)

    def _get(self, key: tuple | None, normals: bool) -> Tensor | None:
        found = self.photos.get(key) if key else None
        if found is None or (normals and found[0].shape[0] == 4):
            return None
        return found[0] if normals else found[0][:4]

    def _spots(self, cameras: Cameras) -> list[int]:
        """Index of each camera in the lattice, -1 for one that is not there."""
        mine = torch.stack((self.cameras.elevation, self.cameras.azimuth, self.cameras.radius, self.cameras.fovy), 1)
        given = torch.stack((cameras.elevation, cameras.azimuth, cameras.radius, cameras.fovy), 1).cpu()
        apart = (given[:, None] - mine[None]).abs()
        apart[..., 1] = ((apart[..., 1] + 180) % 360 - 180).abs()
        gap, spot = apart.amax(-1).min(1)
        return torch.where(gap < 1e-3, spot, -1).tolist()


def _ticks(time: Tensor) -> list[int]:
    """Tick of each time, -1 between ticks."""
    near = (time * TICKS).round()
    return torch.where((time * TICKS - near).abs() < 1e-3, near.long(), -1).tolist()


def shade(layers: Tensor, background: Tensor, shading: Shading) -> Tensor:
    """Layers (K, B, C, h, w) -> (K, B, 3, h, w) over a colour (3,); the light model of the release."""
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
