"""A Stable Diffusion folder as what learning a word asks for: encode, and a denoise with a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..parameterization import scale_input, sigma_to_timestep, to_x0
from .checks import UNET2D, check_text_width, schedule, unet_config
from .denoiser import Encoder
from .image import EXAMPLE
from .load import load_part
from .offload import OffloadPolicy, size_of
from .text import PLACEHOLDER, Reader, encoded, prompt_ids, reader


@dataclass
class FolderWord:
    """The networks of one folder, frozen, and the word that the new one begins as."""

    unet: nn.Module
    encoder: Encoder
    reads: Reader
    sigmas: Tensor  # (T,) ascending
    kind: str
    init_word: str
    place: OffloadPolicy

    def start(self) -> Tensor:  # (n, d)
        """Rows of the vocabulary, one for each token of the word."""
        ids = self.reads.ids(self.init_word)
        if not ids or not self.init_word.strip():
            raise ValueError(
                f"the word to begin with is {self.init_word!r}: give one plain word for the kind of thing, as panda."
            )
        return self.reads.table().weight[ids].detach().float().cpu().clone()

    def weights(self) -> int:
        """Bytes of the networks, all of which stay on the place's device."""
        return sum(size_of(network) for network in (self.unet, self.encoder.vae, self.reads.encoder))

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, S, S) in [0, 1] -> (B, C, h, w) on the place's device."""
        return self.encoder(image).to(self.place.device)

    def denoise(self, x_t: Tensor, sigma: Tensor, token: Tensor, templates: list[str]) -> Tensor:
        """x_t (B, C, h, w), sigma (B,), token (n, d) -> x0_hat, differentiable in the token."""
        text = self.texts(token, templates).to(self.place.dtype)
        s = sigma.float().view(-1, 1, 1, 1)
        timestep = sigma_to_timestep(sigma.cpu(), self.sigmas, self.kind).to(x_t.device)
        seen = scale_input(x_t.float(), s, self.kind).to(self.place.dtype)
        return to_x0(self.unet(seen, timestep, text).sample.float(), x_t.float(), s, self.kind)

    def texts(self, token: Tensor, templates: list[str]) -> Tensor:  # (B, L, d)
        rows = {"": token.to(self.place.device)}
        return encoded(self.reads, [prompt_ids(self.reads, t.format(PLACEHOLDER), rows) for t in templates])

    @torch.no_grad()
    def decode(self, x0: Tensor) -> Tensor:  # -> (B, 3, S, S) in [0, 1]
        latents = x0.float() / self.encoder.scale + self.encoder.shift
        return (self.encoder.vae.decode(latents).sample / 2.0 + 0.5).clamp(0.0, 1.0)


def folder_word(folder: Path, init_word: str, place: OffloadPolicy) -> FolderWord:
    """Any Stable Diffusion 1.x or 2.x folder, in objects of its own: they are changed so that a gradient may pass."""
    config = unet_config(folder, 4, EXAMPLE)
    sigmas, kind = schedule(folder)
    reads = reader(folder)
    check_text_width(folder, config, reads.width)
    unet = load_part(folder, "unet", UNET2D, place.dtype, "word").to(place.device)
    unet.enable_gradient_checkpointing()
    unet.train()  # where diffusers looks whether to checkpoint; there is no dropout in these UNets
    reads.encoder.to(place.device)
    encoder = Encoder(load_part(folder, "vae", "AutoencoderKL", use="word").to(place.device), place)
    return FolderWord(unet, encoder, reads, sigmas, kind, init_word, place)
