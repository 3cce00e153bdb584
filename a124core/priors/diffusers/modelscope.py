"""ModelScope's own three files as the parts of a video prior, beside a tokenizer folder, which they do not bring.

diffusers has no converter for their UNet, so it runs in the UNet that the nodes use too.
"""

from __future__ import annotations

from pathlib import Path

from ..modelscope.layouts import PUBLIC_FILES, companion
from ..modelscope.unet import load_unet
from ..noise import scaled_linear_sigmas
from ..parameterization import EPS
from ..weight_files import read_weights
from .denoiser import Denoiser
from .load import load_tokenizer
from .offload import OffloadPolicy, collect
from .original import below, build_text, build_vae
from .text import TextEncoder, ViewText, encode_prompt
from .vae import VaeEncoder

UNET = "text2video_pytorch_model.pth"
PAD = 0  # OpenCLIP fills a text with zeros
UNUSED = ("visual.", "logit_scale", "text_projection")


def unet_file(folder: Path) -> Path | None:
    """Return the UNet of a folder in ModelScope's own layout."""
    path = folder / UNET
    return path if path.is_file() else None


def load_modelscope(folder: Path, policy: OffloadPolicy) -> tuple[Denoiser, VaeEncoder]:
    """Load the UNet and the VAE."""
    paths = _paths(folder)
    unet = load_unet({name: w.to(policy.dtype) for name, w in read_weights(folder / UNET).items()})
    vae = read_weights(paths["VAE"])
    vae = build_vae(below(vae, "first_stage_model.") or vae)
    return Denoiser(unet, scaled_linear_sigmas(), EPS, policy), VaeEncoder(vae, policy)


def load_modelscope_text(folder: Path, prompt: str, negative: str) -> ViewText:
    """Encode a prompt with the text encoder, which is dropped at once."""
    paths, tokenizer = _paths(folder), load_tokenizer(folder)
    weights = {n: w for n, w in read_weights(paths["text encoder"]).items() if not n.startswith(UNUSED)}
    text = encode_prompt(TextEncoder(tokenizer, build_text(weights), PAD), prompt, "", negative)
    del weights
    collect()
    return text


def _paths(folder: Path) -> dict[str, Path]:
    """Find the files beside the UNet; a missing one is reported before gigabytes are read."""
    files = [p.name for p in folder.iterdir() if p.is_file()]
    paths = {}
    for part, public_name in PUBLIC_FILES.items():
        name = companion(files, UNET, part)
        if name is None:
            raise ValueError(f"{folder} has {UNET} but not its {part}: put {public_name} beside it.")
        paths[part] = folder / name
    return paths
