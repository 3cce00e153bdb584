"""What a film says without any truth: how much it moves, whether it flickers, and whether its back has a face."""

from __future__ import annotations

import torch
from torch import Tensor

from ..losses import blur, gaussian_kernel

DETAIL_STD = 0.04  # of the blur that detail is left over from, share of the image's side: a face is some 0.2 wide
COVERED = 0.5  # opacity from which a pixel is the object's
EDGE = 0.05  # share of the side that is taken off the silhouette: outlines of front and back are alike
DETAIL_FLOOR = 1e-4  # mean square of the detail (one percent of full contrast) below which neither side has a face


def _mean_over(values: Tensor, inside: Tensor) -> Tensor:  # (..., 1, H, W) twice -> (...)
    """Return the mean over the pixels inside; 0 where there are none."""
    inside = inside.to(values)
    return (values * inside).flatten(-3).sum(-1) / inside.flatten(-3).sum(-1).clamp(min=1.0)


def motion(image: Tensor, mask: Tensor) -> Tensor:  # (V, T, 3, H, W), (V, T, 1, H, W) -> (V, T) in [0, 1]
    """Return the mean |dRGB| of each frame to the mean frame, where the object is at any time: 0 stands still."""
    change = (image - image.mean(1, keepdim=True)).abs().mean(2, keepdim=True)
    ever = (mask > COVERED).any(1, keepdim=True).expand_as(change)
    return _mean_over(change, ever)


def flicker(image: Tensor, mask: Tensor) -> Tensor:  # (V, T, 3, H, W), (V, T, 1, H, W) -> (V, T - 2) in [0, 1]
    """Return the mean |x[k-1] - 2 x[k] + x[k+1]| / 2 where the object is in all three frames: 0 for a film that is
    constant or fades evenly, 1 for black and white in turn."""
    jump = (image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]).abs().mean(2, keepdim=True) / 2
    covered = mask > COVERED
    return _mean_over(jump, covered[:, :-2] & covered[:, 1:-1] & covered[:, 2:])


def janus(front: Tensor, front_mask: Tensor, back: Tensor, back_mask: Tensor) -> Tensor:
    """Return how much of the detail is the same on both sides, (B, 3, H, W) and (B, 1, H, W) twice -> (B,) in [0, 1].

    Detail is what a blur over the object alone leaves, away from the outline. Likeness is <f, b> / max(|f|^2, |b|^2) of
    front and back, the back as it is or mirrored, whichever is more: 1 is the same face twice, 0 a back without one. An
    object that is alike from both sides has a likeness too: compare with the truth's where it is known."""
    f, f_in = _detail(front, front_mask)
    b, b_in = _detail(back, back_mask)
    return torch.stack([_likeness(f, f_in, b, b_in), _likeness(f, f_in, b.flip(-1), b_in.flip(-1))]).amax(0)


def _detail(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the image minus its mean around, over the object's pixels alone, and the pixels away from the outline."""
    side = image.shape[-1]
    window = gaussian_kernel(2 * max(1, round(3 * DETAIL_STD * side)) + 1, DETAIL_STD * side)
    covered = (mask > COVERED).to(image)
    around = blur(image * covered, window, "constant") / blur(covered, window, "constant").clamp(min=1e-6)
    reach = 2 * max(1, round(EDGE * side)) + 1
    padded = torch.nn.functional.pad(1.0 - covered, [reach // 2] * 4, value=1.0)
    inner = 1.0 - torch.nn.functional.max_pool2d(padded, reach, stride=1)
    return (image - around) * inner, inner


def _likeness(f: Tensor, f_in: Tensor, b: Tensor, b_in: Tensor) -> Tensor:  # (B,)
    both = f_in * b_in
    f, b = f * both, b * both
    energy = torch.stack([f.square().flatten(1).sum(1), b.square().flatten(1).sum(1)]).amax(0)
    floor = DETAIL_FLOOR * both.flatten(1).sum(1) * f.shape[1]
    likeness = (f * b).flatten(1).sum(1) / energy.clamp(min=1e-12)
    return torch.where(energy > floor, likeness.clamp(0.0, 1.0), torch.zeros_like(likeness))
