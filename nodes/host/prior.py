"""Host models as priors behind the core's one contract: pictures in, x0_hat out."""

from __future__ import annotations

import copy
from typing import Any, Protocol

from torch import Tensor

from ...a124core.priors.resized import resize_images
from ...a124core.priors.view_text import CONTROL_TEXT, DYNAMIC_SUFFIX, STATIC_SUFFIX
from ...a124core.protocols import ModelPrior, View
from .checks import check_channels, check_clip, check_control, check_text, check_vae
from .denoiser import Conds, HostDenoiser
from .text import ViewText, encode_text
from .vae import PrivateEncoder, encoder_bytes, gradient_bytes, latent_scale, private_encoder


class Conditions(Protocol):
    """What a MODEL is told about the pictures that it judges."""

    conds: dict[str, list]  # CONDITIONING by name, for the Scorer

    def at(self, scorer: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        """(positive, negative) for the cameras and the condition picture of this step."""


class NativePrior(ModelPrior):
    """MODEL, VAE and conditions as a Prior. Inert until it is asked; close() lets go of the MODEL."""

    def __init__(self, model: Any, vae: Any, conditions: Conditions, cfg: float, size: int, clip: bool = False) -> None:
        check_vae(model, vae)
        self.vae, self.conditions, self.size, self.is_clip = vae, conditions, size, clip
        self.reads_condition = getattr(conditions, "reads_condition", False)  # the picture that it is to repair
        self.scorer = HostDenoiser(model, conditions.conds, cfg)
        self.sigmas = self.scorer.sigmas
        self.scale = latent_scale(model)
        self.encoder: PrivateEncoder | None = None

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, h, w) in the MODEL's own scale; a clip becomes one item."""
        if self.encoder is None:
            self.encoder = private_encoder(self.vae)
        picture = resize_images(image, self.size)
        latents = self.encoder.clip(picture) if self.is_clip else self.encoder.pictures(picture)
        return self.scale(latents)

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        """x_t like x0, sigma (items,) -> x0_hat, with the MODEL's patches and classifier-free guidance."""
        if self.scorer.shape != tuple(x_t.shape):
            self.scorer.open(tuple(x_t.shape))
        positive, negative = self.conditions.at(self.scorer, view)
        return self.scorer.denoise(x_t, sigma, positive, negative)

    @property
    def cfg(self) -> float:
        return self.scorer.cfg

    def with_cfg(self, scale: float) -> NativePrior:
        """The same MODEL, still open, with another scale."""
        other = copy.copy(self)
        other.scorer = copy.copy(self.scorer)
        other.scorer.cfg = scale
        return other

    def models(self) -> list[Any]:
        """The host's models that it asks, for one request for room."""
        return self.scorer.models()

    def weight_bytes(self) -> tuple[dict[int, int], int]:
        """Bytes of the host's models and of our copy of the encoder, each by itself: guidances may share one. Nothing
        comes only to be asked: what does not fit the host pages."""
        return {id(m.model): m.model_size() for m in self.models()} | {id(self.vae): encoder_bytes(self.vae)}, 0

    def activation_bytes(self) -> int:
        """Bytes that the VAE's encoder wants beside its weights, for the gradient of what it encodes at once."""
        return gradient_bytes(self.vae, self.size)

    def close(self) -> None:
        """After the last step, or when a run is cancelled."""
        self.scorer.close()
        if self.encoder is not None:
            self.encoder.rest()


def image_prior(model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int) -> NativePrior:
    """Text to picture: does a render look like the prompt, from the side that it is seen from?"""
    check_vae(model, vae)
    check_channels(model)
    text = ViewText(clip, prompt, STATIC_SUFFIX)
    check_text(model, text.conds["positive"])
    return NativePrior(model, vae, text, cfg, size)


def refine_prior(model: Any, clip: Any, vae: Any, control: Any, prompt: str, cfg: float, size: int) -> NativePrior:
    """Text to picture, tied by a tile ControlNet to the picture that is to be repaired."""
    check_vae(model, vae)
    check_channels(model)
    text = ViewText(clip, prompt, DYNAMIC_SUFFIX)
    check_text(model, text.conds["positive"])
    if control is None:
        return NativePrior(model, vae, text, cfg, size)
    check_control(model, control)
    return NativePrior(model, vae, TileControl(text, control, encode_text(clip, CONTROL_TEXT), vae, size), cfg, size)


def video_prior(model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int) -> NativePrior:
    """Text to video: does a whole clip move as the prompt says?"""
    check_vae(model, vae)
    check_clip(model, vae)
    check_channels(model)
    text = ViewText(clip, prompt, DYNAMIC_SUFFIX)
    check_text(model, text.conds["positive"])
    return NativePrior(model, vae, text, cfg, size, clip=True)


class TileControl:
    """The text, and in front of the ControlNet the picture to be repaired, a new one at every step."""

    reads_condition = True

    def __init__(self, text: ViewText, control: Any, words: list, vae: Any, size: int) -> None:
        self.text, self.control, self.vae, self.size = text, control, vae, size
        self.conds = text.with_options({"control": control, "cross_attn_controlnet": words[0][0]})

    def at(self, scorer: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        if view.condition is None:
            raise RuntimeError("the ControlNet was given no picture to repair: use this guidance in the fine stage.")
        hint = self._hint(scorer, view.condition)
        positive, negative = self.text.at(scorer, view)
        return [{**c, "control": hint} for c in positive], [{**c, "control": hint} for c in negative]

    def _hint(self, scorer: HostDenoiser, picture: Tensor) -> Any:
        """A fresh copy each time: weights are shared, and no version of the host can answer with an old picture."""
        vae = self.vae if getattr(self.control, "latent_format", None) is not None else None
        hint = self.control.copy().set_cond_hint(resize_images(picture.detach(), self.size), 1.0, (0.0, 1.0), vae=vae)
        hint.pre_run(scorer.net, scorer.net.model_sampling.percent_to_sigma)
        return hint
