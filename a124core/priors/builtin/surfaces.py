"""Two kinds of closed surface, sampled evenly: a profile turned about an axis, and a tube along a path."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn.functional import normalize

GOLDEN = 0.6180339887  # each row of samples starts this share of a step further round: no seams, no moire

Triple = tuple[float, float, float]


def chaikin(points: Tensor, rounds: int = 4) -> Tensor:
    """Cut the corners of a polyline (M, D); its two ends stay."""
    for _ in range(rounds):
        a, b = points[:-1], points[1:]
        cut = torch.stack((0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b), 1).flatten(0, 1)
        points = torch.cat((points[:1], cut, points[-1:]))
    return points


def euler_rotation(degrees: Triple) -> Tensor:
    """Return the rotation (3, 3) about x, then y, then z."""
    rotation = torch.eye(3)
    for axis in (2, 1, 0):
        angle = torch.tensor(float(degrees[axis])) * pi / 180
        i, j = (axis + 1) % 3, (axis + 2) % 3
        step = torch.eye(3)
        step[i, i] = step[j, j] = angle.cos()
        step[i, j], step[j, i] = -angle.sin(), angle.sin()
        rotation = rotation @ step
    return rotation


def polyline_at(line: Tensor, distance: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return points and directions of a polyline (M, D) at `distance` (N,) along it; lengths is arc_lengths(line)."""
    i = torch.searchsorted(lengths, distance.contiguous(), right=True).clamp(1, len(lengths) - 1)
    a, b = line[i - 1], line[i]
    step = (lengths[i] - lengths[i - 1]).clamp_min(1e-9)
    share = ((distance - lengths[i - 1]) / step).clamp(0, 1)
    return torch.lerp(a, b, share[:, None]), (b - a) / step[:, None]


def arc_lengths(line: Tensor) -> Tensor:
    """Return the arc length (M,) from the first point of a polyline (M, D)."""
    steps = (line[1:] - line[:-1]).norm(dim=1)
    return torch.cat((steps.new_zeros(1), steps.cumsum(0)))


def ring_samples(spacing: float, perimeter: Tensor) -> tuple[Tensor, Tensor]:
    """Return each sample's ring and its share of a turn; perimeter (R,) of each of the R rings."""
    counts = (perimeter / spacing).ceil().clamp_min(4).long()
    ring = torch.repeat_interleave(torch.arange(len(counts)), counts)
    first = counts.cumsum(0) - counts
    position = torch.arange(len(ring)) - first[ring]
    return ring, ((position + ring * GOLDEN) / counts[ring]) % 1.0


def ring_count(length: Tensor, spacing: float) -> int:
    """Return how many rings a surface of this length gets."""
    return max(4, int(torch.ceil(length / spacing)))


