"""Moving solids whose surface is known in closed form, as fields, and what the mesh code makes of them."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from a124core.export.mesh.build import MeshBuild, build
from a124core.export.mesh.options import MeshOptions
from a124core.export.mesh.surface import fit_surface
from a124core.field.occupancy import Occupancy
from a124core.protocols import Field
from tests.fakes import EVERYWHERE

EDGE = 0.002  # world units in which the density of a test solid falls by a factor e
OPTIONS = MeshOptions(frames=6, resolution=40, faces=1600)

Shape = Callable[[Tensor, Tensor], Tensor]  # xyz (N, 3), time (N,) -> height (N,), below 0 inside; slope about 1


@dataclass(frozen=True)
class Solid(Field):
    """A field that is dense where its shape is below 0, coloured by where one stands in a given frame of axes."""

    shape: Shape
    turn: Callable[[Tensor, Tensor], Tensor] = lambda xyz, time: xyz  # into the axes that the colours move with
    loop: bool = False
    occupancy: Occupancy = EVERYWHERE

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        density = 200.0 * torch.sigmoid(-self.shape(xyz, time) / EDGE)
        return density, (0.5 + 0.4 * torch.sin(6.0 * self.turn(xyz, time)))

    def surface(self, time: float, count: int = 4000) -> np.ndarray:  # (count, 3)
        """Points of the true surface: random ones, walked down the slope."""
        rng = torch.Generator().manual_seed(1)
        xyz = (torch.rand(20 * count, 3, generator=rng) * 2 - 1).double()
        for _ in range(12):
            xyz.requires_grad_(True)
            height = self.shape(xyz, torch.full((len(xyz),), time, dtype=torch.float64))
            (slope,) = torch.autograd.grad(height.sum(), xyz)
            xyz = (xyz - height[:, None] * slope / slope.square().sum(1, keepdim=True).clamp_min(1e-6)).detach()
        height = self.shape(xyz, torch.full((len(xyz),), time, dtype=torch.float64))
        good = (height.abs() < 1e-4) & (xyz.abs().max(1).values < 1)
        return xyz[good][:count].numpy()

    def distance(self, points: np.ndarray, time: float) -> np.ndarray:  # (N, 3) -> (N,)
        """Distance of points to the true surface, to first order: height over slope."""
        xyz = torch.from_numpy(points).double().requires_grad_(True)
        height = self.shape(xyz, torch.full((len(xyz),), time, dtype=torch.float64))
        (slope,) = torch.autograd.grad(height.sum(), xyz)
        return (height.abs() / slope.norm(dim=1).clamp_min(0.1)).detach().numpy()


def ball(xyz: Tensor, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Tensor:
    """Ellipsoid: |p / r|, less 1, brought to slope 1."""
    r = torch.tensor(radii, dtype=xyz.dtype)
    p = (xyz - torch.tensor(centre, dtype=xyz.dtype)) / r
    length = p.norm(dim=1).clamp_min(1e-6)
    return (length - 1.0) * length / (p / r).norm(dim=1).clamp_min(1e-6)


def joined(a: Tensor, b: Tensor, width: float = 0.05) -> Tensor:
    """Smooth union."""
    return -width * torch.logsumexp(torch.stack((-a, -b)) / width, dim=0)


def turned(xyz: Tensor, time: Tensor) -> Tensor:
    """Into axes that swing about z by 30 degrees to both sides, and begin a little tilted."""
    angle = math.radians(30.0) * torch.sin(1.5 * math.pi * time + 0.5)
    c, s = angle.cos(), angle.sin()
    return torch.stack((c * xyz[:, 0] + s * xyz[:, 1], c * xyz[:, 1] - s * xyz[:, 0], xyz[:, 2]), dim=1)


def swinging_shape(xyz: Tensor, time: Tensor) -> Tensor:
    """A body that leans from side to side, with a head, an arm, and feet that stay where they are."""
    own = turned(xyz, time)
    body = joined(ball(own, (0, 0.1, 0), (0.2, 0.3, 0.18)), ball(own, (0, 0.48, 0), (0.13, 0.15, 0.13)))
    arm = ball(own, (0.3, 0.15, 0), (0.22, 0.07, 0.07))
    return joined(joined(body, arm), ball(xyz, (0, -0.2, 0), (0.25, 0.1, 0.2)))


def sphere(xyz: Tensor, centre: tuple[float, float, float] = (0, 0, 0), radius: float = 0.4) -> Tensor:
    return (xyz - torch.tensor(centre, dtype=xyz.dtype)).norm(dim=1) - radius


SWINGING = Solid(swinging_shape, turned)


@pytest.fixture
def solid() -> type[Solid]:
    return Solid


@pytest.fixture
def sphere_at() -> Callable[..., Tensor]:
    return sphere


@pytest.fixture(scope="session")
def swinging() -> Solid:
    return SWINGING


@pytest.fixture(scope="session")
def options() -> MeshOptions:
    return OPTIONS


@pytest.fixture(scope="session")
def built(swinging: Solid) -> MeshBuild:
    """The swinging body, tracked."""
    return build(swinging, OPTIONS, tracked=True)


@dataclass(frozen=True)
class Glb:
    """A GLB as numbers, read by its specification."""

    document: dict[str, Any]
    data: bytes

    def values(self, index: int) -> np.ndarray:  # (N, C)
        accessor = self.document["accessors"][index]
        view = self.document["bufferViews"][accessor["bufferView"]]
        kind = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
        columns = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        stride = view.get("byteStride", columns * np.dtype(kind).itemsize)
        rows = np.ndarray(
            (accessor["count"], columns), kind, self.data, view["byteOffset"], (stride, np.dtype(kind).itemsize)
        )
        if not accessor.get("normalized"):
            return rows.copy()
        return np.maximum(rows.astype(float) / np.iinfo(kind).max, -1.0)

    def shapes(self, k: int = 0) -> np.ndarray:  # (targets + 1, V, 3) world
        """Mesh k with each of its targets fully on."""
        primitive = self.document["meshes"][k]["primitives"][0]
        scale = self.document["nodes"][2 * k + 1].get("scale", [1.0])[0]
        base = self.values(primitive["attributes"]["POSITION"])
        moves = [self.values(target["POSITION"]) for target in primitive.get("targets", [])]
        return scale * np.stack([base, *(base + move for move in moves)])


@pytest.fixture
def read_glb() -> Callable[[Path], Glb]:
    def read(path: Path) -> Glb:
        raw = path.read_bytes()
        magic, version, total, length, kind = struct.unpack_from("<IIIII", raw)
        assert (magic, version, total, kind) == (0x46546C67, 2, len(raw), 0x4E4F534A) and length % 4 == 0
        size, kind = struct.unpack_from("<II", raw, 20 + length)
        assert kind == 0x004E4942 and size == len(raw) - 28 - length
        return Glb(json.loads(raw[20 : 20 + length]), raw[28 + length :])

    return read


@pytest.fixture
def frame_of() -> Callable[[Any], Any]:
    """The decimated mesh of a field at time 0."""
    return lambda field: fit_surface(field, np.array([0.0]), 32).frame(0.0, OPTIONS.faces).mesh
