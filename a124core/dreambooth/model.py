"""What DreamBooth needs of a text-to-image model."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class LoraModel(Protocol):
    """A text-to-image model whose attention projections W are W + up down, up and down being all that is trained."""

    sigmas: Tensor  # (T,) ascending

    def lora_parameters(self) -> dict[str, Tensor]:
        """Return down (r, in) and up (out, r) of every projection by their names in a file, float32, trained in
        place."""

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, S, S) in [0, 1] -> x0 (B, C, h, w), no gradient."""

    def denoise(self, x_t: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        """x_t, sigma (B,), a prompt for each item -> x0_hat, differentiable in the LoRA."""

    def decode(self, x0: Tensor) -> Tensor:
        """x0 -> image (B, 3, S, S) in [0, 1]."""
