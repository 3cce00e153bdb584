"""What learning from the noise that a frozen model predicts has in common: how it is run, its steps and their loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..reference.layers import resize


@dataclass(frozen=True)
class LearnStep:
    """What learning reports after every step. preview and snapshot cost nothing until they are called."""

    step: int  # steps done, 1 .. steps
    steps: int
    loss: float
    preview: Callable[[], Tensor]  # -> (2, 3, S, S): a training image, and its x0_hat
    snapshot: Callable[[], Any]
    notes: tuple[str, ...] = ()  # as in protocols.Step


@dataclass(frozen=True)
class LearnRun:
    """How learning is run, as opposed to what is learned; the model knows its device."""

    seed: int = 0
    on_step: Callable[[LearnStep], None] | None = None  # called after every step; an exception out of it cancels
    resume: Any = None  # the snapshot to continue from


def backward_eps(
    denoise: Callable[[Tensor, Tensor, slice], Tensor],  # x_t, sigma, their place in the batch -> x0_hat
    x0: Tensor,  # (B, C, h, w)
    sigma: Tensor,  # (B,)
    rng: torch.Generator,
    chunk: int,  # items of one forward and backward pass
    weight: Tensor | None = None,  # (B,); None: 1 / B each, the mean
) -> tuple[float, Tensor]:
    """Accumulate the gradient of the weighted sum of mean (eps_hat - eps)^2 over the batch, chunk by chunk; return the
    loss and x0_hat of the first item."""
    weight = torch.full((len(x0),), 1.0 / len(x0)) if weight is None else weight
    total, first = 0.0, None
    for i in range(0, len(x0), chunk):
        part = slice(i, i + chunk)
        level, clean = sigma[part].to(x0), x0[part]
        s = level.reshape(-1, *[1] * (x0.ndim - 1))
        eps = torch.randn(clean.shape, generator=rng).to(x0)
        x0_hat = denoise(clean + s * eps, level, part)
        error = ((clean - x0_hat) / s).square().flatten(1).mean(1)  # eps_hat - eps = (x0 - x0_hat) / sigma
        error = (weight[part].to(error) * error).sum()
        error.backward()
        total += float(error.detach())
        first = x0_hat[:1].detach() if first is None else first
    return total, first


def check_loss(loss: float, name: str, step: int) -> None:
    """Stop where the numbers broke."""
    if not math.isfinite(loss):
        raise RuntimeError(
            f"{name} step {step}: the loss is not a number any more. Use a lower learning rate, or load the model in "
            "full precision or bf16."
        )


def preview_of(decode: Callable[[Tensor], Tensor], image: Tensor, x0_hat: Tensor) -> Callable[[], Tensor]:
    """Return a function that shows a training image beside what the model makes of it when noisy."""

    def preview() -> Tensor:
        decoded = decode(x0_hat).detach().float().cpu().clamp(0.0, 1.0)
        return torch.cat((image, resize(decoded, image.shape[-2:])))

    return preview
