"""Every loss but score distillation, as functions of their arguments. Stages apply the weights.

Losses over samples return sums: an image rendered in chunks adds them up and divides by its number of samples once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .kernels import temporal_tv

BLUR_TAPS = 9  # side of the blur of normal_blur (release)
BLUR_STD = 1.7  # its standard deviation, pixels (OpenCV's for 9 taps)
WEIGHT_FLOOR = 1e-5  # entropy clamps weights to [floor, 1 - floor] (release)
CONSTANT = 1e-10  # values of order one with a variance below this (std 1e-5) are rounding noise around a constant
TV_LEVELS = 16.0  # both forms of the release divide by the number of levels of its grid


def rgb(image: Tensor, target: Tensor, mask: Tensor) -> Tensor:  # (B, 3, H, W) twice, (B, 1, H, W) -> scalar
    """Eq. 4, colour: MSE of M * image against M * target. The mean runs over the full frame, not over the mask."""
    return functional.mse_loss(image * mask, target * mask)


def mask(opacity: Tensor, target: Tensor) -> Tensor:  # (B, 1, H, W) twice -> scalar
    """Eq. 4, silhouette: MSE of the rendered opacity against the mask."""
    return functional.mse_loss(opacity, target)


def _unit_range(values: Tensor, valid: Tensor) -> Tensor:  # any shape, bool -> like values
    """Min-max normalise over the valid values; a constant becomes 0 instead of 0 / 0."""
    low = torch.where(valid, values, torch.inf).amin()
    high = torch.where(valid, values, -torch.inf).amax()
    span = high - low
    usable = span.isfinite() & (span > 0)
    return torch.where(valid & usable, (values - low) / torch.where(usable, span, 1.0), 0.0)


def pearson(a: Tensor, b: Tensor, inside: Tensor) -> Tensor:  # (N,), (N,), (N,) bool -> scalar in [-1, 1]
    """Return the correlation over the entries inside, of order one; 0, with zero gradient, if either is constant."""
    n = inside.sum().clamp(min=1)
    a, b = (torch.where(inside, v - torch.where(inside, v, 0.0).sum() / n, 0.0) for v in (a, b))
    usable = ((a * a).sum() > n * CONSTANT) & ((b * b).sum() > n * CONSTANT)
    product = torch.where(usable, (a * a).sum() * (b * b).sum(), 1.0)
    return torch.where(usable, (a * b).sum() / product.sqrt(), 0.0)


def depth(rendered: Tensor, near_bright: Tensor, target_mask: Tensor) -> Tensor:  # (1, 1, H, W) each -> scalar
    """Eq. 4, depth: (1 - Pearson) / 2 over masked pixels, so only the shape of the relief counts, not its scale.

    rendered: z-depth, 0 along empty rays. near_bright: a depth map in [0, 1], near = 1, as depth estimators write it,
    which is inverted here. A constant on either side costs 1/2 and has no gradient."""
    inside = target_mask > 0.5
    prediction = _unit_range(rendered, rendered.detach() > 0)
    target = _unit_range(1.0 - near_bright, inside)
    return 0.5 * (1.0 - pearson(prediction.flatten(), target.flatten(), inside.flatten()))


def entropy(weights: Tensor) -> Tensor:  # (N,) compositing weights -> scalar, sum
    """Sum the binary entropy of every sample's weight in bits, which pushes each towards 0 or 1. Divide by N."""
    w = weights.clamp(WEIGHT_FLOOR, 1.0 - WEIGHT_FLOOR)
    return -(w * w.log2() + (1.0 - w) * (1.0 - w).log2()).sum()


def orientation(
    weights: Tensor,  # (N,) compositing weights, taken as constants
    normals: Tensor,  # (N, 3) unit
    directions: Tensor,  # (N, 3) of the rays, any length
) -> Tensor:  # scalar, sum
    """Penalise normals that face away from the camera (Ref-NeRF eq. 11): w max(n . d, 0)^2. Divide by N."""
    away = (normals * functional.normalize(directions, dim=-1)).sum(-1).clamp(min=0.0)
    return (weights.detach() * away.square()).sum()


