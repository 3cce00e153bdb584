"""Curves of the scores over scene time: a panel for each figure, a line for each scene."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

from torch import Tensor

from ..export.images.canvas import FAINT, INK, Canvas
from .scores import SceneScores
from .table import COLUMNS

WIDTH, HEIGHT = 200, 120  # pixels of a panel's axes
LEFT, TOP, RIGHT, BOTTOM = 58, 30, 14, 34  # pixels around them
PANELS = 4  # in a row
LINE = 18  # pixels of a line of the legend
COLOURS = (
    (15, 112, 220), (200, 50, 60), (28, 160, 110), (230, 150, 20), (120, 70, 180), (90, 90, 90), (0, 160, 190),
    (190, 90, 150),
)
MAX_NAME = 40  # characters of a scene's name in the legend
EMPTY = "No curve was measured."


def draw_scores(scores: Sequence[SceneScores]) -> Tensor:
    """Return the plot as an image (1, 3, H, W) in [0, 1]; with more scenes than colours, all are grey, the mean is not.

    A curve of F has a value for each pair of frames, one of flicker for each three: all are drawn over time 0 to 1."""
    names = [name for name in COLUMNS if any(name in scene.curves for scene in scores)]
    columns = min(PANELS, max(1, len(names)))
    rows = ceil(max(1, len(names)) / columns)
    legend = len(scores) if len(scores) <= len(COLOURS) else 2
    height = rows * (TOP + HEIGHT + BOTTOM) + LINE * legend + 12
    canvas = Canvas(max(320, columns * (LEFT + WIDTH + RIGHT)), height)
    if not names:
        canvas.text(160, height / 2, EMPTY, "mm")
    for k, name in enumerate(names):
        x = (k % columns) * (LEFT + WIDTH + RIGHT) + LEFT
        y = (k // columns) * (TOP + HEIGHT + BOTTOM) + TOP
        _panel(canvas, x, y, name, [scene.curves.get(name, []) for scene in scores])
    _legend(canvas, scores, rows * (TOP + HEIGHT + BOTTOM))
    return canvas.tensor()


def _panel(canvas: Canvas, left: float, top: float, name: str, curves: Sequence[Sequence[float]]) -> None:
    """Draw axes whose range is that of the values, and the curves."""
    drawn = [list(curve) for curve in curves if len(curve) > 0]
    ticks = nice_ticks(min(map(min, drawn)), max(map(max, drawn)))
    low, high = ticks[0], ticks[-1]

    def at(share: float, value: float) -> tuple[float, float]:
        return left + WIDTH * share, top + HEIGHT * (1.0 - (value - low) / (high - low))

    for tick in ticks:
        canvas.line([at(0.0, tick), at(1.0, tick)], FAINT, 1.0)
        canvas.text(left - 6, at(0.0, tick)[1], f"{tick:.6g}", "rm")
    for share in (0.0, 0.5, 1.0):
        canvas.text(at(share, low)[0], top + HEIGHT + 5, f"{share:g}", "mt")
    canvas.text(left + WIDTH / 2, top - 8, COLUMNS[name][0], "mb")
    many = len(curves) > len(COLOURS)
    for k, curve in enumerate(curves):
        _curve(canvas, at, curve, FAINT if many else COLOURS[k], 1.0 if many else 2.0)
    if many and len({len(curve) for curve in drawn}) == 1:
        mean = [sum(values) / len(values) for values in zip(*drawn, strict=True)]
        _curve(canvas, at, mean, INK, 2.5)


def _curve(canvas: Canvas, at, values: Sequence[float], colour: tuple[int, int, int], width: float) -> None:
    points = [at(k / max(1, len(values) - 1), value) for k, value in enumerate(values)]
    if len(points) == 1:
        canvas.dot(*points[0], colour)
    elif points:
        canvas.line(points, colour, width)


def nice_ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers that reach from the lowest value or below to the highest or above."""
    if high - low < 1e-9:
        step = 10.0 ** floor(log10(max(abs(high), 1e-3)))
        below = floor(low / step + 1e-9)
        return [round(k * step, 12) for k in (below - 1, below, below + 1)]
    raw = (high - low) / 3
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def _legend(canvas: Canvas, scores: Sequence[SceneScores], top: float) -> None:
    canvas.text(LEFT + WIDTH / 2, top - 12, "scene time", "mm")
    if len(scores) > len(COLOURS):
        entries = [(f"{len(scores)} scenes", FAINT), ("their mean", INK)]
    else:
        entries = [(scene.name[:MAX_NAME], COLOURS[k]) for k, scene in enumerate(scores)]
    for k, (text, colour) in enumerate(entries):
        y = top + LINE * k + LINE / 2
        canvas.line([(LEFT, y), (LEFT + 22, y)], colour, 2.5)
        canvas.text(LEFT + 30, y, text, "lm")
