"""How well two silhouettes agree."""

from __future__ import annotations

from torch import Tensor

COVERED = 0.5  # opacity above which a pixel belongs to the silhouette


def silhouette_iou(first: Tensor, second: Tensor) -> float:
    """Return intersection over union of two opacities of one shape; two empty ones have none in common."""
    a, b = first > COVERED, second > COVERED
    return float((a & b).sum()) / max(float((a | b).sum()), 1.0)
