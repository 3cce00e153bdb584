"""The wrong folder in a role, told from its config before gigabytes are read: what came, what is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..parameterization import sigma_table
from .load import check_class, config_of

UNET2D, UNET3D = "UNet2DConditionModel", "UNet3DConditionModel"
CONTROL_EXAMPLE = "lllyasviel/control_v11f1e_sd15_tile"
CHANNELS = {  # what a UNet with another number of input channels is made for
    4: "a plain text-to-picture model",
    7: "the SD x4 upscaler",
    8: "Zero123 or a picture editing model",
    9: "an inpainting model",
}


def unet_config(folder: Path, wanted: int, example: str, kind: str = UNET2D) -> dict[str, Any]:
    """The description of the UNet of a folder, if it can play the role. kind is its class, example a public id."""
    whole_family(folder, example)
    config = config_of(folder, "unet")
    came = config.get("_class_name")
    if came != kind:
        held = came or "network of an unknown kind"
        raise ValueError(f"{folder} holds a {held}, and {kind} is needed: {give(example)}")
    if config.get("addition_embed_type") or config.get("encoder_hid_dim_type"):
        raise ValueError(f"{folder} is an SDXL-like model, which reads more than words: {give(example)}")
    channels = config.get("in_channels", 4)
    if channels != wanted:
        made = CHANNELS.get(channels, "something else")
        raise ValueError(
            f"the UNet in {folder} reads {channels} channels, {wanted} are needed: it is {made}. {give(example, True)}"
        )
    return config


def whole_family(folder: Path, example: str) -> None:
    """Models that are built of other networks than a UNet."""
    if not folder.exists():
        raise ValueError(f"{folder} was not found: {give(example)}")
    if (folder / "transformer").is_dir() and not (folder / "unet").is_dir():
        raise ValueError(f"{folder} holds a transformer, not a UNet: {give(example)}")


def give(example: str, capital: bool = False) -> str:
    words = f"give the folder of {example} or a model of its kind."
    return words[0].upper() + words[1:] if capital else words


def check_text_width(folder: Path, unet: dict[str, Any], came: int) -> None:
    """A text encoder whose words are as wide as the UNet reads them."""
    wanted = text_width(unet)
    if wanted != came:
        raise ValueError(
            f"the text encoder in {folder} writes words {came} wide, but its UNet reads {wanted}: the folder was put "
            "together from two models. Copy the model's folder again."
        )


def text_width(config: dict[str, Any]) -> int:
    """How wide the words are that a UNet or ControlNet of this description reads."""
    return int(config.get("cross_attention_dim", 1280))  # diffusers' default


def check_control(base: Path, unet: dict[str, Any], folder: Path) -> None:
    """A ControlNet of the UNet's family."""
    if (folder / "unet").is_dir():
        raise ValueError(
            f"{folder} is a whole model, and a ControlNet's own folder is needed: {give(CONTROL_EXAMPLE)}"
        )
    control = check_class(folder, "", "ControlNetModel")
    for name, what in (("cross_attention_dim", "reads words"), ("block_out_channels", "has layers")):
        ours, theirs = unet.get(name), control.get(name)
        if ours != theirs:
            raise ValueError(
                f"the ControlNet in {folder} {what} {_short(theirs)} wide, but the model in {base} {_short(ours)}: it "
                f"is of another family. For SD 1.5 {give(CONTROL_EXAMPLE)}"
            )


def _short(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)


def schedule(folder: Path) -> tuple[Any, str]:
    """((T,) sigmas, kind) of a folder's scheduler."""
    return sigma_table(config_of(folder, "scheduler", "scheduler_config.json"))
