"""The SD x4 upscaler from a folder as a refinement prior: it sees the blurred frame and the text alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...protocols import View
from ..parameterization import sigma_table
from ..resized import resize_images
from ..view_text import DYNAMIC_SUFFIX
from .checks import UNET2D, check_text_width, schedule, unet_config
from .denoiser import Encoder, FolderPrior, Network, Told
from .load import config_of, load_part
from .offload import OffloadPolicy
from .text import ViewText, view_text

EXAMPLE = "stabilityai/stable-diffusion-x4-upscaler"


def upscale_prior(
    folder: Path, prompt: str, cfg: float, size: int, noise_level: int, place: OffloadPolicy, negative: str = ""
) -> FolderPrior:
    """7 channels: the noisy latents and the small picture, which is as large as the latents."""
    config = unet_config(folder, 7, EXAMPLE)
    levels = int(config.get("num_class_embeds") or 0)
    if not 0 <= noise_level < levels:
        raise ValueError(f"noise_level is {noise_level}: {folder} knows 0 to {levels - 1}, and 20 is usual.")
    sigmas, kind = schedule(folder)
    small, _ = sigma_table(config_of(folder, "low_res_scheduler", "scheduler_config.json"))
    text, width = view_text(folder, prompt, DYNAMIC_SUFFIX, negative)
    check_text_width(folder, config, width)
    network = Network(load_part(folder, "unet", UNET2D, place.dtype, str(place)), sigmas, kind, place)
    pictures = Encoder(load_part(folder, "vae", "AutoencoderKL"), place)  # no tiny one knows its latents
    return FolderPrior(network, pictures, SmallPicture(text, small[noise_level], noise_level), cfg, size)


class SmallPicture:
    """The text, and the frame to be enlarged, roughened by as much noise as the network is told."""

    reads_condition = True

    def __init__(self, text: ViewText, sigma: Tensor, level: int) -> None:
        self.text, self.sigma, self.level = text, sigma, level

    def at(self, view: View, x_t: Tensor) -> Told:
        if view.condition is None:
            raise RuntimeError("the upscaler was given no picture: use this guidance in the fine stage.")
        told = self.text.at(view, x_t)
        small = resize_images(view.condition.detach().float().cpu(), x_t.shape[-1]) * 2.0 - 1.0
        if self.level > 0:
            noise = torch.randn(small[:1].shape, generator=torch.Generator().manual_seed(0))  # one for all pictures
            small = (small + self.sigma * noise) / (1.0 + self.sigma**2).sqrt()
        level = torch.full((x_t.shape[0],), self.level)
        return Told(told.cond, told.uncond, beside=(small, small), level=level)
