"""The SD x4 upscaler as a refinement prior, conditioned on the low-resolution frame and the text."""

from __future__ import annotations

from typing import Any

import torch

from ...a124core.priors.latents import resize_images
from ...a124core.priors.view_text import DYNAMIC_SUFFIX
from ...a124core.protocols import View
from .checks import check_embedding_dim, check_vae, model_family
from .denoiser import Conditioner, Conds, HostDenoiser
from .prior import NativePrior
from .text import ViewText

FACTOR = 4  # latents are as large as the low-resolution image


def upscale_prior(model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int, noise_level: int) -> NativePrior:
    """Return the upscaler's MODEL as the prior of frames of size x size."""
    import comfy.model_base

    check_vae(model, vae)
    if not isinstance(model.model, comfy.model_base.SD_X4Upscaler):
        raise ValueError(
            f"this MODEL ({model_family(model)}) is no SD x4 upscaler: wire x4-upscaler-ema, or use a refine guidance "
            "instead."
        )
    if vae.downscale_ratio != FACTOR:
        raise ValueError(
            f"this VAE's latents are {vae.downscale_ratio} times smaller than the image, but the x4 upscaler expects "
            f"{FACTOR} times: wire the VAE of the upscaler's own checkpoint."
        )
    text = ViewText(clip, prompt, DYNAMIC_SUFFIX)
    check_embedding_dim(model, text.dim)
    return NativePrior(model, vae, LowResConditioner(text, noise_level), cfg, size)


class LowResConditioner(Conditioner):
    """The text, and the frame to be enlarged with noise of the given level as concat channels."""

    reads_condition = True

    def __init__(self, text: ViewText, noise_level: int) -> None:
        self.text, self.noise_level = text, noise_level
        self.conds = text.conds

    @torch.inference_mode()
    def __call__(self, denoiser: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        import comfy.conds

        if view.condition is None:
            raise RuntimeError("the upscaler got no image to enlarge: use this guidance in the fine stage.")
        device = denoiser.model.load_device
        image = resize_images(view.condition.detach(), denoiser.shape[-1]).to(device, torch.float32) * 2.0 - 1.0
        level = torch.tensor([self.noise_level], device=device)
        if self.noise_level > 0:
            noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)).to(device)
            image = denoiser.inner_model.noise_augmentor.q_sample(image, level, noise)
        added = {"c_concat": comfy.conds.CONDNoiseShape(image), "y": comfy.conds.CONDRegular(level)}
        positive, negative = (
            [{**cond, "model_conds": {**cond["model_conds"], **added}} for cond in conds]
            for conds in self.text(denoiser, view)
        )
        return positive, negative
