"""A square sheet to draw on; drawings in flat colours with alpha, or shaded and textured on a background."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor

SIZE, FOLD = 512, 2  # pixels; drawn larger and averaged down
ROUND = 0.08  # share of the side from the outline at which shading ends
SHADE, FUR, MOTTLE = 0.35, 0.13, 0.05  # how dark the outline is; standard deviations of fine and of broad texture


class Sheet:
    """A transparent square of side 1, y down."""

    def __init__(self) -> None:
        self.picture = Image.new("RGBA", (SIZE * FOLD, SIZE * FOLD), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.picture)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: str) -> None:
        self.pen.ellipse(_scaled((x - rx, y - ry, x + rx, y + ry)), fill=colour)

    def hole(self, x: float, y: float, rx: float, ry: float) -> None:
        self.pen.ellipse(_scaled((x - rx, y - ry, x + rx, y + ry)), fill=(0, 0, 0, 0))

    def shape(self, points: list[tuple[float, float]], colour: str) -> None:
        self.pen.polygon([_scaled(p) for p in points], fill=colour)

    def line(self, points: list[tuple[float, float]], width: float, colour: str) -> None:
        self.pen.line([_scaled(p) for p in points], fill=colour, width=round(width * SIZE * FOLD), joint="curve")


def _scaled(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(v * SIZE * FOLD for v in values)


def flat(draw: Callable[[Sheet], None]) -> tuple[Tensor, Tensor]:
    """Image (1, 3, S, S) and alpha (1, 1, S, S), in [0, 1], of a drawing in its flat colours."""
    sheet = Sheet()
    draw(sheet)
    small = sheet.picture.resize((SIZE, SIZE), Image.Resampling.BOX)
    planes = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None].float() / 255
    return planes[:, :3], planes[:, 3:]


def shaded(draw: Callable[[Sheet], None], background: tuple[float, float, float]) -> Tensor:
    """Image (1, 3, S, S) in [0, 1] of a drawing, rounded by shading and with texture, on a background."""
    sheet = Sheet()
    draw(sheet)
    layers = np.asarray(sheet.picture, dtype=np.float64) / 255
    alpha, side = layers[..., 3:], len(layers)
    noise = np.random.default_rng(0)
    fur, mottle = (gaussian_filter(noise.standard_normal((side, side)), width) for width in ((4, 1.2), 12))
    deep = np.clip(distance_transform_edt(alpha[..., 0] > 0.5) / (ROUND * side), 0, 1)
    light = 1 - SHADE * (1 - np.sqrt(1 - (1 - deep) ** 2))
    light *= 1 + FUR * fur / fur.std() + MOTTLE * mottle / mottle.std()
    shown = (layers[..., :3] * light[..., None]).clip(0, 1) * alpha + (1 - alpha) * np.array(background)
    small = Image.fromarray((shown * 255).round().astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
