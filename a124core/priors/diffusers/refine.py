"""The refinement prior from folders: the learned word in the prompt, tied by a tile ControlNet to what is repaired."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...protocols import View
from ..resized import resize_images
from ..view_text import CONTROL_TEXT, DYNAMIC_SUFFIX
from .checks import UNET2D, check_control, check_text_width, schedule, unet_config
from .denoiser import FolderPrior, Network, Told
from .image import EXAMPLE, encoder
from .load import config_of, load_part
from .offload import OffloadPolicy, collect
from .text import Reader, ViewText, Words, encoded, read_prompt, reader


def refine_prior(
    folder: Path,  # Stable Diffusion, as for the image prior
    control: Path | None,  # a tile ControlNet; None: the paper's naive personalised prior
    prompt: str,
    cfg: float,
    size: int,
    place: OffloadPolicy,
    words: Words | None = None,  # learned ones, by name, (n, d) each
    negative: str = "",
) -> FolderPrior:
    """Chosen frames enlarged to size; the ControlNet sees the frozen coarse result, enlarged the same way."""
    config = unet_config(folder, 4, EXAMPLE)
    if control is not None:
        check_control(folder, config, control)
    sigmas, kind = schedule(folder)
    reads = reader(folder)
    check_text_width(folder, config, reads.width)
    text = ViewText(read_prompt(reads, prompt, DYNAMIC_SUFFIX, negative, words))
    fixed = _plain(reads, CONTROL_TEXT)
    del reads
    collect()
    unet = load_part(folder, "unet", UNET2D, place.dtype, str(place))
    pictures = encoder(folder, place)
    if control is None:
        return FolderPrior(Network(unet, sigmas, kind, place), pictures, text, cfg, size)
    network = Network(unet, sigmas, kind, place, load_part(control, "", "ControlNetModel", place.dtype, str(place)))
    return FolderPrior(network, pictures, TileControl(text, fixed, _hint_factor(control)), cfg, size)


@torch.no_grad()
def _plain(reads: Reader, text: str) -> Tensor:
    return encoded(reads, [reads.ids(text)])


def _hint_factor(control: Path) -> int:
    """Pixels of the ControlNet's picture for each latent, a side: it is halved between its first layers."""
    layers = config_of(control, "").get("conditioning_embedding_out_channels", (16, 32, 96, 256))
    return 2 ** (len(layers) - 1)


class TileControl:
    """The text, and for the ControlNet its fixed text and the picture to be repaired, a new one at every step."""

    reads_condition = True

    def __init__(self, text: ViewText, fixed: Tensor, factor: int) -> None:
        self.text, self.fixed, self.factor = text, fixed, factor

    def at(self, view: View, x_t: Tensor) -> Told:
        if view.condition is None:
            raise RuntimeError("the ControlNet was given no picture to repair: use this guidance in the fine stage.")
        told = self.text.at(view, x_t)
        hint = resize_images(view.condition.detach().float(), x_t.shape[-1] * self.factor)
        return Told(told.cond, told.uncond, hint=hint, hint_text=self.fixed.expand(x_t.shape[0], -1, -1))
