"""Several things in one picture, such as balloons or letters: each stays rigid and has a moment of its own.

A motion moves the corners of each piece's box; the similarity that fits them best moves the piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, label
from torch import Tensor

from ....models3d.lens import image_places
from ....protocols import Cameras
from ....reference.layers import resize

SIDE = 128  # cells of the picture in which pieces are told apart
ALIKE = 0.2  # least area of a piece, share of the largest one's
MOST = 12  # pieces; more are a pattern
LAG = 0.4  # by how much a piece's time is ahead or behind, share of a turn over 2 pi


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of a subject made from an image."""

    camera: Cameras  # 1, in the subject's own frame
    labels: Tensor  # (SIDE, SIDE) index of the nearest piece, over the whole image
    corners: Tensor  # (K, 8, 3) of each piece's box at rest

    def __len__(self) -> int:
        return len(self.corners)

    def index_of(self, points: Tensor) -> Tensor:
        """Return the piece (N,) to which each point (N, 3) at rest belongs."""
        return _labels_at(self.camera, self.labels, points)

    def time_of(self, piece: int, time: Tensor) -> Tensor:
        """Return a piece's own time (B,): 0 at 0 and 1 at 1, ahead or behind in between."""
        share = 2 * piece / max(1, len(self) - 1) - 1
        return (time + LAG * share * (2 * pi * time).sin() / (2 * pi)).clamp(0, 1)


def find_pieces(mask: Tensor, camera: Cameras, points: Tensor) -> Pieces | None:
    """Find the pieces of a mask (1, 1, S, S) from left to right; points (N, 3) of the body give their boxes."""
    components, count = label(resize(mask, (SIDE, SIDE))[0, 0].numpy() > 0.4, np.ones((3, 3)))
    areas = np.bincount(components.ravel(), minlength=count + 1)[1:]
    large = [k + 1 for k in range(count) if areas[k] >= ALIKE * areas.max()]
    if not 2 <= len(large) <= MOST:
        return None
    large.sort(key=lambda k: np.nonzero(components == k)[1].mean())
    order = np.zeros(count + 1, dtype=int)
    order[large] = range(1, len(large) + 1)
    row, col = distance_transform_edt(order[components] == 0, return_distances=False, return_indices=True)
    labels = torch.from_numpy(order[components][row, col] - 1)
    index = _labels_at(camera, labels, points)
    boxes = [points[index == k] for k in range(len(large))]
    if any(len(box) < 8 for box in boxes):
        return None
    return Pieces(camera, labels, torch.stack([_corners(box.amin(0), box.amax(0)) for box in boxes]))


def _labels_at(camera: Cameras, labels: Tensor, points: Tensor) -> Tensor:
    """Look up the label (N,) of the cell in which the camera sees each point (N, 3)."""
    col, row = (image_places(points, camera)[0] * SIDE).floor().long().clamp(0, SIDE - 1).unbind(1)
    return labels.to(points.device)[row, col]


def _corners(low: Tensor, high: Tensor) -> Tensor:
    """Return the corners (8, 3) of a box."""
    share = torch.tensor([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    return low + share * (high - low).clamp_min(1e-4)


def fit_similarity(rest: Tensor, moved: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (M, 3), (B, M, 3)
    """Return the scale (B,), rotation (B, 3, 3) and offset (B, 3) that bring points at rest nearest to moved ones:
    moved = scale rest rotation^T + offset (Umeyama's least squares)."""
    middle, middles = rest.mean(0), moved.mean(1)
    a, b = rest - middle, moved - middles[:, None]
    u, values, vt = torch.linalg.svd(b.transpose(1, 2) @ a)
    sign = torch.ones_like(values)
    sign[:, 2] = torch.det(u @ vt).sign()
    rotation = (u * sign[:, None]) @ vt
    scale = (values * sign).sum(1) / a.square().sum()
    return scale, rotation, middles - scale[:, None] * (rotation @ middle)
