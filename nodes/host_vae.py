"""The encoder of a host VAE, in a copy of our own, through which a gradient may pass.

The host's weights are made in inference mode and may be paged out under an operation: no gradient can rely on them.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..a124core.priors.by_parts import encode_by_parts

UNUSED = ("decoder", "taesd_decoder", "post_quant_conv")
_copies: weakref.WeakKeyDictionary[Any, PrivateEncoder] = weakref.WeakKeyDictionary()


def private_encoder(vae: Any) -> PrivateEncoder:
    """One copy for each VAE, shared by all guidances that it is wired to, gone with the VAE."""
    if vae not in _copies:
        _copies[vae] = PrivateEncoder(vae)
    return _copies[vae]


class PrivateEncoder:
    """Pictures to latents as the VAE makes them (the mode, unscaled), in float32."""

    def __init__(self, vae: Any) -> None:
        import comfy.sd

        with torch.inference_mode(False), torch.no_grad():
            weights = {name: value.detach().to("cpu", copy=True) for name, value in vae.get_sd().items()}
            model = comfy.sd.VAE(sd=weights, dtype=torch.float32).first_stage_model.float()
        for name in UNUSED:
            for value in getattr(model, name, nn.Module()).parameters():  # the modules stay: Wan's encoder counts them
                value.data = value.data.new_empty(0)
        for module in model.modules():
            if hasattr(module, "comfy_cast_weights"):
                module.comfy_cast_weights = False  # weights stay where they are: no paging, no casting
        self.model = model.eval().requires_grad_(False)
        self.to_input = vae.process_input
        self.is_clip = getattr(vae, "latent_dim", 2) == 3  # a video VAE: (B, 3, F, H, W) -> (B, C, f, h, w)
        self.stride = (getattr(vae, "downscale_index_formula", None) or (1,))[0]  # frames for each latent frame

    def pictures(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, h, w), of a video VAE (B, C, 1, h, w): each picture by itself."""
        return encode_by_parts(image[:, :, None] if self.is_clip else image, self._raw)

    def clip(self, image: Tensor) -> Tensor:
        """image (F, 3, H, W) in [0, 1] -> one item (1, C, f, h, w); a video VAE takes 1 + k stride frames.

        The last frame stands still until that number is reached: the VAE would drop the surplus without a word.
        """
        if not self.is_clip:
            return self.pictures(image).movedim(0, 1)[None]
        missing = (1 - len(image)) % self.stride
        whole = torch.cat([image, image[-1:].expand(missing, -1, -1, -1)])
        return encode_by_parts(whole.movedim(0, 1)[None], self._raw)

    def _raw(self, image: Tensor) -> Tensor:
        self.model.to(image.device)
        return self.model.encode(self.to_input(image))

    def rest(self) -> None:
        """Give the accelerator's memory back."""
        self.model.to("cpu")


def latent_scale(model: Any) -> Callable[[Tensor], Tensor]:
    """VAE latents to the MODEL's own, by a copy of its latent format: Wan's means were made in inference mode too."""
    scale = copy.copy(model.model.latent_format)
    with torch.inference_mode(False):
        for name, value in vars(scale).items():
            if isinstance(value, Tensor):
                setattr(scale, name, value.clone())
    return scale.process_in