def normal_tv(normal: Tensor) -> Tensor:  # (B, 3, H, W) normal image in [0, 1] -> scalar
    """Return the mean squared difference of vertical neighbours plus that of horizontal ones."""
    down = (normal[:, :, 1:] - normal[:, :, :-1]).square().mean()
    across = (normal[..., 1:] - normal[..., :-1]).square().mean()
    return down + across


def gaussian_kernel(taps: int, std: float) -> Tensor:  # (taps,) sums to 1
    """Sample a Gaussian around the middle tap."""
    kernel = torch.exp(-0.5 * ((torch.arange(taps) - taps // 2) / std) ** 2)
    return kernel / kernel.sum()


def blur(image: Tensor, kernel: Tensor, border: str = "replicate") -> Tensor:  # (B, C, H, W), (taps,) -> like image
    """Convolve the rows with the kernel, then the columns."""
    channels, taps = image.shape[1], len(kernel)
    kernel = kernel.to(image).expand(channels, 1, taps)
    padded = functional.pad(image, [taps // 2] * 4, mode=border)
    rows = functional.conv2d(padded, kernel[..., None, :], groups=channels)
    return functional.conv2d(rows, kernel[..., None], groups=channels)


def pixel_kernel(variance: float) -> Tensor:  # (3,) sums to 1
    """Weigh a pixel and its two neighbours so that their squared distance is `variance` (pixels squared) on average: to
    second order the filter of a pixel that averages over an area of that variance."""
    return torch.tensor([variance / 2, 1 - variance, variance / 2])


def normal_blur(normal: Tensor) -> Tensor:  # (B, 3, H, W) normal image in [0, 1] -> scalar
    """Return the MSE of the normal image against its own 9 x 9 Gaussian blur; both sides carry gradient. The border is
    mirrored, or repeated where the image is smaller than the kernel."""
    x = torch.arange(BLUR_TAPS, device=normal.device, dtype=normal.dtype) - BLUR_TAPS // 2
    kernel = torch.exp(-x.square() / (2 * BLUR_STD**2))  # gaussian_kernel rounds otherwise
    border = "reflect" if min(normal.shape[-2:]) > BLUR_TAPS // 2 else "replicate"
    return functional.mse_loss(normal, blur(normal, kernel / kernel.sum(), border))


def _temporal_tv(grids: Tensor, loop: bool) -> Tensor:  # (T, N, C) -> scalar
    """Sum over pairs of neighbouring grids of mean_N of the squared distance, over 16 times the number of pairs."""
    if grids.shape[0] < 2:
        raise ValueError("temporal TV needs at least 2 time grids; a still field has 1: leave its weight at 0.")
    weight, closed = temporal_tv_pairs(*grids.shape[:2], loop)
    return weight * temporal_tv(grids.flatten(1), closed)


def temporal_tv_pairs(n_grids: int, n_rows: int, loop: bool) -> tuple[float, bool]:
    """Return the weight of one squared distance of neighbours, and whether the last grid neighbours the first."""
    closed = loop and n_grids > 2
    return 1.0 / (TV_LEVELS * (n_grids - 1 + int(closed)) * n_rows), closed


def temporal_tv_tables(table: Tensor, loop: bool = False) -> Tensor:  # (T, rows, 2) -> scalar
    """Eq. 2 on table entries: 1 / (16 pairs) sum_k mean_rows |E_k - E_{k+1}|^2 (the older release's form).

    loop: the last grid also neighbours the first, one more pair. The paper's upper index runs one too far: T grids
    have T - 1 pairs. The factor 1/16 is the release's, which divides by its number of levels."""
    return _temporal_tv(table, loop)


def temporal_tv_samples(features: Tensor, loop: bool = False) -> Tensor:  # (T, N, C) -> scalar
    """Eq. 2 on features encoded at N points of the cube, the same for all grids (the newer release's form)."""
    return _temporal_tv(features, loop)
