"""A prompt through the host's CLIP: plain and seen from three sides, mixed for every picture by where its camera is."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from ...a124core.priors.view_text import SIDES, view_weights
from ...a124core.protocols import View
from .denoiser import Conds, HostDenoiser

MARK = "embedding:"  # in front of a learned word, as the host reads it

Conditioning = list  # the host's CONDITIONING: [[tensor, options]]


class ViewText:
    """The conditionings of one prompt, encoded once. The negative prompt is empty (release)."""

    def __init__(self, clip: Any, prompt: str, suffix: str) -> None:
        base = f"{prompt.strip()}{suffix}"
        self.conds: dict[str, Conditioning] = {
            "positive": encode_text(clip, base),
            **{side: encode_text(clip, f"{base}, {side}") for side in SIDES},
            "negative": encode_text(clip, ""),
        }

    def with_options(self, options: dict[str, Any]) -> dict[str, Conditioning]:
        """The same conditionings with more of the host's keys."""
        return {name: [[c, {**o, **options}] for c, o in cond] for name, cond in self.conds.items()}

    def at(self, scorer: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        """What the MODEL reads for these cameras: (positive, negative)."""
        ready = scorer.ready
        if not view.view_text:
            return ready["positive"], ready["negative"]
        weights = view_weights(view.cameras.azimuth - view.reference.azimuth)
        items = scorer.shape[0]
        weights = weights if len(weights) == items else weights[:1]  # a clip is one item, its camera stands still
        return [blended([ready[side][0] for side in SIDES], weights)], ready["negative"]


@torch.inference_mode()
def encode_text(clip: Any, text: str) -> Conditioning:
    """A text as CONDITIONING; embedding:name works as in any prompt."""
    if clip is None:
        raise ValueError(
            "the checkpoint brought no CLIP: wire one from Load CLIP, of the family that the MODEL was trained with."
        )
    if MARK in text:
        check_words(clip, text)
    found = clip.encode_from_tokens_scheduled(clip.tokenize(text))
    if len(found) != 1 or "hooks" in found[0][1]:
        raise ValueError(
            "this CLIP carries hooks (LoRA or prompt schedules), which have no meaning without sampling steps: "
            "wire the CLIP from before the hook nodes, and a LoRA through Load LoRA."
        )
    return [[found[0][0].to("cpu", copy=True), {k: v for k, v in found[0][1].items() if v is not None}]]


def check_words(clip: Any, text: str) -> None:
    """Raises ValueError for an `embedding:name` that the host would drop with a line in its log."""
    if words_read(clip, text) >= text.count(MARK):
        return
    names = re.findall(rf"{MARK}([^\s,:()<\[\]]+)", text)
    missing = [name for name in names if not words_read(clip, f"{MARK}{name}")]
    if not missing:
        raise ValueError(f"a word in {text!r} runs into the text before it: put a space in front of each '{MARK}'.")
    raise ValueError(
        f"{MARK}{missing[0]} is not read: no file of that name lies in models/embeddings, or it is as wide as another "
        "family's words (SD 1.5 768, SD 2 1024); correct the name, learn the word with this checkpoint, or take it out."
    )


def words_read(clip: Any, text: str) -> int:
    """How many learned words of the right width a text encoder finds in a text; of several encoders, the most."""
    return max(_read_by(clip, name, rows) for name, rows in clip.tokenize(text, return_word_ids=True).items())


def _read_by(clip: Any, name: str, rows: list) -> int:
    tokenizer = getattr(clip.tokenizer, f"clip_{name}", getattr(clip.tokenizer, name, None))
    width = getattr(tokenizer, "embedding_size", None)
    found = {word for row in rows for token, _, word in row if _is_word(token, width)}
    return len(found)


def _is_word(token: Any, width: int | None) -> bool:
    return isinstance(token, Tensor) and width in (None, token.shape[-1])


@torch.inference_mode()
def blended(sides: list[dict], weights: Tensor) -> dict:
    """One cond for a batch: whatever tensor the MODEL gets of the sides is mixed by the weights (B, sides)."""
    names = sides[0]["model_conds"]
    return {**sides[0], "model_conds": {n: _mixed([side["model_conds"][n] for side in sides], weights) for n in names}}


def _mixed(options: list, weights: Tensor) -> Any:
    """Texts of different length cannot be added: then the side with the largest weight speaks for all."""
    tensors = [getattr(option, "cond", None) for option in options]
    first = tensors[0]
    if not all(isinstance(t, Tensor) and t.is_floating_point() and t.shape == first.shape for t in tensors):
        return options[int(weights.mean(dim=0).argmax())]
    if all(torch.equal(t, first) for t in tensors[1:]):
        return options[0]
    mixed = torch.einsum("bn,n...->b...", weights.to(first), torch.cat(tensors))
    return options[0]._copy_with(mixed)
