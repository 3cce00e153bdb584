"""A whole CLIP in the layout that transformers writes, tiny and with random weights, and the same in OpenCLIP's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from tests.tiny_folders import CLIP, randomised, tokens

DIM, SIDE, PATCH = 24, 28, 14
CAPTIONS = ("a cat sleeps", "a dog runs", "a fox jumps over it")


def clip(folder: Path, seed: int = 61, **vision: Any) -> Path:
    """Weights, config and tokenizer side by side, as on the hub."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    size = tokens(folder / "files")
    for file in (folder / "files" / "tokenizer").iterdir():
        shutil.move(file, folder / file.name)
    shutil.rmtree(folder / "files")
    ends = {"bos_token_id": size - 2, "eos_token_id": size - 1, "pad_token_id": size - 1}
    text = {**CLIP, "vocab_size": size, "max_position_embeddings": 77, "projection_dim": DIM, **ends}
    shared = {"hidden_act": "quick_gelu", "projection_dim": DIM}
    image = {**CLIP, "image_size": SIDE, "patch_size": PATCH, **shared, **vision}
    config = CLIPConfig(text_config=text | shared, vision_config=image, projection_dim=DIM)
    randomised(CLIPModel(config), seed).save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)
    return folder


def open_clip_config() -> dict[str, Any]:
    vision = {"image_size": SIDE, "layers": 2, "width": 64, "patch_size": PATCH, "head_width": 32, "mlp_ratio": 2.0}
    text = {"context_length": 77, "vocab_size": 90, "width": 32, "heads": 2, "layers": 2}
    return {"embed_dim": DIM, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}


def open_clip(folder: Path, weights: dict[str, torch.Tensor], config: dict[str, Any]) -> Path:
    """OpenCLIP's folder of these weights."""
    from safetensors.torch import save_file

    tokens(folder / "files")
    for file in (folder / "files" / "tokenizer").iterdir():
        shutil.move(file, folder / file.name)
    shutil.rmtree(folder / "files")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "open_clip_model.safetensors")
    return folder
