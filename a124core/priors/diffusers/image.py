"""The image prior from a folder: does a render look like the prompt, from the side that it is seen from?"""

from __future__ import annotations

from pathlib import Path

from ..view_text import STATIC_SUFFIX
from .checks import UNET2D, check_text_width, schedule, unet_config
from .denoiser import Encoder, FolderPrior, Network
from .load import config_of, load_part
from .offload import OffloadPolicy
from .text import Words, view_text

EXAMPLE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
TINY = "AutoencoderTiny"  # TAESD's class: a VAE for drafts, whose latents come out in the model's own scale
LATENTS = 4  # channels of a picture for all UNets here


def image_prior(
    folder: Path,
    prompt: str,
    cfg: float,
    size: int,
    place: OffloadPolicy,
    negative: str = "",
    suffix: str = STATIC_SUFFIX,
    words: Words | None = None,  # learned ones, by name
) -> FolderPrior:
    """Any Stable Diffusion 1.x or 2.x folder, eps or v: unet, vae, text_encoder, tokenizer, scheduler."""
    config = unet_config(folder, 4, EXAMPLE)
    sigmas, kind = schedule(folder)
    text, width = view_text(folder, prompt, suffix, negative, words)
    check_text_width(folder, config, width)
    network = Network(load_part(folder, "unet", UNET2D, place.dtype, str(place)), sigmas, kind, place)
    return FolderPrior(network, encoder(folder, place), text, cfg, size)


def encoder(folder: Path, place: OffloadPolicy) -> Encoder:
    """The folder's VAE, which may be a tiny one."""
    config = config_of(folder, "vae")
    channels = config.get("latent_channels", LATENTS)
    if channels != LATENTS:
        raise ValueError(
            f"the VAE in {folder} writes {channels} channels, {LATENTS} are needed: it is another model's. Copy the "
            f"vae folder of {EXAMPLE} there (or, for drafts, madebyollin/taesd)."
        )
    return Encoder(load_part(folder, "vae", TINY if config.get("_class_name") == TINY else "AutoencoderKL"), place)
