"""Validate a role's folder by its config, before gigabytes are read: what it holds, what is needed, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ..noise import sigma_table
from .load import check_class, read_config

UNET2D, UNET3D = "UNet2DConditionModel", "UNet3DConditionModel"
EXAMPLES = {  # a public model for each role
    "image": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "view": "Yuyang-z/zero123-xl",
    "video": "ali-vilab/text-to-video-ms-1.7b",
    "control": "lllyasviel/control_v11f1e_sd15_tile",
    "upscale": "stabilityai/stable-diffusion-x4-upscaler",
}
CHANNELS = {"image": 4, "view": 8, "video": 4, "upscale": 7}  # input channels of the role's UNet
FAMILIES = {  # by the UNet's number of input channels
    4: "a plain text-to-image model",
    7: "the SD x4 upscaler",
    8: "Zero123 or an image editing model",
    9: "an inpainting model",
}


def check_unet(folder: Path, role: str) -> dict[str, Any]:
    """Return the config of a folder's UNet if it can play the role (of CHANNELS), and its scheduler can be read."""
    advice, class_name = _advice(role), UNET3D if role == "video" else UNET2D
    if not folder.exists():
        raise ValueError(f"{folder} was not found: {advice}")
    if (folder / "transformer").is_dir() and not (folder / "unet").is_dir():
        raise ValueError(f"{folder} holds a transformer, not a UNet: {advice}")
    config = read_config(folder, "unet")
    actual = config.get("_class_name")
    if actual != class_name:
        actual = actual if isinstance(actual, str) and actual[:60].isidentifier() else "network of an unknown kind"
        raise ValueError(f"{folder} holds a {actual[:60]}, and {class_name} is needed: {advice}")
    if config.get("addition_embed_type") or config.get("encoder_hid_dim_type"):
        raise ValueError(f"{folder} is an SDXL-like model, which needs more inputs than a text: {advice}")
    channels = config.get("in_channels", 4)
    if type(channels) is not int or channels != CHANNELS[role]:
        family = FAMILIES.get(channels if type(channels) is int else 0, "another kind of model")
        raise ValueError(
            f"the UNet in {folder} has {channels!r:.60} input channels, as {family}, but {CHANNELS[role]} "
            f"are needed: {advice}"
        )
    read_schedule(folder)
    return config


def _advice(role: str) -> str:
    return f"give the folder of {EXAMPLES[role]} or a model of its kind."


def check_embedding_dim(folder: Path, unet: dict[str, Any], dim: int) -> None:
    """Check that the text encoder's embeddings have the dimensions of the UNet's cross-attention."""
    expected = unet.get("cross_attention_dim", 1280)  # diffusers' default
    if expected != dim:
        raise ValueError(
            f"the embeddings of the text encoder in {folder} have {dim} dimensions, but its UNet's cross-attention "
            f"expects {expected!r:.60}: the folder was put together from two models. Copy the model's folder "
            "again."
        )


def check_control(base: Path, unet: dict[str, Any], folder: Path) -> None:
    """Check that the folder holds a ControlNet of the UNet's family."""
    advice = _advice("control")
    if (folder / "unet").is_dir():
        raise ValueError(f"{folder} is a whole model, and a ControlNet's own folder is needed: {advice}")
    control = check_class(folder, "", "ControlNetModel")
    for name in ("cross_attention_dim", "block_out_channels"):
        if unet.get(name) != control.get(name):
            raise ValueError(
                f"the ControlNet in {folder} has {name} {control.get(name)!r:.60}, but the model in {base} "
                f"{unet.get(name)!r:.60}: it is of another family. For SD 1.5 {advice}"
            )


def read_schedule(folder: Path, part: str = "scheduler") -> tuple[Tensor, str]:
    """Return a scheduler's (T,) sigmas and prediction type."""
    return sigma_table(read_config(folder, part, "scheduler_config.json"))
