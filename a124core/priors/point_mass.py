"""Priors whose data are one item for each view, a point mass: the posterior mean is that item, whatever the noise."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from ..protocols import Prior, View
from .builtin.denoisers import encode_clip, encode_images


class PointMassPrior(Prior):
    """Base of the priors that know what single images show."""

    size: int  # side of the images, pixels
    exact: ClassVar[bool] = True

    @abstractmethod
    def images(self, view: View) -> Tensor:  # (B, 3, S, S) in [0, 1] on the CPU
        """Return what the view shows."""

    def encode(self, image: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, 3, S, S)
        return encode_images(image, self.size)

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return self.encode(self.images(view)).to(x_t)


class PointMassClipPrior(PointMassPrior):
    """Base of the priors that know what whole clips show."""

    def encode(self, image: Tensor) -> Tensor:  # (F, 3, H, W) -> (1, 3, F, S, S)
        return encode_clip(image, self.size)
