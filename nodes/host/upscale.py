"""The SD x4 upscaler as a refinement prior: it sees the blurred frame and the text, and never your picture."""

from __future__ import annotations

from typing import Any

import torch

from ...a124core.priors.resized import resize_images
from ...a124core.priors.view_text import DYNAMIC_SUFFIX
from ...a124core.protocols import View
from .checks import check_text, check_vae, kind
from .denoiser import Conds, HostDenoiser
from .prior import NativePrior
from .text import ViewText

FACTOR = 4  # latents are as large as the small picture


def upscale_prior(model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int, noise_level: int) -> NativePrior:
    """Text and a small picture to a large one."""
    import comfy.model_base

    check_vae(model, vae)
    if not isinstance(model.model, comfy.model_base.SD_X4Upscaler):
        raise ValueError(
            f"this MODEL ({kind(model)}) is no SD x4 upscaler: wire x4-upscaler-ema, or use a refine guidance instead."
        )
    if vae.downscale_ratio != FACTOR:
        raise ValueError(
            f"the VAE makes latents {vae.downscale_ratio} times smaller, the x4 upscaler reads {FACTOR} times: wire "
            "the VAE of the upscaler's own checkpoint."
        )
    text = ViewText(clip, prompt, DYNAMIC_SUFFIX)
    check_text(model, text.conds["positive"])
    return NativePrior(model, vae, SmallPicture(text, noise_level), cfg, size)


class SmallPicture:
    """The text, and the frame to be enlarged, roughened by as much noise as the MODEL is told."""

    reads_condition = True

    def __init__(self, text: ViewText, noise_level: int) -> None:
        self.text, self.noise_level = text, noise_level
        self.conds = text.conds

    @torch.inference_mode()
    def at(self, scorer: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        import comfy.conds

        if view.condition is None:
            raise RuntimeError("the upscaler was given no picture: use this guidance in the fine stage.")
        device = scorer.model.load_device
        small = resize_images(view.condition.detach(), scorer.shape[-1]).to(device, torch.float32) * 2.0 - 1.0
        level = torch.tensor([self.noise_level], device=device)
        if self.noise_level > 0:
            noise = torch.randn(small.shape, generator=torch.Generator().manual_seed(0)).to(device)
            small = scorer.net.noise_augmentor.q_sample(small, level, noise)
        more = {"c_concat": comfy.conds.CONDNoiseShape(small), "y": comfy.conds.CONDRegular(level)}
        positive, negative = self.text.at(scorer, view)
        return [_with(c, more) for c in positive], [_with(c, more) for c in negative]


def _with(cond: dict, more: dict) -> dict:
    return {**cond, "model_conds": {**cond["model_conds"], **more}}
