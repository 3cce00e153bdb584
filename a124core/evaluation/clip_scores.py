"""CLIP-R, CLIP-T, CLIP-I and CLIP-F (Animate124, section 4; no evaluation code was released) as functions of features.

Features are unit vectors. One value a frame; a figure is the mean over all frames of all views. Whatever the paper
leaves open is decided as docs/deviations.md says.
"""

from __future__ import annotations

import torch
from torch import Tensor


def unit(features: Tensor) -> Tensor:  # (..., D) -> (..., D)
    """Divide by the length, as CLIP does before it compares."""
    return features / features.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def ranked_first(scores: Tensor, own: int) -> Tensor:  # (..., N) -> (...) 0 or 1
    """Return whether no candidate scores higher than the own one: retrieval accuracy, of one frame (CLIP-R)."""
    return (scores[..., own] >= scores.amax(-1)).float()


def clip_r(frames: Tensor, texts: Tensor, own: int) -> Tensor:  # (V, T, D), (N, D) -> (V, T) 0 or 1
    """Return whether the own caption is ranked first among N."""
    return ranked_first(frames @ texts.T, own)


def clip_t(frames: Tensor, texts: Tensor, own: int) -> Tensor:  # (V, T, D), (N, D) -> (V, T) in [-1, 1]
    """Return the cosine of each frame to the own caption."""
    return frames @ texts[own]


def clip_i(front: Tensor, reference: Tensor) -> Tensor:  # (T, D), (D,) -> (T,) in [-1, 1]
    """Return the cosine of each frame from the reference camera to the reference image on white."""
    return front @ reference


def clip_f(frames: Tensor) -> Tensor:  # (V, T, D) -> (V, T - 1) in [-1, 1]
    """Return the cosine of consecutive frames of each view."""
    return (frames[:, 1:] * frames[:, :-1]).sum(-1)


def by_time(values: Tensor) -> list[float]:  # (V, T) or (T,) -> T
    """Return the mean over the views at each time: the curve of a figure."""
    return (values if values.ndim == 1 else torch.mean(values, 0)).tolist()
