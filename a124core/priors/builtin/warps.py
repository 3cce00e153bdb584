"""Warps of oriented points: translation, scale, and rotation by an angle that may vary in space; normals are exact."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

MIN_JACOBIAN = 0.15  # a rotation that would fold space over keeps at least this


@dataclass(frozen=True)
class OrientedPoints:
    """Points and normals that move together."""

    points: Tensor  # (B, N, 3)
    normals: Tensor  # (B, N, 3) unit


@dataclass(frozen=True)
class ScalarField:
    """A number at every point and its gradient there."""

    value: Tensor  # (B, N)
    grad: Tensor | None = None  # (B, N, 3); None: constant around every point

    def __mul__(self, other: ScalarField | Tensor | float) -> ScalarField:
        """Multiply by a number, by (B, 1), or by another field, with the product rule."""
        if not isinstance(other, ScalarField):
            factor = other[..., None] if isinstance(other, Tensor) else other
            return ScalarField(self.value * other, None if self.grad is None else self.grad * factor)
        pairs = ((self.grad, other.value), (other.grad, self.value))
        parts = [grad * value[..., None] for grad, value in pairs if grad is not None]
        return ScalarField(self.value * other.value, sum(parts) if parts else None)


def ramp(points: Tensor, axis: int, start: float, end: float, power: float = 0.0) -> ScalarField:
    """Rise smoothly from 0 at `start` to 1 at `end` along an axis; power > 0: ((x - start) / (end - start))^power."""
    t = (points[..., axis] - start) / (end - start)
    if power:
        t = t.clamp_min(0)
        value, slope = t**power, power * t.clamp_min(1e-6) ** (power - 1)
    else:
        t = t.clamp(0, 1)
        value, slope = t * t * (3 - 2 * t), 6 * t * (1 - t)
    grad = torch.zeros_like(points)
    grad[..., axis] = slope / (end - start)
    return ScalarField(value, grad)


def translate(o: OrientedPoints, offset: Tensor) -> OrientedPoints:
    """Move everything by offset (B, 3)."""
    return OrientedPoints(o.points + offset[:, None], o.normals)


def displace(o: OrientedPoints, height: ScalarField, axis: int = 1) -> OrientedPoints:
    """Move each point along an axis by its own height: J^-T n = n - grad (v.n) / (1 + v.grad)."""
    points = o.points.clone()
    points[..., axis] += height.value
    if height.grad is None:
        return OrientedPoints(points, o.normals)
    share = o.normals[..., axis] / (1 + height.grad[..., axis]).clamp_min(MIN_JACOBIAN)
    return OrientedPoints(points, normalize(o.normals - height.grad * share[..., None], dim=-1))


def scale(o: OrientedPoints, factor: Tensor, about: Tensor) -> OrientedPoints:
    """Scale by factor (B, 3) about a point (3,)."""
    s = factor[:, None]
    return OrientedPoints((o.points - about) * s + about, normalize(o.normals / s, dim=-1))


def rotate(o: OrientedPoints, angle: ScalarField, axis: int, about: Tensor) -> OrientedPoints:
    """Turn each point by its own angle (radians) about an axis through `about` (3,).

    With a = axis x p the Jacobian is R (I + a grad^T), so J^-T n = R (n - grad (a.n) / (1 + a.grad)).
    """
    p, n = o.points - about, o.normals
    if angle.grad is not None:
        unit = torch.eye(3)[axis].to(p)
        a = torch.linalg.cross(unit.expand_as(p), p)
        fold = (1 + (a * angle.grad).sum(-1)).clamp_min(MIN_JACOBIAN)
        n = normalize(n - angle.grad * ((a * n).sum(-1) / fold)[..., None], dim=-1)
    return OrientedPoints(_rotated(p, angle.value, axis) + about, _rotated(n, angle.value, axis))


def _rotated(x: Tensor, angle: Tensor, axis: int) -> Tensor:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    c, s = angle.cos(), angle.sin()
    out = x.clone()
    out[..., i] = c * x[..., i] - s * x[..., j]
    out[..., j] = s * x[..., i] + c * x[..., j]
    return out
