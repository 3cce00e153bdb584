"""How much each part of a silhouette turns every point of a body, and about which joint.

The plan is read in the image: whatever lies behind a pixel moves with its part, on an inflated image or on a 3D model.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, ceil, degrees, pi, tan

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from ....cameras.rig import camera_to_world
from ....models3d.lens import image_places
from ....protocols import Cameras
from ....reference.layers import resize
from .loops import open_loops
from .roles import Roles, name_parts
from .silhouette import CELLS, Silhouette, SilhouettePart, find_parts

TORN = 0.06  # of the longer side; a loose piece so near to a part moves with it


@dataclass(frozen=True, eq=False)
class PartSkeleton:
    """The parts of a subject made from an image, as its motions read them."""

    camera: Cameras  # 1, in the subject's own frame
    window: tuple[float, float, float]  # left, top and side of the weights' grid, in shares of the image
    weights: Tensor  # (P, G, G) 0 to 1
    joints: Tensor  # (P, 3) world
    elevations: tuple[float, ...]  # degrees above the horizontal to which each part points
    sides: tuple[int, ...]  # side of x to which each points: 1 or -1
    lengths: tuple[float, ...]  # of each part, straight from its joint to its tip, world units
    roles: Roles

    def turned(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return each part's weight (P, N) at points (N, 3) at rest, and its gradient (P, N, 3)."""
        c2w = camera_to_world(self.camera)[0].to(points)
        half = tan(float(self.camera.fovy) * pi / 360)
        left, top, side = self.window
        places, depth = image_places(points, self.camera)
        at = ((places - torch.tensor([left, top]).to(points)) / side * 2 - 1)[None, None]
        weights = self.weights.to(points)
        across = torch.stack(torch.gradient(weights, dim=(2, 1)), 1)  # (P, 2, G, G), a cell
        layers = torch.cat((weights, across.flatten(0, 1)))[None]
        sampled = grid_sample(layers, at, padding_mode="border", align_corners=False)[0, :, 0]
        count = len(weights)
        slope = sampled[count:].view(count, 2, -1) * (weights.shape[-1] / (2 * half * side * depth))
        grad = slope[:, 0, :, None] * c2w[:3, 0] - slope[:, 1, :, None] * c2w[:3, 1]
        return sampled[:count], grad


def describe_parts(parts: PartSkeleton | None, pieces: int = 0) -> str:
    """Return a sentence that lists the parts that motions turn, or the number of pieces that move each as a whole."""
    if pieces:
        return f"It has {pieces} pieces: each moves as a whole."
    r = Roles() if parts is None else parts.roles
    limbs = {i for i in (r.left, r.right, r.waver) if i is not None} - {*r.legs, *r.feet}
    counts = {"head": int(r.head is not None), "limb": len(limbs), "leg": len(r.legs),
              "tail": int(r.tail is not None and r.tail not in limbs)}
    texts = [name if n == 1 else f"{n} {name}s" for name, n in counts.items() if n]
    return f"Parts in its outline: {', '.join(texts)}." if texts else "Its outline has no parts: it moves as one piece."


def part_skeleton(mask: Tensor, camera: Cameras, points: Tensor) -> PartSkeleton | None:
    """Find the parts of a mask (1, 1, S, S) seen by a camera; points (N, 3) of the body say how deep joints lie."""
    window = _window(mask)
    silhouette = None if window is None else _opened(find_parts(_resampled(mask, window)))
    if silhouette is None or not silhouette.parts:
        return None
    size = float(np.ptp(np.argwhere(silhouette.inside), axis=0).max() + 1)
    left, top, side = (v / mask.shape[-1] for v in window)
    weights = torch.from_numpy(_filled(silhouette, TORN * size))
    joints = _joints(silhouette, (left, top, side), camera, points)
    pointing = [_direction(part, silhouette) for part in silhouette.parts]
    elevations = tuple(degrees(atan2(-y, abs(x))) for x, y in pointing)
    sides = tuple(1 if x > 0 else -1 for x, _ in pointing)
    cell = side / silhouette.inside.shape[0] * 2 * tan(float(camera.fovy) * pi / 360) * float(camera.radius)
    lengths = tuple(float(np.hypot(*(part.tip - part.joint))) * cell for part in silhouette.parts)
    return PartSkeleton(camera, (left, top, side), weights, joints, elevations, sides, lengths, name_parts(silhouette))


