"""R, T, I and F without any CLIP: what the built-in exact priors conclude from each frame.

A built-in prior is the exact denoiser of a bank of K images x_k; at noise sigma its posterior for a frame x is
softmax over k of -|x - x_k|^2 / (2 sigma^2) (priors/builtin/denoisers.py). Here sigma is the highest of its schedule,
at which it is least sure of anything. The bank holds the answer: these figures measure the machinery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..priors.builtin.appearance import PALETTES, Appearance
from ..priors.builtin.bank import Bank
from ..priors.builtin.denoisers import VideoPrior, encode_images
from ..priors.noise import scaled_linear_sigmas
from ..protocols import Cameras, Guidance, Shading
from .clip_scores import ranked_first
from .film import small

Caption = tuple[str, str]  # subject, motion


@dataclass(frozen=True)
class CaptionBank:
    """The images of a scene's own priors: each caption (a subject and its motion) in both palettes."""

    bank: Bank
    items: tuple[Appearance, ...]  # K
    captions: tuple[Caption, ...]  # N, the scene's own first
    size: int  # pixels a side of the priors' images
    sigma: float = float(scaled_linear_sigmas()[-1])

    @property
    def own(self) -> Appearance:
        """The scene's own appearance: the truth."""
        return self.items[0]

    def log_weights(self, frames: Tensor, cameras: Cameras, time: Tensor) -> Tensor:  # (F, V, 3, H, W) -> (F, V, K)
        """Return log p(frame | item at this one time (1,)) of F sets of V frames, up to a constant."""
        white = torch.ones(3)
        images = self.bank.images(list(self.items), cameras, time.expand(len(cameras)), self.size, white, Shading())
        x_k = torch.stack([encode_images(image, self.size) for image in images])
        sets = [encode_images(small(frame, self.size), self.size) for frame in frames]
        squares = torch.stack([(x - x_k).square().flatten(2).sum(2).T for x in sets])
        return -squares / (2 * self.sigma**2)

    def describe(self) -> str:
        return (
            f"{len(self.captions)} captions of the built-in bank, chance {100 / len(self.captions):.1f} %, at the "
            f"priors' highest noise and {self.size} px"
        )


def caption_bank(bank: Bank, clips: Sequence[Appearance], size: int) -> CaptionBank:
    """Return the bank of a video prior's clips, in both palettes; the first is the scene's own."""
    items = tuple(replace(clip, palette=palette) for clip in clips for palette in PALETTES)
    return CaptionBank(bank, items, tuple((c.subject.name, c.motion) for c in clips), size)


def bank_of(guidance: Guidance) -> CaptionBank:
    """Return the bank behind the built-in video guidance; refuse any other, whose captions nobody knows."""
    prior = guidance.prior
    if not isinstance(prior, VideoPrior):
        raise ValueError(
            "this video guidance is not a built-in one, so there is no bank of captions and no truth: connect Built-in "
            "priors, or leave it unplugged."
        )
    return caption_bank(prior.bank, prior.items, prior.size)


def posterior(log_weights: Tensor) -> Tensor:  # (..., K) -> (..., K), sums to 1
    """Return the probability of each item, all equally likely before."""
    return torch.softmax(log_weights, dim=-1)


def captions_posterior(log_weights: Tensor) -> Tensor:  # (..., K) -> (..., N)
    """Return the probability of each caption: the sum over its two palettes."""
    return posterior(log_weights).unflatten(-1, (-1, len(PALETTES))).sum(-1)


def bank_r(log_weights: Tensor) -> Tensor:  # (V, T, K) -> (V, T) 0 or 1
    """Return whether no caption is likelier than the own one. At time 0 all motions of a subject are alike."""
    best = log_weights.unflatten(-1, (-1, len(PALETTES))).amax(-1)
    return ranked_first(best, 0)


def bank_t(log_weights: Tensor) -> Tensor:  # (V, T, K) -> (V, T) in [0, 1]
    """Return the posterior of the own caption."""
    return captions_posterior(log_weights)[..., 0]


def bank_i(front: Tensor, own: Tensor) -> Tensor:  # (T, K), (K,) bool -> (T,) in [0, 1]
    """Return the posterior of the reference's subject in the reference's colours, whatever its motion."""
    return (posterior(front) * own).sum(-1)


def bank_f(log_weights: Tensor, following: Tensor) -> Tensor:  # (V, T, K), (V, T - 1, K) -> (V, T - 1) in [0, 1]
    """Return the cosine of consecutive frames' features, which are the square roots of the posterior (unit vectors):
    the Bhattacharyya coefficient, 1 where the priors conclude the same of both. following: log weights of the frame
    k + 1 under the bank at time k, so that a film that stands still has 1."""
    return (posterior(log_weights[:, :-1]).sqrt() * posterior(following).sqrt()).sum(-1)


def reference_items(bank: CaptionBank) -> Tensor:  # (K,) bool
    """Return which items are the reference's subject in the reference's colours."""
    own = bank.own
    return torch.tensor([i.subject is own.subject and i.palette == PALETTES[0] for i in bank.items])
