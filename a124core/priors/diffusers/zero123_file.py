"""Zero123's original checkpoint, one file: UNet, VAE, CLIP and the camera's layer, converted on load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ..weight_files import read_weights
from .ldm_build import build_unet, build_vae, build_vision
from .ldm_keys import inside

PARTS = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "vision": "cond_stage_model.model.visual.",
    "camera": "cc_projection.",
}


@dataclass
class Zero123File:
    unet: nn.Module
    vae: nn.Module
    vision: nn.Module
    weight: Tensor  # (d, d + 4)
    bias: Tensor  # (d,)


def parts_of_file(path: Path) -> Zero123File:
    """zero123-xl.ckpt, 105000.ckpt, stable_zero123.ckpt or the same as .safetensors. EMA copies are left alone."""
    weights = read_weights(path)
    parts = {name: inside(weights, prefix) for name, prefix in PARTS.items()}
    missing = [PARTS[name] for name, found in parts.items() if not found]
    if missing:
        raise ValueError(
            f"{path} has no weights under {', '.join(missing)}, so it is not Zero123's original file: give "
            "zero123-xl.ckpt or a diffusers folder of Zero123."
        )
    channels = parts["unet"]["input_blocks.0.0.weight"].shape[1]
    if channels != 8:
        raise ValueError(f"the UNet in {path} reads {channels} channels, Zero123's reads 8: give Zero123's file.")
    return Zero123File(
        build_unet(parts["unet"]), build_vae(parts["vae"]), build_vision(parts["vision"]),
        parts["camera"]["weight"].float(), parts["camera"]["bias"].float(),
    )  # fmt: skip
