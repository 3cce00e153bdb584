"""Draw response curves with Pillow, which every host has: the contrast of guesses over that of what was denoised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..export.images.canvas import FAINT, INK, Canvas
from .curve import LEVELS, ResponseCurve

SIDE = 260  # pixels of one panel's square
LEFT, TOP, RIGHT, BOTTOM = 46, 34, 14, 40  # pixels around it
LEGEND = 92  # pixels at the right, with the names of the lines
HIGHEST = (1.5, 3.0, 6.0, 15.0, 30.0, 60.0, 150.0)  # contrast of the guess at the top: the first that all are below
COLOURS = ((53, 42, 135), (15, 112, 220), (28, 160, 150), (230, 160, 20), (200, 50, 60))  # by noise, low to high
EMPTY = "No curve was measured."


def draw_curves(curves: Mapping[str, ResponseCurve], cfgs: Mapping[str, Sequence[float]]) -> Tensor:
    """Return one row of panels for each role, one for each of its cfgs, as an image (1, 3, H, W) in [0, 1]."""
    columns = max((len(cfgs[role]) for role in curves), default=1)
    width = columns * (LEFT + SIDE + RIGHT) + LEGEND
    height = max(1, len(curves)) * (TOP + SIDE + BOTTOM)
    plot = Canvas(width, height)
    if not curves:
        plot.text(width / 2, height / 2, EMPTY, "mm")
    for row, (role, curve) in enumerate(curves.items()):
        y = row * (TOP + SIDE + BOTTOM) + TOP
        for column, cfg in enumerate(cfgs[role]):
            x = column * (LEFT + SIDE + RIGHT) + LEFT
            title = f"{role}, cfg {cfg:.3g}" if curve.has_cfg else role
            if cfg == curve.own_cfg and curve.has_cfg:
                title += " (its own)"
            _panel(plot, x, y, title, curve, cfg)
        _legend(plot, len(cfgs[role]) * (LEFT + SIDE + RIGHT) + 8, y)
    return plot.tensor()


def _panel(plot: Canvas, left: float, top: float, title: str, curve: ResponseCurve, cfg: float) -> None:
    """Draw the axes, the diagonal on which nothing moves, and a line for each noise level."""
    highest = next((value for value in HIGHEST if value >= curve.at(cfg).max()), HIGHEST[-1])

    def at(c: float, g: float) -> tuple[float, float]:
        return left + SIDE * c, top + SIDE * (1.0 - min(max(g, 0.0), highest) / highest)

    for tick in (0.0, highest / 3, 2 * highest / 3, highest):
        plot.line([at(0.0, tick), at(1.0, tick)], FAINT, 1.0)
        plot.text(left - 6, at(0.0, tick)[1], f"{tick:g}", "rm")
    for tick in (0.0, 0.5, 1.0):
        plot.line([at(tick, 0.0), at(tick, highest)], FAINT, 1.0)
        plot.text(at(tick, 0.0)[0], top + SIDE + 6, f"{tick:g}", "mt")
    plot.line([at(0.0, 0.0), at(1.0, 1.0)], INK, 1.5)
    for values, colour in zip(curve.at(cfg), COLOURS, strict=True):
        points = [at(c, g) for c, g in zip(curve.contrasts, values, strict=True)]
        plot.line(points, colour, 2.0)
        for x, y in points:
            plot.dot(x, y, colour)
    plot.text(left + SIDE / 2, top - 10, title, "mb")
    plot.text(left + SIDE / 2, top + SIDE + 22, "contrast of the scene", "mt")


def _legend(plot: Canvas, left: float, top: float) -> None:
    plot.text(left, top, "contrast of", "lt")
    plot.text(left, top + 15, "the guess at", "lt")
    for k, (level, colour) in enumerate(zip(LEVELS, COLOURS, strict=True)):
        y = top + 42 + 18 * k
        plot.line([(left, y), (left + 18, y)], colour, 2.0)
        plot.text(left + 24, y, f"t = {level:g}", "lm")
    y = top + 42 + 18 * len(LEVELS)
    plot.line([(left, y), (left + 18, y)], INK, 1.5)
    plot.text(left + 24, y, "no change", "lm")
