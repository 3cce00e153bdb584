"""A file's LoRA, added to the weights of a folder's UNet: diffusers reads every common layout of such files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ...utils.text import first_line
from ..weight_files import check_checkpoint
from .package import diffusers, peft

ADAPTER, MARK = "animate124", "animate124_lora"  # MARK: where a UNet notes the file that was added to it


def add_lora(unet: nn.Module, path: Path) -> None:
    """Add a file's LoRA to the weights of a folder's UNet, in any layout that diffusers reads."""
    if getattr(unet, MARK, None) is not None:  # the same object is given again as long as somebody holds it
        return
    peft()
    loaders: Any = diffusers().loaders.StableDiffusionLoraLoaderMixin
    check_checkpoint(path)
    try:
        state, alphas = loaders.lora_state_dict(str(path), local_files_only=True)
        loaders.load_lora_into_unet(state, alphas, unet, adapter_name=ADAPTER)
        if not getattr(unet, "peft_config", None):
            raise ValueError("none of its weights belongs to this UNet")
        unet.fuse_lora()
        unet.unload_lora()
    except Exception as error:  # diffusers and peft raise whatever a wrong name or shape leads to
        raise ValueError(
            f"the LoRA {path} does not fit the model ({first_line(error)}): take one that was trained with a model of "
            "this family."
        ) from None
    unet.requires_grad_(False)
    setattr(unet, MARK, str(path))


