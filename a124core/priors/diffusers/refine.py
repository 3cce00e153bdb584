"""The conditioning of refinement priors: the image to repair, through a tile ControlNet or beside the noisy latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ...protocols import View
from ..latents import resize_images
from .denoiser import Conditioner, Conditioning
from .load import read_config
from .text import ViewText


class TileConditioner(Conditioner):
    """The prompt, and for the ControlNet its own fixed text and the image to repair, a new one at every step."""

    reads_condition = True

    def __init__(self, text: ViewText, control_text: Tensor, factor: int) -> None:
        self.text, self.control_text, self.factor = text, control_text, factor  # pixels per latent, a side

    def __call__(self, view: View, x_t: Tensor) -> Conditioning:
        if view.condition is None:
            raise RuntimeError("the ControlNet needs an image to repair: use this guidance in the fine stage.")
        image = resize_images(view.condition.detach().float(), x_t.shape[-1] * self.factor)
        control_text = self.control_text.expand(x_t.shape[0], -1, -1)
        return replace(self.text(view, x_t), control_image=image, control_text=control_text)


def control_image_factor(folder: Path) -> int:
    """Return the pixels of a ControlNet's image per latent, a side: it is halved between its first layers."""
    layers = read_config(folder, "").get("conditioning_embedding_out_channels", (16, 32, 96, 256))
    return 2 ** (len(layers) - 1)


class LowResConditioner(Conditioner):
    """The prompt, and the image to enlarge with as much noise as noise_level states."""

    reads_condition = True

    def __init__(self, text: ViewText, sigma: Tensor, level: int) -> None:
        self.text, self.sigma, self.level = text, sigma, level

    def __call__(self, view: View, x_t: Tensor) -> Conditioning:
        if view.condition is None:
            raise RuntimeError("the upscaler needs an image to enlarge: use this guidance in the fine stage.")
        image = resize_images(view.condition.detach().float().cpu(), x_t.shape[-1]) * 2.0 - 1.0
        if self.level > 0:
            noise = torch.randn(image[:1].shape, generator=torch.Generator().manual_seed(0))  # the same for all images
            image = (image + self.sigma * noise) / (1.0 + self.sigma**2).sqrt()
        level = torch.full((x_t.shape[0],), self.level)
        return replace(self.text(view, x_t), concat_latents=(image, image), noise_level=level)
