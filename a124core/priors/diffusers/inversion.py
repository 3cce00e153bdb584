"""A Stable Diffusion folder as the model of textual inversion: encode, and a denoise with a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..parameterization import scale_input, sigma_to_timestep, to_x0
from .checks import UNET2D, check_unet, read_schedule
from .load import load_part
from .offload import OffloadPolicy, network_bytes
from .text import PLACEHOLDER, TextEncoder, load_text_encoder
from .vae import KL, VaeEncoder


@dataclass
class FolderInversionModel:
    """The frozen networks of one folder (inversion.learn.InversionModel), and the word that the embedding starts as."""

    unet: nn.Module
    encoder: VaeEncoder
    text: TextEncoder
    sigmas: Tensor  # (T,) ascending
    prediction_type: str
    init_word: str
    policy: OffloadPolicy

    def initial_embedding(self) -> Tensor:  # (n, d)
        """Return rows of the vocabulary, one for each token of the word."""
        ids = self.text.token_ids(self.init_word)
        if not ids or not self.init_word.strip():
            raise ValueError(
                f"the initial word is {self.init_word!r}: give one plain word for the kind of thing, such as panda."
            )
        return self.text.token_embedding.weight[ids].detach().float().cpu().clone()

    def weight_bytes(self) -> int:
        """Return the bytes of the networks, all of which stay on the policy's device."""
        return sum(network_bytes(network) for network in (self.unet, self.encoder.vae, self.text.model))

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, S, S) in [0, 1] -> (B, C, h, w) on the policy's device."""
        return self.encoder(image).to(self.policy.device)

    def denoise(self, x_t: Tensor, sigma: Tensor, embedding: Tensor, templates: list[str]) -> Tensor:
        """x_t (B, C, h, w), sigma (B,), embedding (n, d) -> x0_hat, differentiable in the embedding."""
        text = self.encode_templates(embedding, templates).to(self.policy.dtype)
        s = sigma.float().view(-1, 1, 1, 1)
        timestep = sigma_to_timestep(sigma.cpu(), self.sigmas, self.prediction_type).to(x_t.device)
        x = scale_input(x_t.float(), s, self.prediction_type).to(self.policy.dtype)
        return to_x0(self.unet(x, timestep, text).sample.float(), x_t.float(), s, self.prediction_type)

    def encode_templates(self, embedding: Tensor, templates: list[str]) -> Tensor:  # (B, L, d)
        embeddings = {"": embedding.to(self.policy.device)}
        return self.text.encode([self.text.tokens(t.format(PLACEHOLDER), embeddings) for t in templates])

    @torch.no_grad()
    def decode(self, x0: Tensor) -> Tensor:  # -> (B, 3, S, S) in [0, 1]
        latents = x0.float() / self.encoder.scale + self.encoder.shift
        return (self.encoder.vae.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)


def load_inversion_model(folder: Path, init_word: str, policy: OffloadPolicy) -> FolderInversionModel:
    """Load any Stable Diffusion 1.x or 2.x folder into networks of its own, prepared for a gradient."""
    config = check_unet(folder, "image")
    text = load_text_encoder(folder, config)
    unet = load_part(folder, "unet", UNET2D, policy.dtype, "inversion").to(policy.device)
    unet.enable_gradient_checkpointing()
    unet.train()  # diffusers checkpoints only in this mode; there is no dropout in these UNets
    text.model.to(policy.device)
    encoder = VaeEncoder(load_part(folder, "vae", KL, tag="inversion").to(policy.device), policy)
    return FolderInversionModel(unet, encoder, text, *read_schedule(folder), init_word, policy)
