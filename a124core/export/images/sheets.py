"""Still images: a PNG of one image, and a labelled contact sheet of many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...utils.files import atomic_write
from .video import to_bytes

GAP = 4  # pixels between images
TEXT = 14  # pixels, height of the labels
INK, PAPER = (40, 40, 40), (255, 255, 255)


def write_png(path: str | Path, image: Image.Image) -> None:
    """Write one PNG."""
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG")


def write_image(path: str | Path, image: Tensor) -> None:  # (1, 3, H, W) or (3, H, W) in [0, 1]
    """Write one PNG."""
    write_png(path, Image.fromarray(to_bytes(image if image.ndim == 4 else image[None])[0]))


def draw_contact_sheet(
    rows: Sequence[Tensor],  # each (N, 3, H, W) in [0, 1], all of one size
    row_labels: Sequence[str],
    column_labels: Sequence[str] = (),
    title: str = "",
) -> Image.Image:
    """Draw rows of images under one another, labelled at the left and above."""
    if not rows or len(rows) != len(row_labels):
        raise ValueError(f"{len(rows)} rows came with {len(row_labels)} labels: give one label for each row.")
    if len({tuple(row.shape[-2:]) for row in rows}) != 1:
        raise ValueError("the rows have images of different sizes: give them one size.")
    font = ImageFont.load_default(size=TEXT - 2)
    height, width = rows[0].shape[-2:]
    left = GAP + max(int(font.getlength(label)) for label in row_labels) + GAP
    top = GAP + (TEXT + GAP) * (bool(title) + bool(column_labels))
    columns = max(len(column_labels), *(row.shape[0] for row in rows))
    size = (left + columns * (width + GAP), top + len(rows) * (height + GAP))
    sheet = Image.new("RGB", (max(size[0], int(font.getlength(title)) + 2 * GAP), size[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP // 2), title, INK, font=font)
    for column, label in enumerate(column_labels):
        draw.text((left + column * (width + GAP), top - TEXT - GAP), label, INK, font=font)
    for r, (row, label) in enumerate(zip(rows, row_labels, strict=True)):
        y = top + r * (height + GAP)
        draw.text((GAP, y + height // 2 - TEXT // 2), label, INK, font=font)
        for c, values in enumerate(to_bytes(row)):
            sheet.paste(Image.fromarray(values), (left + c * (width + GAP), y))
    return sheet


def side_by_side(*clips: Tensor) -> Tensor:  # (F, 3, H, W) each, one height -> (F, 3, H, sum of W)
    """Join clips of the same length, next to each other."""
    return torch.cat(clips, dim=-1)
