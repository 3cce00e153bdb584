"""Two kinds of closed surface, sampled evenly: a profile turned about an axis, and a tube along a path."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

GOLDEN = 0.6180339887  # each row of samples starts this share of a step further round: no seams, no moire


def chaikin(points: Tensor, rounds: int = 4) -> Tensor:
    """Corner cutting: points (M, D) -> a smooth line through the same two ends."""
    for _ in range(rounds):
        a, b = points[:-1], points[1:]
        cut = torch.stack((0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b), 1).flatten(0, 1)
        points = torch.cat((points[:1], cut, points[-1:]))
    return points


def turn(degrees: tuple[float, float, float]) -> Tensor:
    """Rotation (3, 3): about x, then y, then z."""
    x, y, z = (torch.tensor(float(d)) * pi / 180 for d in degrees)
    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    rx = torch.stack((one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())).view(3, 3)
    ry = torch.stack((y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())).view(3, 3)
    rz = torch.stack((z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)).view(3, 3)
    return rz @ ry @ rx


def along(line: Tensor, at: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Point and direction of a polyline (M, D) at arc lengths `at` (N,); lengths (M,) is its running length."""
    i = torch.searchsorted(lengths, at.contiguous(), right=True).clamp(1, len(lengths) - 1)
    a, b = line[i - 1], line[i]
    step = (lengths[i] - lengths[i - 1]).clamp_min(1e-9)
    share = ((at - lengths[i - 1]) / step).clamp(0, 1)
    return torch.lerp(a, b, share[:, None]), (b - a) / step[:, None]


def running_length(line: Tensor) -> Tensor:
    """(M, D) -> (M,) arc length from the first point."""
    steps = (line[1:] - line[:-1]).norm(dim=1)
    return torch.cat((steps.new_zeros(1), steps.cumsum(0)))


def rows(spacing: float, perimeter: Tensor) -> tuple[Tensor, Tensor]:
    """Which row and which share of the way round each sample has; perimeter (R,) of each of the R rows."""
    counts = (perimeter / spacing).ceil().clamp_min(4).long()
    row = torch.repeat_interleave(torch.arange(len(counts)), counts)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(row)) - first[row]
    return row, ((place + row * GOLDEN) / counts[row]) % 1.0


def row_count(length: Tensor, spacing: float) -> int:
    return max(4, int(torch.ceil(length / spacing)))


@dataclass(frozen=True)
class Lathe:
    """A profile (radius, height) turned about its own y axis; the cross-section is a superellipse."""

    profile: Tensor  # (M, 2), from the bottom to the top, both ends at radius 0
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)  # degrees about x, y, z
    flat: tuple[float, float] = (1.0, 1.0)  # stretch of the cross-section along x and z
    power: float = 2.0  # 2: round; 4 and more: boxy

    def sample(self, spacing: float) -> tuple[Tensor, Tensor]:
        """Points and outward normals (N, 3), about `spacing` apart."""
        wide = torch.tensor([max(self.flat), 1.0])
        lengths = running_length(self.profile * wide)
        n = row_count(lengths[-1], spacing)
        at = (torch.arange(n) + 0.5) / n * lengths[-1]
        rh, slope = along(self.profile, at, lengths)
        ring, ring_length = self._ring()
        row, share = rows(spacing, rh[:, 0] * ring_length[-1])
        cross, _ = along(ring, share * ring_length[-1], ring_length)
        r, h = rh[row].unbind(1)
        dr, dh = slope[row].unbind(1)
        points = torch.stack((r * cross[:, 0], h, r * cross[:, 1]), 1)
        unit = cross / torch.tensor(self.flat)
        grad = unit.sign() * unit.abs() ** (self.power - 1) / torch.tensor(self.flat)
        normals = torch.stack((grad[:, 0] * dh, -dr, grad[:, 1] * dh), 1)
        spin = turn(self.tilt)
        return points @ spin.T + torch.tensor(self.centre), torch.nn.functional.normalize(normals @ spin.T, dim=1)

    def _ring(self) -> tuple[Tensor, Tensor]:
        angle = torch.linspace(0, 2 * pi, 257)
        c, s = angle.cos(), angle.sin()
        ring = torch.stack((c.sign() * c.abs() ** (2 / self.power), s.sign() * s.abs() ** (2 / self.power)), 1)
        ring = ring * torch.tensor(self.flat)
        return ring, running_length(ring)

    def inside(self, points: Tensor) -> Tensor:
        """(N,) bool: strictly inside the solid. Needs a profile whose height only rises."""
        local = (points - torch.tensor(self.centre)) @ turn(self.tilt)
        r, h = self.profile.unbind(1)
        y = local[:, 1].contiguous()
        i = torch.searchsorted(h.contiguous(), y).clamp(1, len(h) - 1)
        share = ((y - h[i - 1]) / (h[i] - h[i - 1]).clamp_min(1e-9)).clamp(0, 1)
        limit = torch.lerp(r[i - 1], r[i], share)
        unit = (local[:, ::2] / torch.tensor(self.flat)).abs() ** self.power
        return (unit.sum(1) < (limit * 0.995) ** self.power) & (y > h[0]) & (y < h[-1])

    def spheres(self) -> Tensor:
        """Balls (3, 4) x, y, z, radius that stand for the solid where ambient light is judged."""
        h = torch.linspace(0.2, 0.8, 3) * (self.profile[-1, 1] - self.profile[0, 1]) + self.profile[0, 1]
        near = (self.profile[:, 1][None] - h[:, None]).abs().argmin(1)
        radius = self.profile[near, 0] * min(self.flat)
        centre = torch.stack((torch.zeros(3), h, torch.zeros(3)), 1) @ turn(self.tilt).T + torch.tensor(self.centre)
        return torch.cat((centre, radius[:, None]), 1)