def _opened(silhouette: Silhouette | None) -> Silhouette | None:
    """Return a silhouette whose limbs are free where they touch it, if it has a head, legs or, then, a limb on both
    sides: handles stay closed."""
    if silhouette is None:
        return None
    inside = open_loops(silhouette.inside, silhouette.root, silhouette.radius)
    if inside.sum() == silhouette.inside.sum():
        return silhouette
    opened = find_parts(inside.astype(np.float32))
    if opened is None or _part_area(opened) <= _part_area(silhouette):
        return silhouette
    roles = name_parts(opened)
    is_twin = roles.left is not None and roles.right is not None
    return opened if is_twin or is_creature(name_parts(silhouette)) else silhouette


def _part_area(silhouette: Silhouette) -> int:
    return sum(part.area for part in silhouette.parts if part.parent < 0)


def is_creature(roles: Roles) -> bool:
    """Check for a head or legs."""
    return roles.head is not None or bool(roles.legs)


def _window(mask: Tensor) -> tuple[int, int, int] | None:
    """Return left, top and side (pixels) of a square around the mask with two cells of margin; None if it is empty."""
    rows, columns = ((mask[0, 0] > 0.5).any(d).nonzero()[:, 0] for d in (1, 0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = ((int(line[0]), int(line[-1]) + 1) for line in (rows, columns))
    longer = max(bottom - top, right - left)
    margin = ceil(2 * longer / CELLS)
    return left - margin, top - margin, longer + 2 * margin


def _resampled(mask: Tensor, window: tuple[int, int, int]) -> np.ndarray:
    """Return the cover (G, G) of the window's cells."""
    left, top, side = window
    height, width = mask.shape[-2:]
    square = pad(mask, (-left, left + side - width, -top, top + side - height))
    return resize(square, (CELLS + 4, CELLS + 4))[0, 0].clamp(0, 1).numpy()


def _filled(silhouette: Silhouette, reach: float) -> np.ndarray:
    """Return the weights (P, G, G), outside the largest piece those of its nearest cell, if that is within reach."""
    weights = np.stack([part.weight for part in silhouette.parts])
    away, (row, col) = distance_transform_edt(~silhouette.inside, return_indices=True)
    return np.where(away <= reach, weights[:, row, col], 0).astype(np.float32)


def _joints(
    silhouette: Silhouette, window: tuple[float, float, float], camera: Cameras, points: Tensor
) -> Tensor:  # (P, 3)
    """Place each joint at the mean of the body's points around it, as the camera sees them."""
    c2w = camera_to_world(camera)[0]
    half = tan(float(camera.fovy) * pi / 360)
    projected, depth = image_places(points, camera)
    left, top, side = window
    joints = []
    for part in silhouette.parts:
        cell = side / silhouette.inside.shape[0]
        at = torch.tensor([left, top]) + (torch.from_numpy(part.joint).float() + 0.5) * cell
        gap = (projected - at).norm(dim=1)
        near = gap <= max(float(gap.min()) + 1e-6, max(part.half_width, 2.0) * cell)
        ahead = float(depth[near].mean())
        x, y = ((at - 0.5) * 2 * half * ahead).tolist()
        joints.append(c2w[:3, :3] @ torch.tensor([x, -y, -ahead]) + c2w[:3, 3])
    return torch.stack(joints)


def _direction(part: SilhouettePart, silhouette: Silhouette) -> tuple[float, float]:
    """Return where a part points from its joint (x right, y down); straight ones lean away from the body's middle."""
    x, y = part.centre + 0.5 * (part.tip - part.centre) - part.joint
    aside = np.sign(part.joint[0] - silhouette.root[0]) * 0.05 * np.hypot(x, y)
    return float(x if abs(x) > abs(aside) else aside), float(y)
