"""A host MODEL and CLIP as copies of our own, through which the gradient of a new word passes.

The host's weights are made in inference mode, may be patched by other clones and paged out under an operation: none
of them takes part in a gradient, and none of them changes.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checks import text_width
from .copy import own_copy, private_copy, run_again, spare_norms
from .vae import private_encoder


@dataclass
class WordModel:
    """What learn_token asks for: encode, denoise, decode, the noise levels and the word to begin with."""

    unet: nn.Module
    text: nn.Module  # the host's text encoder: lists of 77 token ids or embedding tensors -> (B, 77, d)
    sampling: Any  # the host's conversion between noise, timestep and input scale
    options: dict  # transformer options of the wired MODEL: its attention patches take part
    encoder: Any
    model: Any  # the host's, for the latents' scale and, in the preview, nothing else
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
        latents = self.encoder.pictures(image.to(self.device, torch.float32))
        return self.model.model.process_latent_in(latents)

    def denoise(self, x_t: Tensor, sigma: Tensor, token: Tensor, templates: list[str]) -> Tensor:
        """BaseModel.apply_model written out for a copy of its network."""
        context = self.contexts(token, templates)
        scaled = self.sampling.calculate_input(sigma, x_t).to(self.dtype)
        timestep = self.sampling.timestep(sigma).float()
        options = {**self.options, "sigmas": sigma}
        out = self.unet(scaled, timestep, context=context.to(self.dtype), transformer_options=options)
        return self.sampling.calculate_denoised(sigma, out.float(), x_t)

    def contexts(self, token: Tensor, templates: list[str]) -> Tensor:  # (B, 77, d)
        rows = token.to(self.device)
        return self.text([with_word(self.clip, t, self.init_word, rows) for t in templates])[0]

    def initial_embedding(self) -> Tensor:  # (n, d)
        """Rows of the vocabulary for the word it begins as, one for each of its tokens."""
        ids = word_ids(self.clip, self.init_word)
        return self.text.transformer.get_input_embeddings().weight[ids].detach().float().cpu().clone()

    @torch.no_grad()
    def decode(self, x0: Tensor) -> Tensor:
        pictures = self.vae.decode(self.model.model.process_latent_out(x0.float()).cpu())
        return pictures.detach().float().cpu().clone().movedim(-1, 1)

    def begin(self) -> None:
        """To the accelerator."""
        for part in (self.unet, self.text, self.sampling):
            part.to(self.device)

    def rest(self) -> None:
        """Give the accelerator's memory back."""
        for part in (self.unet, self.text, self.sampling):
            part.to("cpu")
        self.encoder.rest()


def word_model(model: Any, clip: Any, vae: Any, init_word: str, device: torch.device) -> WordModel:
    """Private copies on the CPU with the wires' LoRAs in them; the host's models are put away first."""
    import comfy.model_management as management
    import comfy.model_sampling as kinds

    sampling = model.get_model_object("model_sampling")
    if not isinstance(sampling, kinds.EPS) or isinstance(sampling, kinds.CONST):
        raise ValueError("textual inversion needs an eps- or v-prediction MODEL: wire an SD 1.5 or SD 2 checkpoint.")
    if getattr(model.model, "adm_channels", 0):
        raise ValueError(
            f"this MODEL ({type(model.model).__name__}) reads more than words: wire an SD 1.5 or SD 2 checkpoint."
        )
    text = text_part(clip)
    word_ids(clip, init_word)
    _check_width(model, text)
    for patcher in (model, clip.patcher):
        management.free_memory(1e30, patcher.load_device)  # unpatched, so that copies hold the wire's patches alone
    half = device.type != "cpu" and management.should_use_bf16(device)
    dtype = torch.bfloat16 if half else torch.float32
    with torch.inference_mode(False), torch.no_grad():
        unet = private_copy(model.model.diffusion_model, model.patches, "diffusion_model.", dtype)
        words = private_copy(text, clip.patcher.patches, f"{_name(clip)}.", torch.float32)
        if clip.layer_idx is not None:
            words.set_clip_options({"layer": clip.layer_idx})
        sampling = own_copy(sampling)
    spare_norms(unet)
    spare_norms(words)
    for block in (*unet.input_blocks, unet.middle_block, *unet.output_blocks):
        for part in block:
            run_again(part)
    options = copy.copy(model.model_options.get("transformer_options", {}))
    return WordModel(
        unet, words, sampling, options, private_encoder(vae), model, vae, clip, init_word, device, dtype
    )  # fmt: skip


def text_part(clip: Any) -> nn.Module:
    """The one text encoder of a CLIP."""
    part = getattr(clip.cond_stage_model, _name(clip), None)
    if part is None or not hasattr(part, "process_tokens"):
        raise ValueError(
            "textual inversion needs a CLIP with one text encoder: wire the CLIP of an SD 1.5 or SD 2 checkpoint."
        )
    return part


def _name(clip: Any) -> str:
    return str(getattr(clip.cond_stage_model, "clip", ""))


def _check_width(model: Any, text: nn.Module) -> None:
    """Before anything is copied."""
    wanted, came = text_width(model.model.diffusion_model), text.transformer.get_input_embeddings().weight.shape[-1]
    if wanted is not None and wanted != came:
        raise ValueError(
            f"the CLIP's words are {came} wide, but the MODEL reads {wanted}: wire the CLIP of the same checkpoint."
        )


def token_ids(clip: Any, text: str) -> list[int]:
    """77 of them, without weights."""
    (rows,) = clip.tokenize(text).values()
    return [entry[0] for entry in rows[0]]


def word_ids(clip: Any, word: str) -> list[int]:
    """The ids of a word of the vocabulary; most words are one token, rare ones several."""
    empty, ids = token_ids(clip, ""), token_ids(clip, word)
    start, end = empty[0], empty[1]
    found = ids[1 : ids.index(end, 1)] if end in ids[1:] else []
    if not word.strip() or not found or ids[0] != start or not all(isinstance(i, int) for i in found):
        raise ValueError(
            f"the word to begin with is {word!r}: give one plain word for the kind of thing, such as panda or robot."
        )
    return [int(i) for i in found]


def with_word(clip: Any, template: str, init_word: str, rows: Tensor) -> list[int | Tensor]:
    """A template's tokens with the new rows where the word it began as would stand."""
    ids, wanted = token_ids(clip, template.format(init_word)), word_ids(clip, init_word)
    for i in reversed(range(len(ids))):  # templates end with the word
        if ids[i : i + len(wanted)] == wanted:
            return [*ids[:i], rows, *ids[i + len(wanted) :]]
    raise ValueError(f"{init_word!r} is read as other tokens inside a sentence: choose a plainer word to begin with.")


def embeddings_folder() -> Path:
    """The first of the host's folders for embeddings; ./output/animate124/embeddings without a host."""
    paths = sys.modules.get("folder_paths")
    found = [] if paths is None else paths.get_folder_paths("embeddings")
    return Path(found[0]) if found else Path("output/animate124/embeddings")