@dataclass(frozen=True)
class Tube:
    """A round tube along a path, its ends closed by half balls."""

    path: Tensor  # (M, 3)
    radius: Tensor  # (M,)

    def sample(self, spacing: float) -> tuple[Tensor, Tensor]:
        """Points and outward normals (N, 3), about `spacing` apart."""
        lengths = running_length(self.path)
        first, last = self.radius[0], self.radius[-1]
        whole = lengths[-1] + pi / 2 * (first + last)
        n = row_count(whole * self._outer_stretch(lengths), spacing)
        s = (torch.arange(n) + 0.5) / n * whole - pi / 2 * first
        line, tangent = along(torch.cat((self.path, self.radius[:, None]), 1), s.clamp(0, float(lengths[-1])), lengths)
        centre, radius = line[:, :3], line[:, 3]
        lean = torch.asin((-tangent[:, 3]).clamp(-0.95, 0.95))  # the envelope of the balls leans where they shrink
        tangent = torch.nn.functional.normalize(tangent[:, :3], dim=1)
        before, after = (s / first).clamp_max(0), ((s - lengths[-1]) / last).clamp_min(0)
        angle = lean + before * (1 + lean * 2 / pi) + after * (1 - lean * 2 / pi)
        side, up = _frames(tangent)
        row, share = rows(spacing, 2 * pi * radius * angle.cos())
        around = 2 * pi * share[:, None]
        radial = around.cos() * side[row] + around.sin() * up[row]
        normals = radial * angle.cos()[row, None] + tangent[row] * angle.sin()[row, None]
        return centre[row] + radius[row, None] * normals, normals

    def _outer_stretch(self, lengths: Tensor) -> Tensor:
        """How much longer than the path the outside of its tightest bend is, at most twice."""
        way = torch.nn.functional.normalize(self.path[1:] - self.path[:-1], dim=1)
        bend = (way[1:] - way[:-1]).norm(dim=1) / ((lengths[2:] - lengths[:-2]) / 2).clamp_min(1e-6)
        return 1 + (bend * self.radius[1:-1]).max().clamp(max=1.0) if len(bend) else torch.tensor(1.0)

    def inside(self, points: Tensor) -> Tensor:
        """(N,) bool: nearer to the path than the radius there."""
        lengths = running_length(self.path)
        count = max(2, int(torch.ceil(lengths[-1] / self.radius.min() * 4)))
        line = along(
            torch.cat((self.path, self.radius[:, None]), 1), torch.linspace(0, float(lengths[-1]), count), lengths
        )
        balls = line[0]
        return ((torch.cdist(points, balls[:, :3]) / balls[:, 3]).min(1).values) < 0.97

    def spheres(self) -> Tensor:
        """Balls (3, 4) along the path."""
        pick = torch.linspace(0.1, 0.9, 3).mul(len(self.path) - 1).round().long()
        return torch.cat((self.path[pick], self.radius[pick, None]), 1)


def _frames(tangent: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors (R, 3) across each tangent, carried from row to row without twist."""
    seed = torch.eye(3)[tangent[0].abs().argmin()]
    sides = []
    for t in tangent:
        seed = torch.nn.functional.normalize(seed - (seed @ t) * t, dim=0)
        sides.append(seed)
    side = torch.stack(sides)
    return side, torch.linalg.cross(tangent, side)


def ball(centre: tuple, radii: tuple, tilt: tuple = (0, 0, 0), power: float = 2.0) -> Lathe:
    """An ellipsoid; with power 4 and more a rounded box with half sides `radii`."""
    angle = torch.linspace(-pi / 2, pi / 2, 97)
    c, s = angle.cos().clamp_min(0), angle.sin()
    profile = torch.stack((c ** (2 / power), s.sign() * s.abs() ** (2 / power)), 1)
    profile[0, 0] = profile[-1, 0] = 0
    size = max(radii[0], radii[2])
    profile = profile * torch.tensor([size, radii[1]])
    return Lathe(profile, tuple(centre), tuple(tilt), (radii[0] / size, radii[2] / size), power)


def turned(
    outline: list, centre: tuple = (0, 0, 0), tilt: tuple = (0, 0, 0), flat: tuple = (1, 1), soft: int = 3
) -> Lathe:
    """A turned solid from a few (radius, height) corners, bottom to top, rounded by corner cutting."""
    points = torch.tensor([(0.0, outline[0][1]), *outline, (0.0, outline[-1][1])], dtype=torch.float32)
    return Lathe(chaikin(points, soft), tuple(centre), tuple(tilt), tuple(flat))


def tube(path: list, radius: float | list) -> Tube:
    """A smooth tube through the first and the last corner of `path`, pulled by those between."""
    points = chaikin(torch.tensor(path, dtype=torch.float32), 6)
    given = torch.tensor(radius if isinstance(radius, list) else [radius, radius], dtype=torch.float32)
    lengths = running_length(points)
    at, _ = along(given[:, None], lengths / lengths[-1], torch.linspace(0, 1, len(given)))
    return Tube(points, at[:, 0])


def ring(centre: tuple, radius: float, thick: float, tilt: tuple = (0, 0, 0)) -> Tube:
    """A torus; untilted it lies flat."""
    angle = torch.linspace(0, 2 * pi, 65)
    circle = torch.stack((angle.cos(), torch.zeros(65), angle.sin()), 1) * radius
    return Tube(circle @ turn(tilt).T + torch.tensor(centre, dtype=torch.float32), torch.full((65,), float(thick)))