@dataclass(frozen=True)
class Lathe:
    """A profile (radius, height) turned about its own y axis; the cross-section is a superellipse."""

    profile: Tensor  # (M, 2), from the bottom to the top, both ends at radius 0
    centre: Triple = (0.0, 0.0, 0.0)
    tilt: Triple = (0.0, 0.0, 0.0)  # degrees about x, y, z
    flat: tuple[float, float] = (1.0, 1.0)  # scale of the cross-section along x and z
    power: float = 2.0  # 2: round; 4 and more: boxy

    def sample(self, spacing: float) -> tuple[Tensor, Tensor]:
        """Return points and outward normals (N, 3), about `spacing` apart."""
        lengths = arc_lengths(self.profile * torch.tensor([max(self.flat), 1.0]))
        n = ring_count(lengths[-1], spacing)
        heights, slope = polyline_at(self.profile, (torch.arange(n) + 0.5) / n * lengths[-1], lengths)
        outline, outline_lengths = self._outline()
        ring, share = ring_samples(spacing, heights[:, 0] * outline_lengths[-1])
        cross, _ = polyline_at(outline, share * outline_lengths[-1], outline_lengths)
        r, h = heights[ring].unbind(1)
        dr, dh = slope[ring].unbind(1)
        points = torch.stack((r * cross[:, 0], h, r * cross[:, 1]), 1)
        unit = cross / torch.tensor(self.flat)
        grad = unit.sign() * unit.abs() ** (self.power - 1) / torch.tensor(self.flat)
        normals = torch.stack((grad[:, 0] * dh, -dr, grad[:, 1] * dh), 1)
        rotation = euler_rotation(self.tilt)
        return points @ rotation.T + torch.tensor(self.centre), normalize(normals @ rotation.T, dim=1)

    def _outline(self) -> tuple[Tensor, Tensor]:
        """Return the cross-section at radius 1 as a polyline, and its arc lengths."""
        angle = torch.linspace(0, 2 * pi, 257)
        c, s = angle.cos(), angle.sin()
        outline = torch.stack((c.sign() * c.abs() ** (2 / self.power), s.sign() * s.abs() ** (2 / self.power)), 1)
        outline = outline * torch.tensor(self.flat)
        return outline, arc_lengths(outline)

    def inside(self, points: Tensor) -> Tensor:
        """Test which points lie strictly inside, (N,) bool; the profile's height must only rise."""
        local = (points - torch.tensor(self.centre)) @ euler_rotation(self.tilt)
        r, h = self.profile.unbind(1)
        y = local[:, 1].contiguous()
        i = torch.searchsorted(h.contiguous(), y).clamp(1, len(h) - 1)
        share = ((y - h[i - 1]) / (h[i] - h[i - 1]).clamp_min(1e-9)).clamp(0, 1)
        limit = torch.lerp(r[i - 1], r[i], share)
        unit = (local[:, ::2] / torch.tensor(self.flat)).abs() ** self.power
        return (unit.sum(1) < (limit * 0.995) ** self.power) & (y > h[0]) & (y < h[-1])

    def occluders(self) -> Tensor:
        """Return balls (3, 4), x, y, z, radius, that stand for the solid in ambient occlusion."""
        h = torch.linspace(0.2, 0.8, 3) * (self.profile[-1, 1] - self.profile[0, 1]) + self.profile[0, 1]
        near = (self.profile[:, 1][None] - h[:, None]).abs().argmin(1)
        radius = self.profile[near, 0] * min(self.flat)
        axis = torch.stack((torch.zeros(3), h, torch.zeros(3)), 1)
        centre = axis @ euler_rotation(self.tilt).T + torch.tensor(self.centre)
        return torch.cat((centre, radius[:, None]), 1)


@dataclass(frozen=True)
class Tube:
    """A round tube along a path, its ends closed by half balls."""

    path: Tensor  # (M, 3)
    radius: Tensor  # (M,)

    @property
    def _balls(self) -> Tensor:
        """Return the path with its radii (M, 4)."""
        return torch.cat((self.path, self.radius[:, None]), 1)

    def sample(self, spacing: float) -> tuple[Tensor, Tensor]:
        """Return points and outward normals (N, 3), about `spacing` apart."""
        lengths = arc_lengths(self.path)
        first, last = self.radius[0], self.radius[-1]
        whole = lengths[-1] + pi / 2 * (first + last)
        n = ring_count(whole * self._bend_factor(lengths), spacing)
        s = (torch.arange(n) + 0.5) / n * whole - pi / 2 * first
        line, tangent = polyline_at(self._balls, s.clamp(0, float(lengths[-1])), lengths)
        centre, radius = line[:, :3], line[:, 3]
        lean = torch.asin((-tangent[:, 3]).clamp(-0.95, 0.95))  # the envelope of the balls leans where they shrink
        tangent = normalize(tangent[:, :3], dim=1)
        before, after = (s / first).clamp_max(0), ((s - lengths[-1]) / last).clamp_min(0)
        angle = lean + before * (1 + lean * 2 / pi) + after * (1 - lean * 2 / pi)
        side, up = _transported_frames(tangent)
        ring, share = ring_samples(spacing, 2 * pi * radius * angle.cos())
        around = 2 * pi * share[:, None]
        radial = around.cos() * side[ring] + around.sin() * up[ring]
        normals = radial * angle.cos()[ring, None] + tangent[ring] * angle.sin()[ring, None]
        return centre[ring] + radius[ring, None] * normals, normals

    def _bend_factor(self, lengths: Tensor) -> Tensor:
        """Return how much longer than the path the outside of its tightest bend is, at most twice."""
        direction = normalize(self.path[1:] - self.path[:-1], dim=1)
        bend = (direction[1:] - direction[:-1]).norm(dim=1) / ((lengths[2:] - lengths[:-2]) / 2).clamp_min(1e-6)
        return 1 + (bend * self.radius[1:-1]).max().clamp(max=1.0) if len(bend) else torch.tensor(1.0)

    def inside(self, points: Tensor) -> Tensor:
        """Test which points are nearer to the path than the radius there, (N,) bool."""
        lengths = arc_lengths(self.path)
        count = max(2, int(torch.ceil(lengths[-1] / self.radius.min() * 4)))
        balls, _ = polyline_at(self._balls, torch.linspace(0, float(lengths[-1]), count), lengths)
        return ((torch.cdist(points, balls[:, :3]) / balls[:, 3]).min(1).values) < 0.97

    def occluders(self) -> Tensor:
        """Return balls (3, 4) along the path that stand for the tube in ambient occlusion."""
        return self._balls[torch.linspace(0.1, 0.9, 3).mul(len(self.path) - 1).round().long()]


