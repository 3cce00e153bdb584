"""A host MODEL and CLIP as copies of our own, through which the gradient of a new embedding passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .checks import check_embedding_dim
from .copy import clone_norm_inputs, patched_copy
from .networks import HostNetworks, checked_sampling, host_networks

USE = "textual inversion"


@dataclass
class HostInversionModel(HostNetworks):
    """What textual inversion needs: the networks, a text encoder, and the word that the embedding starts as."""

    text_encoder: nn.Module  # the host's: lists of 77 token ids or embedding tensors -> (B, 77, d)
    init_word: str

    def denoise(self, x_t: Tensor, sigma: Tensor, embedding: Tensor, templates: list[str]) -> Tensor:
        """x_t, sigma (B,), embedding (n, d) -> x0_hat."""
        return self.predict_x0(x_t, sigma, self.encode_templates(embedding, templates))

    def encode_templates(self, embedding: Tensor, templates: list[str]) -> Tensor:  # (B, 77, d)
        """Encode the templates with the embedding's rows in them, differentiable in it."""
        rows = embedding.to(self.device)
        return self.text_encoder([with_embedding(self.clip, t, self.init_word, rows) for t in templates])[0]

    def initial_embedding(self) -> Tensor:  # (n, d)
        """Return the vocabulary's rows for the initial word, one for each of its tokens."""
        ids = word_token_ids(self.clip, self.init_word)
        return self.text_encoder.transformer.get_input_embeddings().weight[ids].detach().float().cpu().clone()

    def parts(self) -> tuple[nn.Module, ...]:
        return *super().parts(), self.text_encoder


def inversion_model(model: Any, clip: Any, vae: Any, init_word: str, device: torch.device) -> HostInversionModel:
    """Return copies on the CPU with the wires' LoRAs in them; the host's models are unloaded first."""
    checked_sampling(model, USE)
    encoder = text_encoder(clip)
    word_token_ids(clip, init_word)
    check_embedding_dim(model, encoder.transformer.get_input_embeddings().weight.shape[-1])  # before anything is copied
    networks = host_networks(model, clip, vae, device, USE)
    with torch.inference_mode(False), torch.no_grad():
        encoder = patched_copy(encoder, clip.patcher.patches, f"{_encoder_name(clip)}.", torch.float32)
        if clip.layer_idx is not None:
            encoder.set_clip_options({"layer": clip.layer_idx})
    clone_norm_inputs(encoder)
    return HostInversionModel(**vars(networks), text_encoder=encoder, init_word=init_word)


def text_encoder(clip: Any) -> nn.Module:
    """Return the one text encoder of a CLIP; refuse a CLIP with several."""
    encoder = getattr(clip.cond_stage_model, _encoder_name(clip), None)
    if encoder is None or not hasattr(encoder, "process_tokens"):
        raise ValueError(
            "textual inversion needs a CLIP with one text encoder: wire the CLIP of an SD 1.5 or SD 2 checkpoint."
        )
    return encoder


def _encoder_name(clip: Any) -> str:
    return str(getattr(clip.cond_stage_model, "clip", ""))


def token_ids(clip: Any, text: str) -> list[int]:
    """Return the 77 tokens of a text, without weights."""
    (rows,) = clip.tokenize(text).values()
    return [entry[0] for entry in rows[0]]


def word_token_ids(clip: Any, word: str) -> list[int]:
    """Return the token ids of a word of the vocabulary; most words are one token, rare ones several."""
    empty, ids = token_ids(clip, ""), token_ids(clip, word)
    start, end = empty[:2]
    inner = ids[1 : ids.index(end, 1)] if end in ids[1:] else []
    if not word.strip() or not inner or ids[0] != start or not all(isinstance(i, int) for i in inner):
        raise ValueError(
            f"the initial word is {word!r}: give one plain word for the kind of thing, such as panda or robot."
        )
    return [int(i) for i in inner]


def with_embedding(clip: Any, template: str, init_word: str, rows: Tensor) -> list[int | Tensor]:
    """Return a template's tokens with the embedding's rows in place of the initial word's tokens."""
    ids, word = token_ids(clip, template.format(init_word)), word_token_ids(clip, init_word)
    for i in reversed(range(len(ids))):  # templates end with the word
        if ids[i : i + len(word)] == word:
            return [*ids[:i], rows, *ids[i + len(word) :]]
    raise ValueError(f"{init_word!r} has other tokens inside a sentence: choose a plainer initial word.")
