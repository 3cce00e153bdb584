"""Host models as priors behind the core's contract: images in, x0_hat out."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from ...a124core.priors.latents import check_image_size, resize_images
from ...a124core.priors.view_text import CONTROL_TEXT, DYNAMIC_SUFFIX, STATIC_SUFFIX
from ...a124core.protocols import ModelPrior, View
from .checks import (
    check_channels,
    check_control,
    check_embedding_dim,
    check_vae,
    check_video,
    distillation,
    model_family,
)
from .denoiser import Conditioner, Conds, HostDenoiser
from .text import ViewText, encode_text
from .vae import PrivateEncoder, encoder_bytes, gradient_bytes, latent_scale, private_encoder

UPSCALE_FACTOR = 4  # of the upscaler's VAE: latents are as large as the low-resolution image


class NativePrior(ModelPrior):
    """MODEL, VAE and conditioner as a Prior. Nothing is loaded before the first denoise; close() restores the MODEL."""

    def __init__(
        self, model: Any, vae: Any, conditioner: Conditioner, cfg: float, size: int, is_video_clip: bool = False
    ) -> None:
        check_vae(model, vae)
        check_image_size(size)
        self.vae, self.conditioner, self.size, self.is_video_clip = vae, conditioner, size, is_video_clip
        self.reads_condition = conditioner.reads_condition
        self.denoiser = HostDenoiser(model, conditioner.conds, cfg)
        self.flow, self.distilled = self.denoiser.flow, distillation(model)
        self.sigmas = self.denoiser.sigmas
        self.scale = latent_scale(model)
        self.encoder: PrivateEncoder | None = None

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, h, w) in the MODEL's own scale; a clip becomes one item."""
        if self.encoder is None:
            self.encoder = private_encoder(self.vae)
        image = resize_images(image, self.size)
        return self.scale(self.encoder.encode_clip(image) if self.is_video_clip else self.encoder.encode_images(image))

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        """x_t like x0, sigma (items,) -> x0_hat, with the MODEL's patches and classifier-free guidance."""
        if self.denoiser.shape != tuple(x_t.shape):
            self.denoiser.open(tuple(x_t.shape))
        positive, negative = self.conditioner(self.denoiser, view)
        return self.denoiser.denoise(x_t, sigma, positive, negative)

    @property
    def cfg(self) -> float:
        return self.denoiser.cfg

    def with_cfg(self, scale: float) -> NativePrior:
        """Return a prior over the same MODEL, still open, with another scale."""
        other = copy.copy(self)
        other.denoiser = copy.copy(self.denoiser)
        other.denoiser.cfg = scale
        return other

    def with_conditioner(self, conditioner: Conditioner) -> NativePrior:
        """Return a prior over the same MODEL and encoder under another text, opened on its own."""
        other = copy.copy(self)
        other.conditioner = conditioner
        other.denoiser = HostDenoiser(self.denoiser.model, conditioner.conds, self.cfg)
        return other

    def models(self) -> list[Any]:
        return self.denoiser.models()

    def weight_bytes(self) -> tuple[dict[int, int], int]:
        """Return the bytes of the host's models and of the encoder's copy, by id: guidances may share one. No weights
        are transient: what does not fit the host pages."""
        return {id(m.model): m.model_size() for m in self.models()} | {id(self.vae): encoder_bytes(self.vae)}, 0

    def activation_bytes(self) -> int:
        return gradient_bytes(self.vae, self.size)

    def close(self) -> None:
        self.denoiser.close()
        if self.encoder is not None:
            self.encoder.offload()


def image_prior(model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int) -> NativePrior:
    """Return a text-to-image MODEL as the prior of single renders, with the view in its text."""
    return NativePrior(model, vae, _view_text(model, clip, vae, prompt, STATIC_SUFFIX), cfg, size)


def refine_prior(
    model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int, control_net: Any = None
) -> NativePrior:
    """Return a text-to-image MODEL as the prior of single frames, controlled by a tile ControlNet if there is one."""
    text: Conditioner = _view_text(model, clip, vae, prompt, DYNAMIC_SUFFIX)
    if control_net is not None:
        check_control(model, control_net)
        text = TileConditioner(text, control_net, encode_text(clip, CONTROL_TEXT), vae, size)
    return NativePrior(model, vae, text, cfg, size)


