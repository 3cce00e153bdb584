"""The four roles as folders that diffusers and the guidances open, in 16 bits."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from a124core.utils.files import write_json

from .config import Config
from .lessons import CLIP_MEAN, CLIP_STD

PIPELINES = {
    "image": "StableDiffusionPipeline",
    "view": "Zero1to3StableDiffusionPipeline",
    "video": "TextToVideoSDPipeline",
}


def save_folder(folder: Path, role: str, parts: dict[str, Any], tokenizer: Path | None) -> None:
    """One subfolder for each part, and the model_index.json that names the pipeline."""
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"_class_name": PIPELINES[role]}
    for name, part in parts.items():
        save_part(folder / name, part)
        index[name] = [type(part).__module__.split(".")[0], type(part).__name__]
    if tokenizer is not None:
        shutil.copytree(tokenizer, folder / "tokenizer", dirs_exist_ok=True)
        index["tokenizer"] = ["transformers", "CLIPTokenizer"]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def save_part(folder: Path, part: Any) -> None:
    """Networks as 16-bit safetensors, in a copy: training goes on in 32."""
    if not isinstance(part, torch.nn.Module):
        part.save_pretrained(folder)
        return
    weights = {name: value.detach().clone() for name, value in part.state_dict().items()}
    part.half().save_pretrained(folder, safe_serialization=True)
    part.float().load_state_dict(weights)


def save_eyes(folder: Path, size: int) -> None:
    """How the view role's picture encoder wants its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": size},
        "crop_size": {"height": size, "width": size}, "image_mean": CLIP_MEAN, "image_std": CLIP_STD,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(about, indent=2), encoding="utf-8")


def save_config(folder: Path, config: Config) -> None:
    """What was trained on and what was held out."""
    held_out = [" ".join(pair) for pair in config.world.held_out]
    write_json(folder / "tiny_set.json", {**asdict(config), "held_out": held_out})
