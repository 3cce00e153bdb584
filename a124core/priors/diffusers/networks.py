"""The networks of a Stable Diffusion folder, prepared for a gradient: what personalising it has in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..parameterization import scale_input, sigma_to_timestep, to_x0
from .checks import UNET2D, check_unet, read_schedule
from .load import load_part
from .offload import OffloadPolicy, network_bytes
from .text import TextEncoder, load_text_encoder
from .vae import KL, VaeEncoder


@dataclass
class FolderNetworks:
    """The frozen networks of one folder, all of which stay on the policy's device."""

    unet: nn.Module
    encoder: VaeEncoder
    text: TextEncoder
    sigmas: Tensor  # (T,) ascending
    prediction_type: str
    policy: OffloadPolicy

    def weight_bytes(self) -> int:
        """Return the bytes of the networks."""
        return sum(network_bytes(network) for network in (self.unet, self.encoder.vae, self.text.model))

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, S, S) in [0, 1] -> (B, C, h, w) on the policy's device."""
        return self.encoder(image).to(self.policy.device)

    def predict_x0(self, x_t: Tensor, sigma: Tensor, text: Tensor) -> Tensor:
        """x_t (B, C, h, w), sigma (B,), text (B, L, d) -> x0_hat, differentiable."""
        s = sigma.float().view(-1, 1, 1, 1)
        timestep = sigma_to_timestep(sigma.cpu(), self.sigmas, self.prediction_type).to(x_t.device)
        x = scale_input(x_t.float(), s, self.prediction_type).to(self.policy.dtype)
        out = self.unet(x, timestep, text.to(self.policy.dtype)).sample.float()
        return to_x0(out, x_t.float(), s, self.prediction_type)

    @torch.no_grad()
    def decode(self, x0: Tensor) -> Tensor:  # -> (B, 3, S, S) in [0, 1]
        latents = x0.float() / self.encoder.scale + self.encoder.shift
        return (self.encoder.vae.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)


def load_networks(folder: Path, policy: OffloadPolicy, tag: str) -> FolderNetworks:
    """Load any Stable Diffusion 1.x or 2.x folder into networks of its own; the tag keeps them apart from others."""
    config = check_unet(folder, "image")
    text = load_text_encoder(folder, config)
    unet = load_part(folder, "unet", UNET2D, policy.dtype, tag).to(policy.device)
    unet.enable_gradient_checkpointing()
    unet.train()  # diffusers checkpoints only in this mode; there is no dropout in these UNets
    text.model.to(policy.device)
    encoder = VaeEncoder(load_part(folder, "vae", KL, tag=tag).to(policy.device), policy)
    return FolderNetworks(unet, encoder, text, *read_schedule(folder), policy)
