"""Warps of oriented points: shift, stretch, and turn by an angle that may vary in space; normals follow exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_STRETCH = 0.15  # a turn that would fold space over keeps at least this


@dataclass(frozen=True)
class Oriented:
    """Points and normals that move together."""

    points: Tensor  # (B, N, 3)
    normals: Tensor  # (B, N, 3) unit


@dataclass(frozen=True)
class Soft:
    """A number at every point and its gradient there."""

    value: Tensor  # (B, N)
    grad: Tensor | None  # (B, N, 3); None: constant around every point

    def __mul__(self, other: Soft | Tensor | float) -> Soft:
        if not isinstance(other, Soft):
            return Soft(self.value * other, None if self.grad is None else self.grad * _wide(other))
        parts = [g for g in (_scaled(self.grad, other.value), _scaled(other.grad, self.value)) if g is not None]
        return Soft(self.value * other.value, sum(parts) if parts else None)


def _wide(x: Tensor | float) -> Tensor | float:
    return x[..., None] if isinstance(x, Tensor) else x


def _scaled(grad: Tensor | None, value: Tensor) -> Tensor | None:
    return None if grad is None else grad * value[..., None]


def ramp(points: Tensor, axis: int, start: float, end: float, power: float = 0.0) -> Soft:
    """0 at `start`, 1 at `end` along an axis, smooth; power > 0: ((x - start) / (end - start))^power, unbounded."""
    t = (points[..., axis] - start) / (end - start)
    if power:
        t = t.clamp_min(0)
        value, slope = t**power, power * t.clamp_min(1e-6) ** (power - 1)
    else:
        t = t.clamp(0, 1)
        value, slope = t * t * (3 - 2 * t), 6 * t * (1 - t)
    grad = torch.zeros_like(points)
    grad[..., axis] = slope / (end - start)
    return Soft(value, grad)


def constant(value: Tensor) -> Soft:
    """The same everywhere near each point, as for a limb that turns as one piece."""
    return Soft(value, None)


def shift(o: Oriented, offset: Tensor) -> Oriented:
    """offset (B, 3)."""
    return Oriented(o.points + offset[:, None], o.normals)


def lift(o: Oriented, height: Soft, axis: int = 1) -> Oriented:
    """Move each point along an axis by its own height: J^-T n = n - grad (v.n) / (1 + v.grad)."""
    points = o.points.clone()
    points[..., axis] += height.value
    if height.grad is None:
        return Oriented(points, o.normals)
    share = o.normals[..., axis] / (1 + height.grad[..., axis]).clamp_min(MIN_STRETCH)
    return Oriented(points, _unit(o.normals - height.grad * share[..., None]))


def stretch(o: Oriented, scale: Tensor, about: Tensor) -> Oriented:
    """scale (B, 3) about a point (3,)."""
    s = scale[:, None]
    return Oriented((o.points - about) * s + about, _unit(o.normals / s))


def turn_by(o: Oriented, angle: Soft, axis: int, about: Tensor) -> Oriented:
    """Turn each point by its own angle (radians) about an axis through `about` (3,).

    With a = axis x p the Jacobian is R (I + a grad^T), so J^-T n = R (n - grad (a.n) / (1 + a.grad)).
    """
    unit = torch.zeros(3).to(o.points)
    unit[axis] = 1.0
    p = o.points - about
    n = o.normals
    if angle.grad is not None:
        a = torch.linalg.cross(unit.expand_as(p), p)
        fold = (1 + (a * angle.grad).sum(-1)).clamp_min(MIN_STRETCH)
        n = _unit(n - angle.grad * ((a * n).sum(-1) / fold)[..., None])
    return Oriented(_rotate(p, angle.value, axis) + about, _rotate(n, angle.value, axis))


def _rotate(x: Tensor, angle: Tensor, axis: int) -> Tensor:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    c, s = angle.cos(), angle.sin()
    out = x.clone()
    out[..., i] = c * x[..., i] - s * x[..., j]
    out[..., j] = s * x[..., i] + c * x[..., j]
    return out


def _unit(x: Tensor) -> Tensor:
    return torch.nn.functional.normalize(x, dim=-1)
