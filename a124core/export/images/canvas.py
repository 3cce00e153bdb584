"""An image to plot on with Pillow, which every host has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

SCALE = 3  # drawn so many times larger, then reduced: smooth lines
INK, FAINT, PAPER = (40, 40, 40), (205, 205, 205), (255, 255, 255)


class Canvas:
    """An image that is drawn large; positions are in its final pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], width: float) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(scaled, colour, round(width * SCALE), joint="curve")

    def dot(self, x: float, y: float, colour: tuple[int, int, int], radius: float = 3.0) -> None:
        x, y, r = x * SCALE, y * SCALE, radius * SCALE
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def text(self, x: float, y: float, text: str, anchor: str) -> None:
        font = ImageFont.load_default(size=12 * SCALE)
        self.draw.text((x * SCALE, y * SCALE), text, INK, font=font, anchor=anchor)

    def tensor(self) -> Tensor:
        small = np.array(self.image.resize(self.size, Image.Resampling.LANCZOS))
        return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255.0
