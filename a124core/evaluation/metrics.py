"""Metrics between images and their truth, as pure functions. Images are on white."""

from __future__ import annotations

import torch
from torch import Tensor

from ..losses import blur, gaussian_kernel

MSE_FLOOR = 1e-10  # identical images count as 100 dB
BLUR_TAPS = 7  # `detail` is high frequency: the image minus this blur ...
BLUR_STD = 1.5  # ... of this width, pixels
SSIM_TAPS, SSIM_STD = 11, 1.5  # the Gaussian window of Wang et al. 2004, pixels
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # its constants, for values in [0, 1]
MIN_TRAVEL = 0.01  # share of the image; a path whose root mean square travel is less has no correlation


def psnr(image: Tensor, truth: Tensor) -> Tensor:  # (B, 3, H, W) twice -> (B,) dB
    """Return -10 log10 of the mean squared error over all pixels."""
    return _decibel((image - truth).square().flatten(1).mean(1))


def psnr_inside(image: Tensor, truth: Tensor, mask: Tensor) -> Tensor:  # mask (B, 1, H, W) of the truth -> (B,) dB
    """Return PSNR over the pixels of the true object only; an image without any is 100 dB."""
    error = (image - truth).square().mean(1, keepdim=True)
    return _decibel(_inside_mean(error, mask))


def _decibel(error: Tensor) -> Tensor:
    return -10.0 * torch.log10(error.clamp(min=MSE_FLOOR))


def _inside_mean(values: Tensor, mask: Tensor) -> Tensor:  # (B, 1, H, W) twice -> (B,)
    inside = (mask > 0.5).to(values)
    return (values * inside).flatten(1).sum(1) / inside.flatten(1).sum(1).clamp(min=1.0)


def ssim(image: Tensor, truth: Tensor) -> Tensor:  # (B, 3, H, W) twice -> (B,) in [-1, 1]
    """Return structural similarity (Wang et al. 2004, eq. 13): means, variances and covariance under a Gaussian window,
    averaged over the pixels that the whole window covers, and over the channels; all pixels where the image is
    smaller."""
    window = gaussian_kernel(SSIM_TAPS, SSIM_STD)
    a, b = blur(image, window), blur(truth, window)
    aa, bb, ab = (blur(x * y, window) for x, y in ((image, image), (truth, truth), (image, truth)))
    index = (2 * a * b + SSIM_C1) * (2 * (ab - a * b) + SSIM_C2)
    index = index / ((a**2 + b**2 + SSIM_C1) * (aa - a**2 + bb - b**2 + SSIM_C2))
    edge = SSIM_TAPS // 2 if min(image.shape[-2:]) > SSIM_TAPS else 0
    height, width = image.shape[-2:]
    return index[..., edge : height - edge, edge : width - edge].flatten(1).mean(1)


def colour_error(image: Tensor, truth: Tensor, mask: Tensor) -> Tensor:  # -> (B,) in [0, 1]
    """Return the mean |dRGB| over the pixels of the true object."""
    return _inside_mean((image - truth).abs().mean(1, keepdim=True), mask)


def iou(mask: Tensor, truth: Tensor) -> Tensor:  # (B, 1, H, W) twice -> (B,) in [0, 1]
    """Return intersection over union of the silhouettes; two empty ones agree."""
    a, b = (mask > 0.5).flatten(1), (truth > 0.5).flatten(1)
    union = (a | b).sum(1)
    return torch.where(union > 0, (a & b).sum(1) / union.clamp(min=1), 1.0)


def saturation(image: Tensor, mask: Tensor) -> Tensor:  # -> (B,) in [0, 1]
    """Return the mean of (max - min) / max over the object's pixels: the S of HSV."""
    high, low = image.amax(1, keepdim=True), image.amin(1, keepdim=True)
    return _inside_mean((high - low) / high.clamp(min=1e-6), mask)


def high_frequency(image: Tensor, mask: Tensor) -> Tensor:  # -> (B,)
    """Return the mean square of the image minus its blur, over the object's pixels."""
    return _inside_mean(_without_blur(image).square().mean(1, keepdim=True), mask)


def high_frequency_correlation(image: Tensor, truth: Tensor, mask: Tensor) -> float:  # -> -1 .. 1
    """Return the correlation of both images minus their blurs, over the object's pixels of all images; NaN where one
    has none: `detail` alone also rewards noise."""
    inside = (mask > 0.5).to(image)
    a, b = (_without_blur(layers) * inside for layers in (image, truth))
    energy = float(a.square().sum() * b.square().sum())
    return float((a * b).sum()) / energy**0.5 if energy > 0 else float("nan")


def _without_blur(image: Tensor) -> Tensor:
    return image - blur(image, gaussian_kernel(BLUR_TAPS, BLUR_STD))


def ratio(value: Tensor, truth: Tensor) -> float:
    """Return mean over true mean; NaN where the truth has none."""
    true = float(truth.mean())
    return float(value.mean()) / true if true > 1e-8 else float("nan")


def centroid(mask: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, 2) x to the right, y up, shares of the image's side
    """Return the centre of a silhouette; the middle of the image where it is empty."""
    height, width = mask.shape[-2:]
    x = (torch.arange(width, device=mask.device) + 0.5) / width - 0.5
    y = 0.5 - (torch.arange(height, device=mask.device) + 0.5) / height
    total = mask.flatten(1).sum(1).clamp(min=1e-6)
    weighted = torch.stack([(mask[:, 0] * x).flatten(1).sum(1), (mask[:, 0] * y[:, None]).flatten(1).sum(1)], 1)
    return weighted / total[:, None]


def travel(path: Tensor) -> float:  # (..., T, D), time next to last -> root mean square distance from each path's mean
    """Return how far a path goes."""
    return float((path - path.mean(-2, keepdim=True)).square().sum(-1).mean().sqrt())


def path_correlation(path: Tensor, truth: Tensor) -> float | None:  # (..., T, D) twice -> -1 .. 1
    """Return Pearson's correlation of all coordinates, each about its own mean; None where the truth stands still."""
    if travel(truth) < MIN_TRAVEL:
        return None
    a, b = ((p - p.mean(-2, keepdim=True)).flatten() for p in (path, truth))
    return float((a @ b) / (a.norm() * b.norm()).clamp(min=1e-12))


def path_amplitude(path: Tensor, truth: Tensor) -> float | None:  # (..., T, D) twice
    """Return the path's extent over the true one: 1 goes as far, 0 stands still; None where the truth stands still."""
    if travel(truth) < MIN_TRAVEL:
        return None
    return travel(path) / travel(truth)
