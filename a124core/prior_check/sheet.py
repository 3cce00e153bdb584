"""The contact sheet of a prior check: for each view the picture, and at each noise level what went in and came out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import interpolate

from ..export.images.sheets import GAP, INK, PAPER, TEXT, _font
from ..export.images.video import to_bytes


@dataclass(frozen=True)
class Row:
    """One view through one prior. Pictures (1, 3, h, w) of any size; numbers that are none are drawn grey."""

    label: str
    image: Tensor
    pairs: tuple[tuple[Tensor, Tensor], ...]  # (noisy, seen) for each noise level that was answered


def draw_prior_sheet(rows: list[Row], levels: list[str], tile: int = 96) -> Tensor:  # (1, 3, H, W) in [0, 1]
    """Rows of view, noisy, seen, noisy, seen ..., with their names."""
    font = _font()
    left = 2 * GAP + max((int(font.getlength(row.label)) for row in rows), default=0)
    heads = ["shown", *(head for level in levels for head in (f"{level}: noisy", "seen"))]
    top, step = TEXT + 2 * GAP, tile + GAP
    sheet = Image.new("RGB", (left + len(heads) * step, top + len(rows) * step), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        draw.text((left + column * step, GAP), head, INK, font=font)
    for r, row in enumerate(rows):
        y = top + r * step
        draw.text((GAP, y + tile // 2 - TEXT // 2), row.label, INK, font=font)
        for c, picture in enumerate([row.image, *(p for pair in row.pairs for p in pair)]):
            sheet.paste(Image.fromarray(_tile(picture, tile)), (left + c * step, y))
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1)[None].float() / 255.0


def _tile(picture: Tensor, side: int) -> np.ndarray:
    image = picture[:1].detach().float().cpu().nan_to_num(0.5, 0.5, 0.5)
    larger = image.shape[-1] >= side
    image = interpolate(image, (side, side), mode="area" if larger else "nearest")
    return to_bytes(image)[0]
