"""Silhouettes of several kinds, drawn with ovals and thick lines on a square of side 1, y down."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor

SIZE, FOLD = 256, 2  # pixels; drawn larger and averaged down

# An oval (x, y, rx, ry), or a line: its width and points.
Stroke = tuple[float, float, float, float] | tuple[float, list[tuple[float, float]]]

CAT = [  # from the front, its right paw raised
    (0.47, 0.72, 0.17, 0.2), (0.48, 0.38, 0.19, 0.17), (0.09, [(0.34, 0.63), (0.22, 0.55), (0.17, 0.4)]),
    (0.06, [(0.6, 0.88), (0.78, 0.87), (0.83, 0.72), (0.78, 0.62)]), (0.06, [(0.34, 0.3), (0.31, 0.17)]),
    (0.06, [(0.62, 0.3), (0.65, 0.17)]),
]
DOG = [  # from its side, facing left
    (0.52, 0.53, 0.26, 0.13), (0.05, [(0.74, 0.5), (0.84, 0.4), (0.86, 0.3)]), (0.13, [(0.34, 0.48), (0.25, 0.34)]),
    (0.22, 0.3, 0.1, 0.09), (0.08, [(0.3, 0.58), (0.28, 0.86)]), (0.06, [(0.42, 0.6), (0.43, 0.86)]),
    (0.06, [(0.62, 0.6), (0.61, 0.86)]), (0.08, [(0.72, 0.58), (0.76, 0.86)]),
]
PERSON = [
    (0.21, [(0.5, 0.38), (0.5, 0.56)]), (0.08, [(0.5, 0.3), (0.5, 0.22)]), (0.5, 0.18, 0.08, 0.09),
    (0.07, [(0.38, 0.36), (0.26, 0.5), (0.22, 0.63)]), (0.07, [(0.62, 0.36), (0.75, 0.47), (0.8, 0.6)]),
    (0.09, [(0.44, 0.58), (0.42, 0.88)]), (0.09, [(0.56, 0.58), (0.58, 0.88)]),
]
EAGLE = [
    (0.5, 0.55, 0.1, 0.2), (0.5, 0.31, 0.07, 0.075),
    *((0.17 - 0.02 * k, [(0.5 + s * (0.07 * k + d), 0.5 - 0.03 * k - 0.5 * d) for d in (0.06, 0.13)])
      for s in (-1, 1)
      for k in range(4)),
]
PLANT = [
    (0.26, [(0.44, 0.8), (0.56, 0.8)]), (0.035, [(0.5, 0.8), (0.5, 0.26)]), (0.5, 0.2, 0.1, 0.1),
    (0.06, [(0.5, 0.58), (0.34, 0.5)]), (0.06, [(0.5, 0.55), (0.68, 0.46)]),
]
CAR = [(0.16, [(0.2, 0.55), (0.8, 0.55)]), (0.16, [(0.42, 0.45), (0.6, 0.45)]), (0.3, 0.64, 0.07, 0.07),
       (0.7, 0.64, 0.07, 0.07)]
PENCIL = [(0.07, [(0.2, 0.8), (0.78, 0.22)])]
STRING = [(0.008, [(0.1, 0.5), (0.9, 0.52)])]
BLOB = [(0.5, 0.55, 0.25, 0.3)]
TWO = [(0.3, 0.5, 0.16, 0.2), (0.75, 0.4, 0.1, 0.1)]


def silhouette(strokes: list[Stroke]) -> Tensor:
    """Draw a mask (1, 1, SIZE, SIZE)."""
    side = SIZE * FOLD
    sheet = Image.new("L", (side, side))
    pen = ImageDraw.Draw(sheet)
    for stroke in strokes:
        if len(stroke) == 4:
            x, y, rx, ry = (v * side for v in stroke)
            pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=255)
        else:
            width, points = stroke[0] * side, [(x * side, y * side) for x, y in stroke[1]]
            pen.line(points, fill=255, width=max(1, round(width)), joint="curve")
            for x, y in points:
                pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    small = sheet.resize((SIZE, SIZE), Image.Resampling.BOX)
    return torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(1, 1, SIZE, SIZE).float() / 255


def ring() -> Tensor:
    """Draw a mask with a hole."""
    return (silhouette([(0.5, 0.5, 0.36, 0.36)]) - silhouette([(0.5, 0.5, 0.13, 0.13)])).clamp(0, 1)
