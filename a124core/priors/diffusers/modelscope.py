"""ModelScope's own three files as the parts of a video prior, beside a tokenizer folder, which they do not bring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..modelscope.files import companion
from ..modelscope.weights import load_unet
from ..weight_files import read_weights
from .ldm_build import build_text, build_vae
from .ldm_keys import inside
from .load import tokenizer
from .offload import OffloadPolicy, collect
from .text import Reader, ViewText, read_prompt

UNET = "text2video_pytorch_model.pth"
PAD = 0  # OpenCLIP fills a text with zeros
SKIPPED = ("visual.", "logit_scale", "text_projection")


@dataclass
class ModelScopeParts:
    unet: nn.Module
    vae: nn.Module
    text: ViewText


def unet_file(folder: Path) -> Path | None:
    """The UNet of a folder in ModelScope's own layout."""
    path = folder / UNET
    return path if path.is_file() else None


def modelscope_parts(folder: Path, unet: Path, prompt: str, negative: str, place: OffloadPolicy) -> ModelScopeParts:
    """All companions are looked for first, so that a missing one is told before gigabytes are read."""
    paths = {role: _beside(folder, role) for role in ("text encoder", "VAE")}
    words = tokenizer(folder)
    text = {n: w for n, w in read_weights(paths["text encoder"]).items() if not n.startswith(SKIPPED)}
    reads = Reader(words, build_text(text), PAD)
    conds = read_prompt(reads, prompt, "", negative)
    del reads, text
    collect()
    network = load_unet({name: w.to(place.dtype) for name, w in read_weights(unet).items()})
    vae = read_weights(paths["VAE"])
    return ModelScopeParts(network, build_vae(inside(vae, "first_stage_model.") or vae), ViewText(conds))


def _beside(folder: Path, role: str) -> Path:
    names = [p.name for p in folder.iterdir() if p.is_file()]
    found = companion(names, UNET, role)
    if found is None:
        known = {"text encoder": "open_clip_pytorch_model.bin", "VAE": "VQGAN_autoencoder.pth"}[role]
        raise ValueError(f"{folder} has {UNET} but not its {role}: put {known} beside it.")
    return folder / found
