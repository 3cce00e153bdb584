"""A host MODEL and CLIP as copies of our own, through which the gradient of a new embedding passes.

The host's weights are made in inference mode, may be patched by other clones and paged out under an operation: none
of them takes part in a gradient, and none of them changes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .checks import check_embedding_dim
from .copy import checkpoint_forward, clean_copy, clone_norm_inputs, patched_copy
from .vae import PrivateEncoder, private_encoder


@dataclass
class HostInversionModel:
    """What textual inversion needs: encode, denoise, decode, the noise levels and the embedding to start from."""

    unet: nn.Module
    text_encoder: nn.Module  # the host's: lists of 77 token ids or embedding tensors -> (B, 77, d)
    sampling: Any  # the host's conversion between noise, timestep and input scale
    options: dict  # transformer options of the wired MODEL: its attention patches take effect
    encoder: PrivateEncoder
    model: Any  # the host's, for the scale of its latents alone
    vae: Any
    clip: Any
    init_word: str
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

    def denoise(self, x_t: Tensor, sigma: Tensor, embedding: Tensor, templates: list[str]) -> Tensor:
        """x_t, sigma (B,), embedding (n, d) -> x0_hat: BaseModel.apply_model written out for the copies."""
        context = self.encode_templates(embedding, templates)
        scaled = self.sampling.calculate_input(sigma, x_t).to(self.dtype)
        timestep = self.sampling.timestep(sigma).float()
        options = {**self.options, "sigmas": sigma}
        out = self.unet(scaled, timestep, context=context.to(self.dtype), transformer_options=options)
        return self.sampling.calculate_denoised(sigma, out.float(), x_t)

    def encode_templates(self, embedding: Tensor, templates: list[str]) -> Tensor:  # (B, 77, d)
        """Encode the templates with the embedding's rows in them, differentiable in it."""
        rows = embedding.to(self.device)
        return self.text_encoder([with_embedding(self.clip, t, self.init_word, rows) for t in templates])[0]

    def initial_embedding(self) -> Tensor:  # (n, d)
        """Return the vocabulary's rows for the initial word, one for each of its tokens."""
        ids = word_token_ids(self.clip, self.init_word)
        return self.text_encoder.transformer.get_input_embeddings().weight[ids].detach().float().cpu().clone()

    @torch.no_grad()
    def decode(self, x0: Tensor) -> Tensor:
        """x0 (B, C, h, w) -> (B, 3, S, S) in [0, 1], by the host's VAE."""
        images = self.vae.decode(self.model.model.process_latent_out(x0.float()).cpu())
        return images.detach().float().cpu().clone().movedim(-1, 1)

    def load(self) -> None:
        """Move the copies to the accelerator."""
        self._move(self.device)

    def offload(self) -> None:
        """Move the copies to main memory."""
        self._move("cpu")
        self.encoder.offload()

    def _move(self, device: torch.device | str) -> None:
        for part in (self.unet, self.text_encoder, self.sampling):
            part.to(device)


def inversion_model(model: Any, clip: Any, vae: Any, init_word: str, device: torch.device) -> HostInversionModel:
    """Return copies on the CPU with the wires' LoRAs in them; the host's models are unloaded first."""
    import comfy.model_management as management

    sampling, encoder = _sampling(model), text_encoder(clip)
    word_token_ids(clip, init_word)
    check_embedding_dim(model, encoder.transformer.get_input_embeddings().weight.shape[-1])  # before anything is copied
    for patcher in (model, clip.patcher):
        management.free_memory(1e30, patcher.load_device)  # unpatched, so that copies hold the wire's patches alone
    bf16 = device.type != "cpu" and management.should_use_bf16(device)
    dtype = torch.bfloat16 if bf16 else torch.float32
    with torch.inference_mode(False), torch.no_grad():
        unet = patched_copy(model.model.diffusion_model, model.patches, "diffusion_model.", dtype)
        encoder = patched_copy(encoder, clip.patcher.patches, f"{_encoder_name(clip)}.", torch.float32)
        if clip.layer_idx is not None:
            encoder.set_clip_options({"layer": clip.layer_idx})
        sampling = clean_copy(sampling)
    for network in (unet, encoder):
        clone_norm_inputs(network)
    for block in (*unet.input_blocks, unet.middle_block, *unet.output_blocks):
        for part in block:
            checkpoint_forward(part)
    options = copy.copy(model.model_options.get("transformer_options", {}))
    wires = (model, vae, clip, init_word, device, dtype)
    return HostInversionModel(unet, encoder, sampling, options, private_encoder(vae), *wires)


def _sampling(model: Any) -> Any:
    """Return the sampling of an eps- or v-prediction MODEL that is conditioned on text alone; refuse any other."""
    import comfy.model_sampling as kinds

    sampling = model.get_model_object("model_sampling")
    if not isinstance(sampling, kinds.EPS) or isinstance(sampling, kinds.CONST):
        raise ValueError("textual inversion needs an eps- or v-prediction MODEL: wire an SD 1.5 or SD 2 checkpoint.")
    if getattr(model.model, "adm_channels", 0):
        raise ValueError(
            f"this MODEL ({type(model.model).__name__}) is conditioned on more than text: wire an SD 1.5 or SD 2 "
            "checkpoint."
        )
    return sampling


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
