"""A UNet from a folder, with or without a ControlNet, as a denoiser; and the prior that all roles are."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...protocols import ModelPrior, View
from ..latents import checkpointed_encode
from ..parameterization import scale_input, sigma_to_timestep, to_x0
from ..resized import resize_images
from ..sds import apply_cfg as guided
from .offload import CPU, OffloadPolicy, move, on_device, size_of

# Bytes of a picture's gradient for a pixel and a channel of the VAE's first block, the largest of a CPU run: SD's VAE
# (128 channels) takes 12.0 KiB a pixel at 256 x 256, 12.4 at 128 x 128.
CHANNEL_BYTES = 100


@dataclass(frozen=True)
class Told:
    """What the networks are told beside the noisy latents."""

    cond: Tensor  # (items, L, d) text, or one token
    uncond: Tensor  # (items, L, d)
    beside: tuple[Tensor, Tensor] | None = None  # (items, c, h, w) more channels, for either half
    level: Tensor | None = None  # (items,) how roughened the small picture is
    hint: Tensor | None = None  # (items, 3, H, W) in [0, 1]: what the ControlNet sees
    hint_text: Tensor | None = None  # (items, L, d): what it reads


class Conditions(Protocol):
    """What a role tells its networks about the pictures of this step."""

    def at(self, view: View, x_t: Tensor) -> Told: ...


@dataclass
class Network:
    """UNet, ControlNet, and how their output is to be read."""

    unet: nn.Module
    sigmas: Tensor  # (T,) ascending
    kind: str  # parametrise.KINDS
    place: OffloadPolicy
    control: nn.Module | None = None

    def __post_init__(self) -> None:
        for part in (self.unet, self.control):
            if self.place.apart and hasattr(part, "set_attention_slice"):
                part.set_attention_slice("max")

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, told: Told, cfg: float) -> Tensor:
        """x_t (items, C, ...), sigma (items,) -> x0_hat on the place's device, float32."""
        device = self.place.device
        x, s = x_t.detach().to(device, torch.float32), sigma.to(device, torch.float32)
        timestep = sigma_to_timestep(s.cpu(), self.sigmas, self.kind).to(device)
        s = s.view(-1, *[1] * (x.ndim - 1))
        with on_device(self.place, self.unet, self.control):
            cond, uncond = self._halves(scale_input(x, s, self.kind), timestep, told)
        return to_x0(guided(uncond, cond, cfg), x, s, self.kind)

    def _halves(self, x: Tensor, timestep: Tensor, told: Told) -> tuple[Tensor, Tensor]:
        """The network's output with the condition and without. Both get the ControlNet's residuals (release), which
        do not know which half they are for: it is asked once."""
        extra = self._residuals(x, timestep, told)
        beside = told.beside or (None, None)
        halves = [(told.cond, beside[0]), (told.uncond, beside[1])]
        if self.place.apart:
            cond, uncond = (self._ask(x, timestep, text, more, told.level, extra) for text, more in halves)
            return cond, uncond
        (cond, more), (uncond, less) = halves
        text, both = torch.cat([cond, uncond]), None if more is None else torch.cat([more, less])
        level = None if told.level is None else told.level.repeat(2)
        extra = {k: [r.repeat(2, 1, 1, 1) for r in v] for k, v in extra.items()}
        out = self._ask(torch.cat([x, x]), timestep.repeat(2), text, both, level, extra)
        first, second = out.chunk(2)
        return first, second

    def _residuals(self, x: Tensor, timestep: Tensor, told: Told) -> dict[str, list[Tensor]]:
        if self.control is None or told.hint is None:
            return {}
        down, middle = self.control(
            self._here(x), timestep, encoder_hidden_states=self._here(told.hint_text),
            controlnet_cond=self._here(told.hint), conditioning_scale=1.0, return_dict=False,
        )  # fmt: skip
        return {"down": list(down), "middle": [middle]}

    def _ask(
        self, x: Tensor, timestep: Tensor, text: Tensor, beside: Tensor | None, level: Tensor | None,
        extra: dict[str, list[Tensor]],
    ) -> Tensor:  # fmt: skip
        x = self._here(x)
        if beside is not None:
            x = torch.cat([x, self._here(beside)], dim=1)
        options: dict[str, Any] = {}
        if level is not None:
            options["class_labels"] = level.to(x.device)
        if extra:
            options["down_block_additional_residuals"] = extra["down"]
            options["mid_block_additional_residual"] = extra["middle"][0]
        found = self.unet(x, timestep, self._here(text), **options)
        return (found if isinstance(found, Tensor) else found.sample).float()

    def _here(self, value: Tensor) -> Tensor:
        return value.to(self.place.device, self.place.dtype)


