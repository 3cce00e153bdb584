"""A host MODEL and VAE as copies of our own, through which a gradient passes: what personalising has in common.

The host's weights are made in inference mode, may be patched by other clones and paged out under an operation: none
of them takes part in a gradient, and none of them changes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .copy import checkpoint_forward, clean_copy, clone_norm_inputs, patched_copy
from .vae import PrivateEncoder, private_encoder


@dataclass
class HostNetworks:
    """The UNet, its noise levels, and the VAE's encoder and decoder."""

    unet: nn.Module
    sampling: Any  # the host's conversion between noise, timestep and input scale
    options: dict  # transformer options of the wired MODEL: its attention patches take effect
    encoder: PrivateEncoder
    model: Any  # the host's, for the scale of its latents alone
    vae: Any
    clip: Any
    device: torch.device
    dtype: torch.dtype  # of the UNet

    @property
    def sigmas(self) -> Tensor:
        return self.sampling.sigmas.detach().float().cpu().clone()

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, S, S) in [0, 1] -> x0 (B, C, h, w)."""
        latents = self.encoder.encode_images(image.to(self.device, torch.float32))
        return self.model.model.process_latent_in(latents)

    def predict_x0(self, x_t: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        """x_t, sigma (B,), context (B, L, d) -> x0_hat: BaseModel.apply_model written out for the copies."""
        scaled = self.sampling.calculate_input(sigma, x_t).to(self.dtype)
        timestep = self.sampling.timestep(sigma).float()
        options = {**self.options, "sigmas": sigma}
        out = self.unet(scaled, timestep, context=context.to(self.dtype), transformer_options=options)
        return self.sampling.calculate_denoised(sigma, out.float(), x_t)

    @torch.no_grad()
    def decode(self, x0: Tensor) -> Tensor:
        """x0 (B, C, h, w) -> (B, 3, S, S) in [0, 1], by the host's VAE."""
        images = self.vae.decode(self.model.model.process_latent_out(x0.float()).cpu())
        return images.detach().float().cpu().clone().movedim(-1, 1)

    def parts(self) -> tuple[nn.Module, ...]:
        """Return the copies that compute on the device."""
        return self.unet, self.sampling

    def load(self) -> None:
        """Move the copies to the accelerator."""
        self._move(self.device)

    def offload(self) -> None:
        """Move the copies to main memory."""
        self._move("cpu")
        self.encoder.offload()

    def _move(self, device: torch.device | str) -> None:
        for part in self.parts():
            part.to(device)


def host_networks(model: Any, clip: Any, vae: Any, device: torch.device, use: str) -> HostNetworks:
    """Return copies on the CPU with the wire's LoRAs in them; the host's models are unloaded first."""
    import comfy.model_management as management

    sampling = checked_sampling(model, use)
    for patcher in (model, clip.patcher):
        management.free_memory(1e30, patcher.load_device)  # unpatched, so that copies hold the wire's patches alone
    bf16 = device.type != "cpu" and management.should_use_bf16(device)
    dtype = torch.bfloat16 if bf16 else torch.float32
    with torch.inference_mode(False), torch.no_grad():
        unet = patched_copy(model.model.diffusion_model, model.patches, "diffusion_model.", dtype)
        sampling = clean_copy(sampling)
    clone_norm_inputs(unet)
    for block in (*unet.input_blocks, unet.middle_block, *unet.output_blocks):
        for part in block:
            checkpoint_forward(part)
    options = copy.copy(model.model_options.get("transformer_options", {}))
    return HostNetworks(unet, sampling, options, private_encoder(vae), model, vae, clip, device, dtype)


def checked_sampling(model: Any, use: str) -> Any:
    """Return the sampling of an eps- or v-prediction MODEL that is conditioned on text alone; refuse any other."""
    import comfy.model_sampling as kinds

    sampling = model.get_model_object("model_sampling")
    if not isinstance(sampling, kinds.EPS) or isinstance(sampling, kinds.CONST):
        raise ValueError(f"{use} needs an eps- or v-prediction MODEL: wire an SD 1.5 or SD 2 checkpoint.")
    if getattr(model.model, "adm_channels", 0):
        raise ValueError(
            f"this MODEL ({type(model.model).__name__}) is conditioned on more than text: wire an SD 1.5 or SD 2 "
            "checkpoint."
        )
    return sampling