def _transported_frames(tangent: Tensor) -> tuple[Tensor, Tensor]:
    """Return two unit vectors (R, 3) across each tangent, carried from row to row without twist."""
    side = torch.eye(3)[tangent[0].abs().argmin()]
    sides = []
    for t in tangent:
        side = normalize(side - (side @ t) * t, dim=0)
        sides.append(side)
    sides = torch.stack(sides)
    return sides, torch.linalg.cross(tangent, sides)


def ball(centre: tuple, radii: tuple, tilt: tuple = (0, 0, 0), power: float = 2.0) -> Lathe:
    """Make an ellipsoid; with power 4 and more a rounded box with half sides `radii`."""
    angle = torch.linspace(-pi / 2, pi / 2, 97)
    c, s = angle.cos().clamp_min(0), angle.sin()
    profile = torch.stack((c ** (2 / power), s.sign() * s.abs() ** (2 / power)), 1)
    profile[0, 0] = profile[-1, 0] = 0
    size = max(radii[0], radii[2])
    profile = profile * torch.tensor([size, radii[1]])
    return Lathe(profile, tuple(centre), tuple(tilt), (radii[0] / size, radii[2] / size), power)


def lathe(outline: list, rounds: int = 3) -> Lathe:
    """Make a turned solid from a few (radius, height) corners, bottom to top, rounded by corner cutting."""
    points = torch.tensor([(0.0, outline[0][1]), *outline, (0.0, outline[-1][1])], dtype=torch.float32)
    return Lathe(chaikin(points, rounds))


def tube(path: list, radius: float | list) -> Tube:
    """Make a smooth tube through the first and the last corner of `path`, pulled by those between."""
    points = chaikin(torch.tensor(path, dtype=torch.float32), 6)
    radii = torch.tensor(radius if isinstance(radius, list) else [radius, radius], dtype=torch.float32)
    lengths = arc_lengths(points)
    along, _ = polyline_at(radii[:, None], lengths / lengths[-1], torch.linspace(0, 1, len(radii)))
    return Tube(points, along[:, 0])


def ring(centre: tuple, radius: float, thick: float, tilt: tuple = (0, 0, 0)) -> Tube:
    """Make a torus; untilted it lies flat."""
    angle = torch.linspace(0, 2 * pi, 65)
    circle = torch.stack((angle.cos(), torch.zeros(65), angle.sin()), 1) * radius
    centre = torch.tensor(centre, dtype=torch.float32)
    return Tube(circle @ euler_rotation(tilt).T + centre, torch.full((65,), float(thick)))
