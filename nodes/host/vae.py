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

from ...a124core.priors.latents import checkpointed_encode
from .copy import checkpoint_forward, disable_weight_casting

# Bytes a pixel for a gradient in float32, the largest of a CPU run: SD's VAE 362 MiB at 256 x 256, 1224 MiB at
# 512 x 512 (678 and 3194 without checkpointing)
IMAGE_BYTES = 6 * 2**10
CLIP_BYTES = 15 * 2**10  # and a frame, of Wan's VAE, which keeps a whole clip: 3953 MiB for 17 frames of 128 x 128
CLIP_FRAMES = 17  # the method's 16 in the 1 + 4 k that Wan's VAE takes
UNUSED = ("decoder", "taesd_decoder", "post_quant_conv")
_copies: weakref.WeakKeyDictionary[Any, PrivateEncoder] = weakref.WeakKeyDictionary()


def private_encoder(vae: Any) -> PrivateEncoder:
    """Return one copy for each VAE, shared by all guidances that it is wired to, gone with the VAE."""
    if vae not in _copies:
        _copies[vae] = PrivateEncoder(vae)
    return _copies[vae]


class PrivateEncoder:
    """Images to latents as the VAE encodes them (the mode, unscaled), in float32."""

    def __init__(self, vae: Any) -> None:
        import comfy.sd

        with torch.inference_mode(False), torch.no_grad():
            weights = {name: value.detach().to("cpu", copy=True) for name, value in vae.get_sd().items()}
            model = comfy.sd.VAE(sd=weights, dtype=torch.float32).first_stage_model.float()
        for name in UNUSED:
            for value in getattr(model, name, nn.Module()).parameters():  # the modules stay: Wan's encoder counts them
                value.data = value.data.new_empty(0)
        disable_weight_casting(model)
        self.is_video = is_video(vae)  # (B, 3, F, H, W) -> (B, C, f, h, w)
        for part in [] if self.is_video else blocks(getattr(model, "encoder", None)):
            checkpoint_forward(part)
        self.model = model.eval().requires_grad_(False)
        self.to_input = vae.process_input
        self.stride = (getattr(vae, "downscale_index_formula", None) or (1,))[0]  # frames for each latent frame

    def encode_images(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, C, h, w), of a video VAE (B, C, 1, h, w): each image by itself."""
        return checkpointed_encode(image[:, :, None] if self.is_video else image, self._encode)

    def encode_clip(self, image: Tensor) -> Tensor:
        """image (F, 3, H, W) in [0, 1] -> one item (1, C, f, h, w); a video VAE takes 1 + k stride frames.

        The last frame is repeated until that number is reached: the VAE would drop the surplus without a word.
        """
        if not self.is_video:
            return self.encode_images(image).movedim(0, 1)[None]
        missing = (1 - len(image)) % self.stride
        padded = torch.cat([image, image[-1:].expand(missing, -1, -1, -1)])
        return checkpointed_encode(padded.movedim(0, 1)[None], self._encode)

    def _encode(self, image: Tensor) -> Tensor:
        self.model.to(image.device)
        return self.model.encode(self.to_input(image))

    def offload(self) -> None:
        """Move the weights to main memory."""
        self.model.to("cpu")


def is_video(vae: Any) -> bool:
    """Return whether a VAE encodes clips."""
    return getattr(vae, "latent_dim", 2) == 3


def blocks(encoder: Any) -> list[nn.Module]:
    """Return the blocks of an image encoder of Stable Diffusion's kind in order; none of any other kind.

    Not for a video VAE: its blocks hand frames from call to call, so they cannot be run a second time.
    """
    parts = []
    for level in getattr(encoder, "down", ()):
        parts += [*getattr(level, "block", ()), *getattr(level, "attn", ()), getattr(level, "downsample", None)]
    parts += [*encoder.mid.children()] if parts and hasattr(encoder, "mid") else []
    return [part for part in parts if part is not None]


def gradient_bytes(vae: Any, size: int) -> int:
    """Return what one backward pass through the encoder keeps, for images of size x size."""
    return (CLIP_FRAMES * CLIP_BYTES if is_video(vae) else IMAGE_BYTES) * size * size


def encoder_bytes(vae: Any) -> int:
    """Return the bytes of the copy's weights, in float32."""
    used = [v for name, v in vae.first_stage_model.named_parameters() if name.split(".")[0] not in UNUSED]
    return 4 * sum(v.numel() for v in used)


def latent_scale(model: Any) -> Callable[[Tensor], Tensor]:
    """Return VAE latents -> the MODEL's own, by a copy of its latent format: Wan's means are inference tensors too."""
    scale = copy.copy(model.model.latent_format)
    with torch.inference_mode(False):
        for name, value in vars(scale).items():
            if isinstance(value, Tensor):
                setattr(scale, name, value.clone())
    return scale.process_in
