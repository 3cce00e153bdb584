"""Score distillation, written once, on x0 - x0_hat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..protocols import Prior, View


@dataclass(frozen=True)
class StillClip:
    """The clip that stands still, and a prior that knows it."""

    prior: Prior
    x0: Tensor  # without a graph


def apply_cfg(uncond: Tensor, cond: Tensor, scale: float) -> Tensor:
    """Apply classifier-free guidance in the host's form: scale 1 is the conditional prediction alone."""
    return uncond + scale * (cond - uncond)


def sds_weight(sigma: Tensor, form: str) -> Tensor:
    """Return w(sigma): "eps": 1 - abar (DreamFusion eq. 3); "clean": sqrt((1 - abar) / abar) (release, ControlNet)."""
    return sigma**2 / (1.0 + sigma**2) if form == "eps" else sigma


def mean_sds_weight(sigmas: Tensor, form: str) -> float:
    """Return the mean of w over the noise levels (N,) that a guidance may draw."""
    return float(sds_weight(sigmas.double(), form).mean())


def sds(
    prior: Prior,
    x0: Tensor,  # prior.encode of the rendered images, with its graph
    view: View,
    sigma: Tensor,  # (items,)
    eps: Tensor,  # like x0
    form: str = "eps",
    source: StillClip | None = None,
) -> Tensor:  # (items,)
    """Return score distillation (DreamFusion eq. 3): one value per item, because weights may differ per view.

    Its gradient at x0 is w(sigma) (eps_hat - eps), where eps_hat - eps = (x0 - x0_hat) / sigma. The value itself
    means nothing. Single non-finite numbers of a prior count as 0 (release); a prediction without one finite number is
    passed on as it is, so that the stage stops with an error instead of learning nothing. With a source its residual
    under the same noise is subtracted (delta denoising score, arXiv 2304.07090; Animus3D has a static source): what the
    prior would do to a clip that stands still, fading it or burning it out, it then does not do to this one.
    """
    with torch.no_grad():
        s = sigma.to(x0.device, torch.float32).reshape(-1, *[1] * (x0.ndim - 1))
        residual = _residual(prior, x0, view, sigma, s.to(x0) * eps)
        if source is not None:
            residual = residual - _residual(source.prior, source.x0, view, sigma, s.to(x0) * eps)
        grad = sds_weight(s, form) / s * residual
        if grad.isfinite().any():
            grad = grad.nan_to_num(0.0, 0.0, 0.0)
    return (grad * x0).flatten(1).sum(1)


def _residual(prior: Prior, x0: Tensor, view: View, sigma: Tensor, noise: Tensor) -> Tensor:  # like x0
    """Return x0 - x0_hat in float32."""
    return x0.float() - prior.denoise(x0 + noise, sigma, view).float()
