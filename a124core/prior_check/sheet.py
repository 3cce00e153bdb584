"""The contact sheet of a prior check: for each view the picture, and at each noise level what went in and came out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..export.images.sheets import draw_contact_sheet


@dataclass(frozen=True)
class Row:
    """One view through one prior. Pictures (1, 3, h, w) of any size; numbers that are none are drawn grey."""

    label: str
    image: Tensor
    pairs: tuple[tuple[Tensor, Tensor], ...]  # (noisy, seen) for each noise level that was answered


def draw_prior_sheet(rows: list[Row], levels: list[str], tile: int = 96) -> Tensor:  # (1, 3, H, W) in [0, 1]
    """Rows of view, noisy, seen, noisy, seen ..., with their names."""
    heads = ["shown", *(head for level in levels for head in (f"{level}: noisy", "seen"))]
    tiles = [torch.cat([_tile(image, tile) for image in (row.image, *sum(row.pairs, ()))]) for row in rows]
    sheet = draw_contact_sheet(tiles, [row.label for row in rows], heads)
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1)[None].float() / 255.0


def _tile(picture: Tensor, side: int) -> Tensor:  # (1, 3, side, side)
    image = picture[:1].detach().float().cpu().nan_to_num(0.5, 0.5, 0.5)
    larger = image.shape[-1] >= side
    return interpolate(image, (side, side), mode="area" if larger else "nearest")
