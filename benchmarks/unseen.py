"""Shaded and textured pictures of further kinds: limbs that touch, holes, thin bars, pale on white, dark on dark."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

from .pictures import Sheet

WHITE, DARK, GREEN = (1.0, 1.0, 1.0), (0.09, 0.09, 0.11), (0.83, 0.89, 0.83)  # backgrounds


def fox(s: Sheet) -> None:
    """Sits, seen from the front; a large tail lies at its side."""
    s.line([(0.64, 0.82), (0.8, 0.76), (0.84, 0.6)], 0.13, "#d9692a")
    s.oval(0.84, 0.57, 0.07, 0.08, "#f5efe6")
    s.oval(0.5, 0.68, 0.17, 0.22, "#d9692a")
    s.oval(0.5, 0.64, 0.09, 0.14, "#f5efe6")
    for x in (0.43, 0.57):
        s.line([(x, 0.66), (x, 0.88)], 0.075, "#c65b22")
        s.oval(x, 0.89, 0.05, 0.025, "#2a1c16")
    for sign in (-1, 1):
        s.shape([(0.5 + sign * 0.05, 0.24), (0.5 + sign * 0.2, 0.28), (0.5 + sign * 0.17, 0.08)], "#c65b22")
        s.shape([(0.5 + sign * 0.09, 0.23), (0.5 + sign * 0.17, 0.25), (0.5 + sign * 0.155, 0.13)], "#3a2018")
    s.oval(0.5, 0.34, 0.2, 0.15, "#d9692a")
    s.shape([(0.32, 0.38), (0.5, 0.36), (0.68, 0.38), (0.5, 0.5)], "#f5efe6")
    for x in (0.42, 0.58):
        s.oval(x, 0.33, 0.024, 0.028, "#1b120d")
        s.oval(x - 0.007, 0.322, 0.007, 0.007, "#ffffff")
    s.oval(0.5, 0.46, 0.025, 0.018, "#1b120d")


def elephant(s: Sheet) -> None:
    """Seen from the side: a hanging trunk, thick legs, a large ear."""
    s.line([(0.2, 0.42), (0.14, 0.55), (0.15, 0.62)], 0.02, "#7d8590")
    for x, colour in ((0.3, "#8a929e"), (0.4, "#757d88"), (0.56, "#757d88"), (0.66, "#8a929e")):
        s.line([(x, 0.55), (x, 0.86)], 0.1, colour)
        s.oval(x, 0.865, 0.05, 0.02, "#cfc9ba")
    s.oval(0.46, 0.46, 0.28, 0.2, "#8f97a3")
    s.oval(0.74, 0.36, 0.13, 0.13, "#8f97a3")
    s.line([(0.83, 0.4), (0.89, 0.55), (0.87, 0.7), (0.91, 0.74)], 0.06, "#868e9a")
    s.line([(0.8, 0.46), (0.86, 0.55), (0.93, 0.56)], 0.02, "#f3ead2")
    s.oval(0.64, 0.38, 0.1, 0.14, "#7d8590")
    s.oval(0.79, 0.33, 0.016, 0.018, "#16130f")


def tree(s: Sheet) -> None:
    """A trunk under a crown of leaves with apples."""
    s.shape([(0.45, 0.5), (0.55, 0.5), (0.58, 0.92), (0.42, 0.92)], "#6b4526")
    s.line([(0.5, 0.62), (0.68, 0.5)], 0.04, "#6b4526")
    for x, y, r in ((0.5, 0.28, 0.2), (0.32, 0.38, 0.15), (0.68, 0.38, 0.15), (0.5, 0.44, 0.16), (0.72, 0.47, 0.08)):
        s.oval(x, y, r, r, "#3f8a3a")
    for x, y in ((0.4, 0.2), (0.58, 0.3), (0.3, 0.4), (0.7, 0.4), (0.48, 0.46)):
        s.oval(x, y, 0.028, 0.028, "#cf2f2f")


def ship(s: Sheet) -> None:
    """A hull, two masts and sails with gaps between."""
    s.shape([(0.1, 0.68), (0.9, 0.66), (0.8, 0.86), (0.22, 0.86)], "#7a4a26")
    s.line([(0.12, 0.73), (0.87, 0.72)], 0.02, "#e0b64a")
    for x, top in ((0.4, 0.12), (0.66, 0.22)):
        s.line([(x, top), (x, 0.7)], 0.02, "#4d2f1a")
    s.shape([(0.27, 0.2), (0.53, 0.2), (0.56, 0.38), (0.24, 0.38)], "#efe4cc")
    s.shape([(0.24, 0.42), (0.56, 0.42), (0.58, 0.6), (0.22, 0.6)], "#e6d8ba")
    s.shape([(0.62, 0.3), (0.78, 0.3), (0.84, 0.58), (0.62, 0.58)], "#efe4cc")
    s.shape([(0.4, 0.08), (0.52, 0.11), (0.4, 0.15)], "#c92a2a")


def bicycle(s: Sheet) -> None:
    """Rings and thin bars with holes between."""
    for x in (0.26, 0.74):
        s.oval(x, 0.62, 0.18, 0.18, "#26262b")
        s.hole(x, 0.62, 0.15, 0.15)
        for dx, dy in ((0.15, 0), (0.1, 0.11), (0, 0.15), (-0.1, 0.11)):
            s.line([(x - dx, 0.62 - dy), (x + dx, 0.62 + dy)], 0.008, "#9aa0a8")
        s.oval(x, 0.62, 0.025, 0.025, "#555b63")
    s.line([(0.26, 0.62), (0.38, 0.4), (0.66, 0.4), (0.48, 0.64), (0.26, 0.62)], 0.028, "#d0342c")
    s.line([(0.48, 0.64), (0.36, 0.34)], 0.028, "#d0342c")
    s.line([(0.74, 0.62), (0.64, 0.3), (0.72, 0.27)], 0.026, "#d0342c")
    s.line([(0.3, 0.33), (0.42, 0.33)], 0.04, "#3a2a20")
    s.oval(0.48, 0.64, 0.04, 0.04, "#555b63")


def hammer(s: Sheet) -> None:
    """A tool: a wooden handle, an iron head."""
    s.line([(0.28, 0.86), (0.6, 0.3)], 0.07, "#b67a3e")
    s.line([(0.26, 0.9), (0.36, 0.72)], 0.085, "#8c2f2a")
    s.shape([(0.42, 0.12), (0.52, 0.08), (0.8, 0.26), (0.76, 0.4), (0.64, 0.38), (0.48, 0.27)], "#6e757e")
    s.shape([(0.42, 0.12), (0.52, 0.08), (0.54, 0.14), (0.44, 0.22)], "#565c64")


def logo(s: Sheet) -> None:
    """A shield with letters."""
    s.shape([(0.18, 0.16), (0.5, 0.1), (0.82, 0.16), (0.8, 0.56), (0.5, 0.9), (0.2, 0.56)], "#14467c")
    s.shape([(0.23, 0.2), (0.5, 0.15), (0.77, 0.2), (0.75, 0.54), (0.5, 0.83), (0.25, 0.54)], "#2f7fd0")
    for points in ([(0.3, 0.58), (0.37, 0.28), (0.44, 0.58)], [(0.33, 0.48), (0.41, 0.48)], [(0.5, 0.58), (0.5, 0.28)],
                   [(0.5, 0.3), (0.58, 0.36), (0.5, 0.43), (0.59, 0.5), (0.5, 0.57)], [(0.72, 0.32), (0.65, 0.3),
                   (0.63, 0.43), (0.65, 0.56), (0.72, 0.54)]):
        s.line(points, 0.035, "#ffd43b")


def dragon(s: Sheet) -> None:
    """Wings that lie at the body, a long tail, legs that touch."""
    s.line([(0.6, 0.76), (0.8, 0.84), (0.92, 0.74), (0.9, 0.62)], 0.06, "#3d8b4b")
    s.shape([(0.86, 0.64), (0.9, 0.54), (0.95, 0.64)], "#2b6636")
    for sign in (-1, 1):
        wing = [(0.1, 0.42), (0.26, 0.2), (0.44, 0.26), (0.36, 0.42), (0.32, 0.56), (0.2, 0.56), (0.12, 0.66)]
        s.shape([(0.5 + sign * x, y) for x, y in wing], "#a8433a")
        s.line([(0.5 + sign * 0.1, 0.44), (0.5 + sign * 0.26, 0.2), (0.5 + sign * 0.44, 0.26)], 0.025, "#7c2c26")
    for x in (0.42, 0.58):
        s.line([(x, 0.74), (x, 0.89)], 0.11, "#357a42")
    s.oval(0.5, 0.63, 0.16, 0.21, "#3d8b4b")
    s.oval(0.5, 0.66, 0.09, 0.16, "#e3d38a")
    for y in (0.56, 0.62, 0.68, 0.74):
        s.line([(0.43, y), (0.57, y)], 0.008, "#b7a55c")
    s.oval(0.5, 0.3, 0.14, 0.13, "#3d8b4b")
    s.oval(0.5, 0.37, 0.1, 0.07, "#57a764")
    for sign in (-1, 1):
        s.shape([(0.5 + sign * 0.05, 0.2), (0.5 + sign * 0.11, 0.22), (0.5 + sign * 0.11, 0.08)], "#e3d38a")
        s.oval(0.5 + sign * 0.06, 0.27, 0.03, 0.032, "#fff6c2")
        s.oval(0.5 + sign * 0.06, 0.275, 0.012, 0.024, "#1a1a1a")
        s.oval(0.5 + sign * 0.03, 0.36, 0.01, 0.012, "#1e4a27")


def snake(s: Sheet) -> None:
    """Long, in curves."""
    way = [(0.12, 0.78), (0.3, 0.86), (0.46, 0.76), (0.5, 0.62), (0.62, 0.56), (0.78, 0.6), (0.84, 0.48), (0.76, 0.36),
           (0.6, 0.34), (0.5, 0.24)]
    s.line(way, 0.075, "#6f9a2e")
    for (x, y), (u, v) in zip(way[1:-1], way[2:], strict=True):
        s.oval((x + u) / 2, (y + v) / 2, 0.022, 0.022, "#3f5a18")
    s.oval(0.47, 0.2, 0.085, 0.06, "#7aa835")
    s.oval(0.44, 0.18, 0.016, 0.018, "#111111")
    s.line([(0.4, 0.22), (0.32, 0.24)], 0.01, "#c92a2a")


def couple(s: Sheet) -> None:
    """Two people who hold hands: a loop."""
    for x, shirt, hair in ((0.3, "#c2453d", "#3a2517"), (0.7, "#3f7d58", "#c79a4a")):
        for dx in (-0.045, 0.045):
            s.line([(x + dx, 0.62), (x + dx, 0.88)], 0.065, "#2f3b52")
            s.oval(x + dx, 0.9, 0.04, 0.022, "#5a3420")
        sign = 1 if x < 0.5 else -1
        s.line([(x + sign * 0.06, 0.42), (x + sign * 0.2, 0.6)], 0.055, shirt)
        s.line([(x - sign * 0.07, 0.42), (x - sign * 0.14, 0.6)], 0.055, shirt)
        s.oval(x - sign * 0.14, 0.61, 0.033, 0.033, "#e8b48c")
        s.shape([(x - 0.09, 0.38), (x + 0.09, 0.38), (x + 0.08, 0.66), (x - 0.08, 0.66)], shirt)
        s.oval(x, 0.27, 0.075, 0.09, "#e8b48c")
        s.oval(x, 0.2, 0.08, 0.05, hair)
        s.line([(x, 0.34), (x, 0.39)], 0.05, "#e8b48c")
        for dx in (-0.027, 0.027):
            s.oval(x + dx, 0.27, 0.01, 0.012, "#1c2430")
        s.line([(x - 0.03, 0.31), (x, 0.32), (x + 0.03, 0.31)], 0.007, "#a8443a")
    s.oval(0.5, 0.6, 0.034, 0.03, "#e8b48c")


def wreath(s: Sheet) -> None:
    """A ring of leaves around a hole, with a bow."""
    for k in range(40):
        a, r = 2 * pi * k / 40, 0.29 + 0.05 * (k % 3 - 1)
        s.oval(0.5 + r * cos(a), 0.48 + r * sin(a), 0.06, 0.05, ("#2f7d3a", "#3f9448", "#256330")[k % 3])
    for k in range(9):
        a = 2 * pi * k / 9
        s.oval(0.5 + 0.3 * cos(a), 0.48 + 0.3 * sin(a), 0.022, 0.022, "#d23b3b")
    for sign in (-1, 1):
        s.shape([(0.5, 0.78), (0.5 + sign * 0.14, 0.71), (0.5 + sign * 0.14, 0.86)], "#c22f35")
        s.line([(0.5, 0.78), (0.5 + sign * 0.08, 0.93)], 0.04, "#a8262c")


def goose(s: Sheet) -> None:
    """White on white, seen from the side."""
    for x in (0.44, 0.54):
        s.line([(x, 0.68), (x, 0.86)], 0.025, "#e0851e")
        s.line([(x, 0.87), (x + 0.07, 0.88)], 0.03, "#e0851e")
    s.line([(0.64, 0.56), (0.72, 0.4), (0.7, 0.22)], 0.08, "#f4f4f0")
    s.shape([(0.14, 0.46), (0.34, 0.48), (0.3, 0.62)], "#eeeeea")
    s.oval(0.48, 0.58, 0.23, 0.15, "#f6f6f2")
    s.oval(0.44, 0.56, 0.15, 0.09, "#e2e2de")
    s.oval(0.71, 0.2, 0.07, 0.06, "#f6f6f2")
    s.shape([(0.76, 0.18), (0.88, 0.22), (0.76, 0.25)], "#e0851e")
    s.oval(0.72, 0.19, 0.012, 0.013, "#15100c")


def cat(s: Sheet) -> None:
    """Black on dark, its tail raised at its side."""
    s.line([(0.62, 0.84), (0.8, 0.78), (0.8, 0.5), (0.86, 0.42)], 0.05, "#34343c")
    s.oval(0.5, 0.68, 0.18, 0.21, "#3a3a43")
    for x in (0.43, 0.57):
        s.line([(x, 0.62), (x, 0.88)], 0.08, "#40404a")
    for sign in (-1, 1):
        s.shape([(0.5 + sign * 0.04, 0.24), (0.5 + sign * 0.17, 0.28), (0.5 + sign * 0.15, 0.1)], "#34343c")
    s.oval(0.5, 0.34, 0.18, 0.15, "#3e3e48")
    for x in (0.43, 0.57):
        s.oval(x, 0.33, 0.035, 0.03, "#d8c93a")
        s.oval(x, 0.33, 0.01, 0.026, "#0a0a0a")
    s.shape([(0.48, 0.385), (0.52, 0.385), (0.5, 0.41)], "#b77a80")


def guitarist(s: Sheet) -> None:
    """A tiger with a guitar across its body: its arms and the neck make loops, its tail touches its leg."""
    s.line([(0.6, 0.8), (0.76, 0.84), (0.84, 0.72), (0.8, 0.6)], 0.045, "#e58a2b")
    for x in (0.41, 0.59):
        s.line([(x, 0.68), (x, 0.88)], 0.11, "#e58a2b")
        s.oval(x, 0.9, 0.065, 0.03, "#f7ecdc")
        s.oval(1.2 * x - 0.1, 0.12, 0.055, 0.055, "#e58a2b")
    s.oval(0.5, 0.6, 0.17, 0.2, "#e58a2b")
    s.oval(0.5, 0.63, 0.1, 0.14, "#f7ecdc")
    s.oval(0.5, 0.25, 0.18, 0.16, "#e58a2b")
    s.oval(0.5, 0.31, 0.1, 0.07, "#f9efe2")
    for sign in (-1, 1):
        for y in (0.2, 0.25, 0.3):
            s.line([(0.5 + sign * 0.175, y), (0.5 + sign * 0.115, y + 0.012)], 0.015, "#231a14")
        for y in (0.5, 0.56, 0.62, 0.68):
            s.line([(0.5 + sign * 0.165, y), (0.5 + sign * 0.1, y + 0.012)], 0.015, "#231a14")
        s.oval(0.5 + sign * 0.07, 0.23, 0.03, 0.026, "#f5f0d8")
        s.oval(0.5 + sign * 0.07, 0.23, 0.012, 0.016, "#0a0a0a")
    s.shape([(0.47, 0.28), (0.53, 0.28), (0.5, 0.31)], "#c0564f")
    s.line([(0.46, 0.66), (0.86, 0.36)], 0.035, "#3b2415")
    s.oval(0.42, 0.68, 0.12, 0.09, "#b5702e")
    s.oval(0.42, 0.68, 0.035, 0.035, "#1a120c")
    s.line([(0.36, 0.48), (0.24, 0.58), (0.36, 0.68)], 0.065, "#d97f22")
    s.line([(0.64, 0.48), (0.78, 0.58), (0.76, 0.45)], 0.065, "#d97f22")


def bear(s: Sheet) -> None:
    """A flat cartoon over a cast shadow on the floor, a paw raised."""
    s.oval(0.5, 0.92, 0.3, 0.035, "#b9c2b9")
    for x in (0.41, 0.59):
        s.oval(x, 0.85, 0.075, 0.075, "#8a5a34")
        s.oval(2.2 * x - 0.6, 0.15, 0.06, 0.06, "#8a5a34")
    s.line([(0.62, 0.52), (0.8, 0.34)], 0.09, "#8a5a34")
    s.line([(0.38, 0.52), (0.27, 0.68)], 0.09, "#8a5a34")
    s.oval(0.5, 0.64, 0.18, 0.21, "#9c6a40")
    s.oval(0.5, 0.66, 0.11, 0.14, "#e5cba4")
    s.oval(0.5, 0.29, 0.19, 0.16, "#9c6a40")
    s.oval(0.5, 0.34, 0.085, 0.065, "#e5cba4")
    s.oval(0.5, 0.31, 0.03, 0.022, "#20140d")
    for x in (0.43, 0.57):
        s.oval(x, 0.26, 0.018, 0.02, "#20140d")


UNSEEN: dict[str, tuple[Callable[[Sheet], None], tuple[float, float, float]]] = {
    each.__name__: (each, background)
    for background, drawn in (
        (WHITE, (fox, elephant, tree, ship, bicycle, hammer, logo, dragon, snake, couple, wreath, goose, guitarist)),
        (DARK, (cat,)),
        (GREEN, (bear,)),
    )
    for each in drawn
}
