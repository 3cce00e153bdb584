"""The video prior from a folder: does a whole clip move as the prompt says?"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ..noise import scaled_linear_sigmas
from ..parameterization import EPS
from ..view_text import DYNAMIC_SUFFIX
from .checks import UNET3D, check_text_width, schedule, unet_config
from .denoiser import Encoder, FolderPrior, Network
from .image import encoder
from .load import load_part
from .modelscope import modelscope_parts, unet_file
from .offload import OffloadPolicy
from .text import ViewText, view_text

EXAMPLE = "ali-vilab/text-to-video-ms-1.7b"


def video_prior(
    folder: Path, prompt: str, cfg: float, size: int, place: OffloadPolicy, negative: str = ""
) -> FolderPrior:
    """ModelScope or ZeroScope: clip latents (1, 4, F, h, w), one noise level for a clip, noise for each frame.

    A folder with `text2video_pytorch_model.pth` is read too, with its companions and a tokenizer folder beside it.
    """
    found = unet_file(folder)
    if found is not None:
        parts = modelscope_parts(folder, found, prompt + DYNAMIC_SUFFIX, negative, place)
        return _prior(parts.unet, Encoder(parts.vae, place), parts.text, scaled_linear_sigmas(), EPS, cfg, size, place)
    config = unet_config(folder, 4, EXAMPLE, UNET3D)
    sigmas, kind = schedule(folder)
    text, width = view_text(folder, prompt, DYNAMIC_SUFFIX, negative)
    check_text_width(folder, config, width)
    unet = load_part(folder, "unet", UNET3D, place.dtype, str(place))
    return _prior(unet, encoder(folder, place), text, sigmas, kind, cfg, size, place)


def _prior(
    unet: nn.Module,
    pictures: Encoder,
    text: ViewText,
    sigmas: object,
    kind: str,
    cfg: float,
    size: int,
    place: OffloadPolicy,
) -> FolderPrior:
    return FolderPrior(Network(unet, sigmas, kind, place), pictures, text, cfg, size, clip=True)
