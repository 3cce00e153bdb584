"""A UNet, with or without a ControlNet, as a denoiser; and the prior of every role."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...protocols import ModelPrior, View
from ..latents import check_image_size, resize_images
from ..parameterization import FLOW, scale_input, sigma_to_timestep, to_x0
from ..sds import apply_cfg
from .checks import UNET2D, read_schedule
from .load import load_part
from .lora import add_lora
from .offload import CPU, OffloadPolicy, move, network_bytes, on_device
from .vae import VaeEncoder


@dataclass(frozen=True)
class Conditioning:
    """What the networks get besides the noisy latents."""

    cond: Tensor  # (items, L, d) text, or one token
    uncond: Tensor  # (items, L, d)
    concat_latents: tuple[Tensor, Tensor] | None = None  # (items, c, h, w) more input channels, cond and uncond
    noise_level: Tensor | None = None  # (items,) of a low-resolution image among those channels
    control_image: Tensor | None = None  # (items, 3, H, W) in [0, 1]
    control_text: Tensor | None = None  # (items, L, d)


class Conditioner(Protocol):
    """How a role makes its conditioning from the views of a step. Inherit from it."""

    reads_condition: bool = False  # does it use View.condition, the image to be repaired?

    def __call__(self, view: View, x_t: Tensor) -> Conditioning: ...


@dataclass
class Denoiser:
    """UNet and ControlNet, their schedule, and what their output means."""

    unet: nn.Module
    sigmas: Tensor  # (T,) ascending
    prediction_type: str  # parameterization.KINDS
    policy: OffloadPolicy
    controlnet: nn.Module | None = None

    def __post_init__(self) -> None:
        for network in self.networks:
            if self.policy.split_cfg and hasattr(network, "set_attention_slice"):
                network.set_attention_slice("max")

    @property
    def networks(self) -> list[nn.Module]:
        return [n for n in (self.unet, self.controlnet) if n is not None]

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, conditioning: Conditioning, cfg: float) -> Tensor:
        """x_t (items, C, ...), sigma (items,) -> x0_hat on the policy's device, float32."""
        device = self.policy.device
        x, s = x_t.detach().to(device, torch.float32), sigma.to(device, torch.float32)
        timestep = sigma_to_timestep(s.cpu(), self.sigmas, self.prediction_type).to(device)
        s = s.view(-1, *[1] * (x.ndim - 1))
        with on_device(self.policy, *self.networks):
            cond, uncond = self._cond_uncond(scale_input(x, s, self.prediction_type), timestep, conditioning)
        return to_x0(apply_cfg(uncond, cond, cfg), x, s, self.prediction_type)

    def _cond_uncond(self, x: Tensor, timestep: Tensor, c: Conditioning) -> tuple[Tensor, Tensor]:
        """Return the conditional and the unconditional output; both get the same ControlNet residuals (release)."""
        residuals = self._control_residuals(x, timestep, c)
        concat = c.concat_latents or (None, None)
        if self.policy.split_cfg:
            return (
                self._unet_output(x, timestep, c.cond, concat[0], c.noise_level, residuals),
                self._unet_output(x, timestep, c.uncond, concat[1], c.noise_level, residuals),
            )
        cond, uncond = self._unet_output(
            torch.cat([x, x]),
            timestep.repeat(2),
            torch.cat([c.cond, c.uncond]),
            None if c.concat_latents is None else torch.cat(c.concat_latents),
            None if c.noise_level is None else c.noise_level.repeat(2),
            [r.repeat(2, 1, 1, 1) for r in residuals],
        ).chunk(2)
        return cond, uncond

    def _control_residuals(self, x: Tensor, timestep: Tensor, c: Conditioning) -> list[Tensor]:
        """Return the ControlNet's residuals of the down blocks and, last, of the mid block; none without one."""
        if self.controlnet is None or c.control_image is None:
            return []
        down, mid = self.controlnet(
            self._cast(x), timestep, self._cast(c.control_text), self._cast(c.control_image), return_dict=False
        )
        return [*down, mid]

    def _unet_output(
        self,
        x: Tensor,
        timestep: Tensor,
        text: Tensor,
        concat: Tensor | None,
        noise_level: Tensor | None,
        residuals: list[Tensor],
    ) -> Tensor:
        x = self._cast(x)
        if concat is not None:
            x = torch.cat([x, self._cast(concat)], dim=1)
        options: dict[str, Any] = {}
        if noise_level is not None:
            options["class_labels"] = noise_level.to(x.device)
        if residuals:
            options["down_block_additional_residuals"] = residuals[:-1]
            options["mid_block_additional_residual"] = residuals[-1]
        out = self.unet(x, timestep, self._cast(text), **options)
        return (out if isinstance(out, Tensor) else out.sample).float()

    def _cast(self, value: Tensor) -> Tensor:
        return value.to(self.policy.device, self.policy.dtype)


