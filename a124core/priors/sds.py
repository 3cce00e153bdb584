"""Score distillation, written once, on x0 - x0_hat."""

from __future__ import annotations

import torch
from torch import Tensor

from ..protocols import Prior, View


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
) -> Tensor:  # (items,)
    """Return score distillation (DreamFusion eq. 3): one value per item, because weights may differ per view.

    Its gradient at x0 is w(sigma) (eps_hat - eps), where eps_hat - eps = (x0 - x0_hat) / sigma. The value itself
    means nothing. Single non-finite numbers of a prior count as 0 (release); a prediction without one finite number is
    passed on as it is, so that the stage stops with an error instead of learning nothing.
    """
    with torch.no_grad():
        s = sigma.to(x0.device, torch.float32).reshape(-1, *[1] * (x0.ndim - 1))
        x0_hat = prior.denoise(x0 + s.to(x0) * eps, sigma, view)
        grad = sds_weight(s, form) / s * (x0.float() - x0_hat.float())
        if grad.isfinite().any():
            grad = grad.nan_to_num(0.0, 0.0, 0.0)
    return (grad * x0).flatten(1).sum(1)