class Encoder:
    """Pictures to latents: the posterior's mode times the VAE's own scale, in float32, one picture at a time."""

    def __init__(self, vae: nn.Module, place: OffloadPolicy) -> None:
        self.vae, self.place = vae, place
        self.scale = float(vae.config.scaling_factor)
        self.shift = float(getattr(vae.config, "shift_factor", None) or 0.0)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)  # pixels for each latent, a side

    def __call__(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, H / factor, W / factor), differentiable."""
        latents = checkpointed_encode(image, self.unscaled)
        if not latents.isfinite().all():
            raise RuntimeError(
                "the VAE turned a render into latents that are not numbers: its folder is damaged, or the render is "
                "broken. Copy the vae folder again, or go on from an earlier snapshot."
            )
        return (latents - self.shift) * self.scale

    def unscaled(self, image: Tensor) -> Tensor:
        """One picture; the mode, as the VAE makes it. A tiny VAE has no other."""
        move(self.place.device, self.vae)
        pixels = image.to(self.place.device, torch.float32) * 2.0 - 1.0
        found = self.vae.encode(pixels)
        latents = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
        return latents.to(image.device)

    def park(self, device: str) -> None:
        move(device, self.vae)

    def gradient_bytes(self, size: int) -> int:
        """What the graph of one picture of size x size keeps."""
        return CHANNEL_BYTES * self.vae.config.block_out_channels[0] * size * size


class FolderPrior(ModelPrior):
    """One role as a Prior: encode, ask the network, done. Inert until it is asked; close() parks its weights."""

    def __init__(
        self, network: Network, encoder: Encoder, conditions: Conditions, cfg: float, size: int, clip: bool = False
    ) -> None:
        if size % encoder.factor:
            raise ValueError(f"size is {size}: this model needs a multiple of {encoder.factor} pixels.")
        self.network, self.encoder, self.conditions = network, encoder, conditions
        self.cfg, self.size, self.is_clip = cfg, size, clip
        self.sigmas = network.sigmas
        self.reads_condition = getattr(conditions, "reads_condition", False)  # the picture that it is to repair

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, h, w); a clip becomes one item (1, C, F, h, w)."""
        latents = self.encoder(resize_images(image, self.size))
        return latents.movedim(0, 1)[None] if self.is_clip else latents

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        """x_t like x0, sigma (items,) -> x0_hat, classifier-free guidance in the standard form."""
        if self.network.place.rest is not None:
            self.encoder.park(self.network.place.rest)
        told = self.conditions.at(view, x_t)
        return self.network.denoise(x_t, sigma, told, self.cfg).to(x_t.device)

    def with_cfg(self, scale: float) -> FolderPrior:
        """The same networks with another scale."""
        other = copy.copy(self)
        other.cfg = scale
        return other

    def models(self) -> list[Any]:
        """None that the host could move for us."""
        return []

    def weight_bytes(self) -> tuple[dict[int, int], int]:
        """Bytes of the networks that stay on their device while a stage runs, each by itself, because guidances may
        share one, and of those that come only to be asked."""
        networks = [n for n in (self.network.unet, self.network.control) if n is not None]
        stay, come = {id(self.encoder.vae): size_of(self.encoder.vae)}, {id(n): size_of(n) for n in networks}
        return (stay | come, 0) if self.network.place.rest is None else (stay, sum(come.values()))

    def activation_bytes(self) -> int:
        """Bytes for the gradient of one picture through the VAE."""
        return self.encoder.gradient_bytes(self.size)

    def close(self) -> None:
        """After the last step, or when a run is cancelled: the accelerator's memory is given back."""
        move(CPU, *(n for n in (self.network.unet, self.network.control) if n is not None))
        self.encoder.park(CPU)
