"""A Stable Diffusion folder as the model of textual inversion: encode, and a denoise with a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .networks import FolderNetworks, load_networks
from .offload import OffloadPolicy
from .text import PLACEHOLDER


@dataclass
class FolderInversionModel(FolderNetworks):
    """The networks (inversion.learn.InversionModel), and the word that the embedding starts as."""

    init_word: str

    def initial_embedding(self) -> Tensor:  # (n, d)
        """Return rows of the vocabulary, one for each token of the word."""
        ids = self.text.token_ids(self.init_word)
        if not ids or not self.init_word.strip():
            raise ValueError(
                f"the initial word is {self.init_word!r}: give one plain word for the kind of thing, such as panda."
            )
        return self.text.token_embedding.weight[ids].detach().float().cpu().clone()

    def denoise(self, x_t: Tensor, sigma: Tensor, embedding: Tensor, templates: list[str]) -> Tensor:
        """x_t (B, C, h, w), sigma (B,), embedding (n, d) -> x0_hat, differentiable in the embedding."""
        return self.predict_x0(x_t, sigma, self.encode_templates(embedding, templates))

    def encode_templates(self, embedding: Tensor, templates: list[str]) -> Tensor:  # (B, L, d)
        embeddings = {"": embedding.to(self.policy.device)}
        return self.text.encode([self.text.tokens(t.format(PLACEHOLDER), embeddings) for t in templates])


def load_inversion_model(folder: Path, init_word: str, policy: OffloadPolicy) -> FolderInversionModel:
    """Load a folder for textual inversion."""
    return FolderInversionModel(**vars(load_networks(folder, policy, "inversion")), init_word=init_word)