def load_denoiser(
    folder: Path,
    policy: OffloadPolicy,
    class_name: str = UNET2D,
    controlnet: Path | None = None,
    lora: Path | None = None,
) -> Denoiser:
    """Return the folder's UNet, with a file's LoRA in its weights, its schedule, and a ControlNet of another folder."""
    control = None if controlnet is None else load_part(controlnet, "", "ControlNetModel", policy.dtype, str(policy))
    tag = str(policy) if lora is None else f"{policy} {lora.resolve()}"
    unet = load_part(folder, "unet", class_name, policy.dtype, tag)
    if lora is not None:
        add_lora(unet, lora)
    return Denoiser(unet, *read_schedule(folder), policy, control)


class FolderPrior(ModelPrior):
    """A role as a prior: VAE, conditioner and denoiser. close() gives the accelerator's memory back."""

    def __init__(
        self,
        denoiser: Denoiser,
        encoder: VaeEncoder,
        conditioner: Conditioner,
        cfg: float,
        size: int,  # pixels a side that the networks get
        is_video_clip: bool = False,
    ) -> None:
        check_image_size(size, encoder.factor)
        self.denoiser, self.encoder, self.conditioner = denoiser, encoder, conditioner
        self.cfg, self.size, self.is_video_clip = cfg, size, is_video_clip
        self.sigmas, self.reads_condition = denoiser.sigmas, conditioner.reads_condition
        self.flow = denoiser.prediction_type == FLOW

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, h, w); a clip becomes one item (1, C, F, h, w)."""
        latents = self.encoder(resize_images(image, self.size))
        return latents.movedim(0, 1)[None] if self.is_video_clip else latents

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        """x_t like x0, sigma (items,) -> x0_hat, classifier-free guidance in the standard form."""
        if (offload_device := self.denoiser.policy.offload_device) is not None:
            move(offload_device, self.encoder.vae)
        return self.denoiser.denoise(x_t, sigma, self.conditioner(view, x_t), self.cfg).to(x_t.device)

    def with_cfg(self, scale: float) -> FolderPrior:
        """Return the same networks with another scale."""
        other = copy.copy(self)
        other.cfg = scale
        return other

    def with_conditioner(self, conditioner: Conditioner) -> FolderPrior:
        """Return the same networks under another text."""
        other = copy.copy(self)
        other.conditioner = conditioner
        return other

    def models(self) -> list[Any]:
        """Return none: the host does not load these networks."""
        return []

    def weight_bytes(self) -> tuple[dict[int, int], int]:
        """Return the bytes of the networks that stay on their device, by id because guidances may share them, and the
        sum of those that are there for a forward pass only."""
        resident = {id(self.encoder.vae): network_bytes(self.encoder.vae)}
        networks = {id(n): network_bytes(n) for n in self.denoiser.networks}
        if self.denoiser.policy.offload_device is None:
            return resident | networks, 0
        return resident, sum(networks.values())

    def activation_bytes(self) -> int:
        """Return the bytes of one image's gradient through the VAE."""
        return self.encoder.gradient_bytes(self.size)

    def close(self) -> None:
        """Move all networks to the CPU."""
        move(CPU, *self.denoiser.networks, self.encoder.vae)
