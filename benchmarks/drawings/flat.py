"""Drawings in flat colours with their alpha: a lying body, thin arms, a hole, several pieces."""

from __future__ import annotations

import numpy as np

from .sheet import Sheet


def fish(s: Sheet) -> None:
    """A lying body with fins."""
    s.shape([(0.62, 0.5), (0.9, 0.3), (0.84, 0.5), (0.9, 0.7)], "#d9480f")
    s.shape([(0.32, 0.36), (0.48, 0.2), (0.58, 0.38)], "#e8590c")
    s.oval(0.42, 0.5, 0.3, 0.19, "#fd7e14")
    for x in (0.4, 0.54):
        s.shape([(x - 0.03, 0.32), (x + 0.03, 0.33), (x + 0.03, 0.67), (x - 0.03, 0.68)], "#fff4e6")
    s.oval(0.24, 0.45, 0.045, 0.045, "#ffffff")
    s.oval(0.23, 0.45, 0.022, 0.022, "#212529")


def cactus(s: Sheet) -> None:
    """Thin arms on a pot."""
    s.line([(0.5, 0.7), (0.5, 0.2)], 0.13, "#2f9e44")
    s.oval(0.5, 0.2, 0.065, 0.065, "#2f9e44")
    s.line([(0.5, 0.52), (0.3, 0.52), (0.3, 0.34)], 0.08, "#37b24d")
    s.line([(0.5, 0.45), (0.7, 0.45), (0.7, 0.3)], 0.08, "#37b24d")
    s.oval(0.5, 0.13, 0.05, 0.04, "#f06595")
    s.shape([(0.34, 0.66), (0.66, 0.66), (0.61, 0.9), (0.39, 0.9)], "#b35c2e")
    s.shape([(0.32, 0.63), (0.68, 0.63), (0.68, 0.69), (0.32, 0.69)], "#c9713f")


def ring(s: Sheet) -> None:
    """A doughnut: a hole."""
    s.oval(0.5, 0.5, 0.34, 0.34, "#e0a96d")
    s.oval(0.5, 0.49, 0.31, 0.3, "#f783ac")
    for k in range(14):
        a = 2.4 * k
        r = 0.2 + 0.035 * (k % 3)
        s.oval(0.5 + r * np.cos(a), 0.49 + r * np.sin(a), 0.018, 0.018, ("#ffe066", "#74c0fc", "#ffffff")[k % 3])
    s.hole(0.5, 0.5, 0.12, 0.12)


def balloons(s: Sheet) -> None:
    """Three pieces that do not touch."""
    for x, y, colour in ((0.27, 0.42, "#e03131"), (0.52, 0.28, "#1971c2"), (0.75, 0.46, "#f08c00")):
        s.line([(x, y + 0.16), (x + 0.01, y + 0.4)], 0.012, "#868e96")
        s.shape([(x, y + 0.14), (x - 0.03, y + 0.19), (x + 0.03, y + 0.19)], colour)
        s.oval(x, y, 0.115, 0.15, colour)
        s.oval(x - 0.04, y - 0.06, 0.025, 0.035, "#ffffff")
