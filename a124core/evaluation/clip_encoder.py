"""CLIP from a local folder, of transformers or OpenCLIP: images and captions become vectors that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..priors.diffusers.load import load_tokenizer, load_transformer
from ..priors.diffusers.open_clip import build_clip
from ..priors.weight_files import read_weights
from ..utils.json_files import read_json
from ..utils.text import first_line, quote_value
from .clip_scores import unit

PAPER_VARIANT = "ViT-B/32"  # OpenAI's (Animate124, section 4.1)
WIDTHS = {768: "B", 1024: "L", 1280: "H", 1408: "g", 1664: "bigG"}  # of the image encoder -> the letter of its size
PAPER_SIZES = (768, 12, 32, 224, 512)  # width, layers, patch, pixels, dimensions of the embeddings
MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's own
STD = (0.26862954, 0.26130258, 0.27577711)
BATCH = 32  # images at once
ADVICE = "give a whole folder of CLIP, such as openai/clip-vit-base-patch32"
OPEN_CONFIG = "open_clip_config.json"
OPEN_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "open_clip_pytorch_model.safetensors")


class ClipEncoder(Protocol):
    """What the CLIP scores need of a CLIP."""

    label: str  # which one it is, for tables
    is_paper: bool  # is it the variant of the paper?

    def images(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> (B, D) unit vectors."""

    def texts(self, captions: Sequence[str]) -> Tensor:
        """N captions -> (N, D) unit vectors."""


@dataclass(frozen=True)
class FolderClip:
    """A CLIP that was read from a folder."""

    model: nn.Module  # transformers' CLIPModel
    tokenizer: Any
    mean: tuple[float, ...]
    std: tuple[float, ...]
    label: str
    is_paper: bool
    device: torch.device | str

    @torch.no_grad()
    def images(self, image: Tensor) -> Tensor:  # (B, 3, H, W) in [0, 1] -> (B, D)
        """Encode square images as they are: enlarged or reduced (bicubic), colours unstretched."""
        side = int(self.model.config.vision_config.image_size)
        mean, std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (self.mean, self.std))
        features = []
        for part in image.split(BATCH):
            part = interpolate(part.to(self.device), (side, side), mode="bicubic", antialias=True).clamp(0.0, 1.0)
            pooled = self.model.vision_model(pixel_values=(part - mean) / std).pooler_output
            features.append(unit(self.model.visual_projection(pooled)).float().cpu())
        return torch.cat(features)

    @torch.no_grad()
    def texts(self, captions: Sequence[str]) -> Tensor:  # (N, D)
        """Encode captions, cut at the 77 tokens that CLIP reads."""
        longest = int(self.model.config.text_config.max_position_embeddings)
        tokens = self.tokenizer(
            list(captions), padding="max_length", max_length=longest, truncation=True, return_tensors="pt"
        ).to(self.device)
        pooled = self.model.text_model(tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
        return unit(self.model.text_projection(pooled)).float().cpu()


def load_clip(folder: str | Path, device: torch.device | str = "cpu") -> FolderClip:
    """Read a CLIP; the label names its variant. ValueError: no folder of a CLIP, or a damaged one."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: {ADVICE}.")
    tokenizer = None
    if (folder / "config.json").is_file():
        kind = read_json(folder / "config.json", ADVICE).get("model_type")
        if kind != "clip":
            raise ValueError(f"{folder} holds a model of type {quote_value(kind)}, not clip: {ADVICE}.")
        tokenizer, model = load_tokenizer(folder, ""), load_transformer(folder, "", "CLIPModel")
    elif (folder / OPEN_CONFIG).is_file():
        tokenizer = load_tokenizer(folder, "")
        model = _open_clip(folder, tokenizer)
    else:
        raise ValueError(f"{folder} has neither config.json nor {OPEN_CONFIG}: {ADVICE}.")
    mean, std = _normalisation(folder)
    variant, is_paper = describe_variant(model.config)
    return FolderClip(model.to(device), tokenizer, mean, std, f"{variant} ({folder.name})", is_paper, device)


def describe_variant(config: Any) -> tuple[str, bool]:
    """Name the variant by its sizes, such as ViT-B/32, and say whether it has the paper's."""
    vision = config.vision_config
    letter = WIDTHS.get(vision.hidden_size)
    name = f"ViT-{letter}/{vision.patch_size}" if letter else f"ViT of width {vision.hidden_size}/{vision.patch_size}"
    sizes = (vision.hidden_size, vision.num_hidden_layers, vision.patch_size, vision.image_size, config.projection_dim)
    if sizes == PAPER_SIZES and vision.hidden_act == "quick_gelu":
        return PAPER_VARIANT, True
    return (f"{name} with GELU" if name == PAPER_VARIANT else name), False


def _open_clip(folder: Path, tokenizer: Any) -> nn.Module:
    config = read_json(folder / OPEN_CONFIG, ADVICE).get("model_cfg")
    parts = [config.get(name) for name in ("vision_cfg", "text_cfg")] if isinstance(config, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"{folder / OPEN_CONFIG} has no model_cfg with vision_cfg and text_cfg: {ADVICE}.")
    file = next((folder / name for name in OPEN_WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise ValueError(f"{folder} has none of {', '.join(OPEN_WEIGHTS)}: {ADVICE}.")
    try:
        return build_clip(read_weights(file), config, (tokenizer.bos_token_id, tokenizer.eos_token_id))
    except MemoryError:
        raise
    except Exception as error:  # weights of another network, or of a variant without a plain ViT
        raise ValueError(f"{file} does not hold a CLIP with a plain ViT ({first_line(error)}): {ADVICE}.") from None


def _normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the colours: of the folder where it names them, else CLIP's own."""
    for name, inner in (("preprocessor_config.json", None), (OPEN_CONFIG, "preprocess_cfg")):
        values = read_json(folder / name, ADVICE) if (folder / name).is_file() else {}
        values = values.get(inner, {}) if inner else values
        pair = [values.get(key, values.get(f"image_{key}")) for key in ("mean", "std")]
        if all(isinstance(v, list) and len(v) == 3 and all(isinstance(x, (int, float)) for x in v) for v in pair):
            return tuple(pair[0]), tuple(pair[1])
    return MEAN, STD
