"""A prompt through the host's CLIP: plain and from three sides, blended for every image by its camera's azimuth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...a124core.priors.view_text import SIDES, view_weights
from ...a124core.protocols import View
from .denoiser import Conditioner, Conds, HostDenoiser
from .embeddings import check_embeddings


class ViewText(Conditioner):
    """The conditionings of one prompt, encoded once. The negative prompt is empty (release)."""

    def __init__(self, clip: Any, prompt: str, suffix: str) -> None:
        base = f"{prompt.strip()}{suffix}"
        self.conds = {
            "positive": encode_text(clip, base),
            **{side: encode_text(clip, f"{base}, {side}") for side in SIDES},
            "negative": encode_text(clip, ""),
        }

    @property
    def dim(self) -> int:
        """Return the dimensions of the embeddings."""
        return self.conds["positive"][0][0].shape[-1]

    def __call__(self, denoiser: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        conds = denoiser.processed_conds
        if not view.view_text:
            return conds["positive"], conds["negative"]
        weights = view_weights(view.cameras.azimuth - view.reference.azimuth)
        weights = weights if len(weights) == denoiser.shape[0] else weights[:1]  # a clip is one item, from one camera
        return [blend_conds([conds[side][0] for side in SIDES], weights)], conds["negative"]


@torch.inference_mode()
def encode_text(clip: Any, text: str) -> list:  # [[tensor, options]]
    """Return a text as CONDITIONING; embedding:name works as in any prompt."""
    if clip is None:
        raise ValueError(
            "the checkpoint has no CLIP: wire one from Load CLIP, of the family that the MODEL was trained with."
        )
    check_embeddings(clip, text)
    conds = clip.encode_from_tokens_scheduled(clip.tokenize(text))
    if len(conds) != 1 or "hooks" in conds[0][1]:
        raise ValueError(
            "this CLIP carries hooks (LoRA or prompt schedules), which have no meaning without sampling steps: "
            "wire the CLIP from before the hook nodes, and a LoRA through Load LoRA."
        )
    ((cond, options),) = conds
    return [[cond.to("cpu", copy=True), {k: v for k, v in options.items() if v is not None}]]


@torch.inference_mode()
def blend_conds(sides: list[dict], weights: Tensor) -> dict:
    """Return one cond for a batch: each tensor of the sides' model conds blended by the weights (B, sides)."""
    names = sides[0]["model_conds"]
    return {**sides[0], "model_conds": {n: _blend([side["model_conds"][n] for side in sides], weights) for n in names}}


def _blend(conds: list, weights: Tensor) -> Any:
    """Texts of different length cannot be added: then the side with the largest weight is taken."""
    tensors = [getattr(cond, "cond", None) for cond in conds]
    first = tensors[0]
    if not all(isinstance(t, Tensor) and t.is_floating_point() and t.shape == first.shape for t in tensors):
        return conds[int(weights.mean(dim=0).argmax())]
    if all(torch.equal(t, first) for t in tensors[1:]):
        return conds[0]
    return conds[0]._copy_with(torch.einsum("bn,n...->b...", weights.to(first), torch.cat(tensors)))