def video_prior(model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int) -> NativePrior:
    """Return a text-to-video MODEL as the prior of whole clips."""
    check_vae(model, vae)
    check_video(model, vae)
    return NativePrior(model, vae, _view_text(model, clip, vae, prompt, DYNAMIC_SUFFIX), cfg, size, is_video_clip=True)


def still_prior(prior: NativePrior, clip: Any, prompt: str) -> NativePrior:
    """Return a video prior under a prompt in which nothing moves, for a guidance's source."""
    return prior.with_conditioner(ViewText(clip, prompt, DYNAMIC_SUFFIX))


def upscale_prior(model: Any, clip: Any, vae: Any, prompt: str, cfg: float, size: int, noise_level: int) -> NativePrior:
    """Return the upscaler's MODEL as the prior of frames of size x size."""
    import comfy.model_base

    check_vae(model, vae)
    if not isinstance(model.model, comfy.model_base.SD_X4Upscaler):
        raise ValueError(
            f"this MODEL ({model_family(model)}) is no SD x4 upscaler: wire x4-upscaler-ema, or use a refine guidance "
            "instead."
        )
    if vae.downscale_ratio != UPSCALE_FACTOR:
        raise ValueError(
            f"this VAE's latents are {vae.downscale_ratio} times smaller than the image, but the x4 upscaler expects "
            f"{UPSCALE_FACTOR} times: wire the VAE of the upscaler's own checkpoint."
        )
    text = ViewText(clip, prompt, DYNAMIC_SUFFIX)
    check_embedding_dim(model, text.dim)
    return NativePrior(model, vae, LowResConditioner(text, noise_level), cfg, size)


def _view_text(model: Any, clip: Any, vae: Any, prompt: str, suffix: str) -> ViewText:
    """Encode a prompt, after the wires are checked."""
    check_vae(model, vae)
    check_channels(model)
    text = ViewText(clip, prompt, suffix)
    check_embedding_dim(model, text.dim)
    return text


class TileConditioner(Conditioner):
    """The text, and for the ControlNet the image to be repaired, a new one at every step."""

    reads_condition = True

    def __init__(self, text: ViewText, control: Any, control_text: list, vae: Any, size: int) -> None:
        self.text, self.control, self.vae, self.size = text, control, vae, size
        options = {"control": control, "cross_attn_controlnet": control_text[0][0]}
        self.conds = {name: [[c, {**o, **options}] for c, o in cond] for name, cond in text.conds.items()}

    def __call__(self, denoiser: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        if view.condition is None:
            raise RuntimeError("the ControlNet got no image to repair: use this guidance in the fine stage.")
        hint = self._hint(denoiser.inner_model, view.condition)
        positive, negative = self.text(denoiser, view)
        return [{**c, "control": hint} for c in positive], [{**c, "control": hint} for c in negative]

    def _hint(self, inner_model: Any, image: Tensor) -> Any:
        """Return a fresh copy for each image: weights are shared, and no version of the host can reuse an old hint."""
        vae = self.vae if getattr(self.control, "latent_format", None) is not None else None
        hint = self.control.copy().set_cond_hint(resize_images(image.detach(), self.size), 1.0, (0.0, 1.0), vae=vae)
        hint.pre_run(inner_model, inner_model.model_sampling.percent_to_sigma)
        return hint


class LowResConditioner(Conditioner):
    """The text, and the frame to be enlarged with noise of the given level as concat channels."""

    reads_condition = True

    def __init__(self, text: ViewText, noise_level: int) -> None:
        self.text, self.noise_level = text, noise_level
        self.conds = text.conds

    @torch.inference_mode()
    def __call__(self, denoiser: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        import comfy.conds

        if view.condition is None:
            raise RuntimeError("the upscaler got no image to enlarge: use this guidance in the fine stage.")
        device = denoiser.model.load_device
        image = resize_images(view.condition.detach(), denoiser.shape[-1]).to(device, torch.float32) * 2.0 - 1.0
        level = torch.tensor([self.noise_level], device=device)
        if self.noise_level > 0:
            noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)).to(device)
            image = denoiser.inner_model.noise_augmentor.q_sample(image, level, noise)
        added = {"c_concat": comfy.conds.CONDNoiseShape(image), "y": comfy.conds.CONDRegular(level)}
        positive, negative = (
            [{**cond, "model_conds": {**cond["model_conds"], **added}} for cond in conds]
            for conds in self.text(denoiser, view)
        )
        return positive, negative
