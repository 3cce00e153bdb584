"""The VAE of a folder: images to latents, one image at a time, with the gradient of all."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..latents import checkpointed_encode
from .checks import EXAMPLES
from .load import load_part, read_config
from .offload import OffloadPolicy, move

KL, TINY = "AutoencoderKL", "AutoencoderTiny"  # TINY: TAESD, for drafts; its latents have the model's own scale
LATENT_CHANNELS = 4  # of all models here
# Bytes of one image's gradient per pixel and channel of the VAE's first block, the largest of a CPU run: SD's VAE (128
# channels) takes 12.0 KiB a pixel at 256 x 256, 12.4 at 128 x 128.
CHANNEL_BYTES = 100


class VaeEncoder:
    """Images to scaled latents: the posterior's mode times the VAE's scaling factor, in float32."""

    def __init__(self, vae: nn.Module, policy: OffloadPolicy) -> None:
        self.vae, self.policy = vae, policy
        self.scale = float(vae.config.scaling_factor)
        self.shift = float(getattr(vae.config, "shift_factor", None) or 0.0)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)  # pixels per latent, a side

    def __call__(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, H / factor, W / factor), differentiable."""
        latents = checkpointed_encode(image, self.unscaled)
        if not latents.isfinite().all():
            raise RuntimeError(
                "the VAE encoded a render as NaN or infinite latents: its folder is damaged, or the render is broken. "
                "Copy the vae folder again, or go on from an earlier snapshot."
            )
        return (latents - self.shift) * self.scale

    def unscaled(self, image: Tensor) -> Tensor:
        """Encode one image without the scaling factor; a tiny VAE has no distribution, so no mode."""
        move(self.policy.device, self.vae)
        out = self.vae.encode(image.to(self.policy.device, torch.float32) * 2.0 - 1.0)
        latents = out.latents if hasattr(out, "latents") else out.latent_dist.mode()
        return latents.to(image.device)

    def gradient_bytes(self, size: int) -> int:
        """Return the bytes that the graph of one image of size x size holds."""
        return CHANNEL_BYTES * self.vae.config.block_out_channels[0] * size * size


def load_vae(folder: Path, policy: OffloadPolicy) -> VaeEncoder:
    """Return the folder's VAE, which may be a tiny one."""
    config = read_config(folder, "vae")
    channels = config.get("latent_channels", LATENT_CHANNELS)
    if channels != LATENT_CHANNELS:
        raise ValueError(
            f"the VAE in {folder} has {channels} latent channels, {LATENT_CHANNELS} are needed: it is another model's. "
            f"Copy the vae folder of {EXAMPLES['image']} there (or, for drafts, madebyollin/taesd)."
        )
    return VaeEncoder(load_part(folder, "vae", TINY if config.get("_class_name") == TINY else KL), policy)
