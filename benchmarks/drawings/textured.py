"""Drawings to be shaded and textured, with faces: what a user's picture has and a flat drawing has not."""

from __future__ import annotations

from .sheet import Sheet


def owl(s: Sheet) -> None:
    """Large round eyes, a spotted belly, ears."""
    for x in (0.26, 0.74):
        s.oval(x, 0.58, 0.1, 0.22, "#6d5236")
    for x in (0.3, 0.7):
        s.shape([(x, 0.3), (x, 0.1), (1.5 * x, 0.2) if x < 0.5 else (0.55, 0.2)], "#8d6e4c")
    s.oval(0.5, 0.55, 0.24, 0.32, "#8d6e4c")
    s.oval(0.5, 0.34, 0.24, 0.2, "#8d6e4c")
    s.oval(0.5, 0.64, 0.16, 0.2, "#d9bf98")
    for row in range(5):
        for k in range(-2, 3):
            s.oval(0.5 + k * 0.055 + row % 2 * 0.027, 0.53 + row * 0.055, 0.014, 0.02, "#8d6e4c")
    for x in (0.4, 0.6):
        for radius, colour in ((0.085, "#f4ead6"), (0.05, "#f2a900"), (0.03, "#111111")):
            s.oval(x, 0.33, radius, radius, colour)
    s.shape([(0.47, 0.38), (0.53, 0.38), (0.5, 0.45)], "#e08a1e")
    for x in (0.42, 0.58):
        s.oval(x, 0.87, 0.05, 0.025, "#e08a1e")


def tiger(s: Sheet) -> None:
    """Stripes, a face, a thin tail."""
    s.line([(0.7, 0.75), (0.86, 0.7), (0.88, 0.55)], 0.05, "#e58a2b")
    for x in (0.36, 0.64):
        s.line([(x, 0.6), (x, 0.88)], 0.12, "#e58a2b")
        s.oval(1.06 * x - 0.03, 0.17, 0.07, 0.07, "#e58a2b")
    s.oval(0.5, 0.63, 0.2, 0.22, "#e58a2b")
    s.oval(0.5, 0.66, 0.11, 0.15, "#f7ecdc")
    s.oval(0.5, 0.31, 0.22, 0.19, "#e58a2b")
    s.oval(0.5, 0.39, 0.11, 0.08, "#f9efe2")
    for y, w in ((0.145, 0.02), (0.17, 0.03), (0.21, 0.05)):
        s.line([(0.5 - w, y), (0.5, y + 0.02), (0.5 + w, y)], 0.013, "#231a14")
    for sign in (-1, 1):
        for y, outer, inner in [(0.28 + 0.05 * k, 0.215, 0.145) for k in range(3)] + [
            (0.52 + 0.06 * k, 0.19, 0.11) for k in range(6)
        ]:
            s.line([(0.5 + sign * outer, y), (0.5 + sign * inner, y + 0.015)], 0.017, "#231a14")
        for rx, ry, colour in ((0.038, 0.032, "#f5f0d8"), (0.022, 0.026, "#6a9a2d"), (0.012, 0.018, "#0a0a0a")):
            s.oval(0.5 + sign * 0.09, 0.29, rx, ry, colour)
        s.line([(0.5, 0.39), (0.5, 0.41), (0.5 + sign * 0.04, 0.43)], 0.008, "#231a14")
    s.shape([(0.465, 0.35), (0.535, 0.35), (0.5, 0.39)], "#c0564f")


def dog(s: Sheet) -> None:
    """Seen from the side: thin legs, a raised tail, patches."""
    s.line([(0.2, 0.45), (0.1, 0.3)], 0.045, "#c89a62")
    for x, colour in ((0.27, "#c89a62"), (0.34, "#b98a54"), (0.6, "#b98a54"), (0.67, "#c89a62")):
        s.line([(x, 0.55), (x, 0.85)], 0.07, colour)
    s.oval(0.45, 0.5, 0.26, 0.14, "#c89a62")
    s.shape([(0.58, 0.5), (0.64, 0.28), (0.82, 0.34), (0.72, 0.56)], "#c89a62")
    s.oval(0.74, 0.3, 0.13, 0.11, "#c89a62")
    s.oval(0.85, 0.34, 0.075, 0.055, "#e0bf90")
    s.oval(0.915, 0.32, 0.022, 0.018, "#1d1512")
    s.oval(0.68, 0.32, 0.045, 0.1, "#7d4f2a")
    s.oval(0.78, 0.27, 0.018, 0.022, "#15100c")
    s.oval(0.774, 0.263, 0.006, 0.006, "#ffffff")
    s.line([(0.9, 0.37), (0.84, 0.375)], 0.008, "#3a2718")
    for x, y, rx, ry in ((0.4, 0.46, 0.08, 0.06), (0.28, 0.52, 0.05, 0.05), (0.55, 0.56, 0.04, 0.03)):
        s.oval(x, y, rx, ry, "#7d4f2a")
    s.line([(0.62, 0.4), (0.72, 0.45)], 0.03, "#c92a2a")


def person(s: Sheet) -> None:
    """Clothes, a small face, one arm raised."""
    for x, end, y in ((0.4, 0.3, 0.6), (0.6, 0.7, 0.34)):
        s.line([(x, 0.4), (end, y)], 0.075, "#2b6cb0")
        s.oval(end, y, 0.045, 0.045, "#e8b48c")
    for x in (0.44, 0.56):
        s.line([(x, 0.6), (x, 0.88)], 0.085, "#39424e")
        s.oval(x + 0.02, 0.9, 0.055, 0.028, "#7a3b1c")
    s.shape([(0.38, 0.36), (0.62, 0.36), (0.6, 0.64), (0.4, 0.64)], "#2b6cb0")
    for y in (0.42, 0.49, 0.56):
        s.shape([(0.39, y), (0.61, y), (0.61, y + 0.03), (0.39, y + 0.03)], "#f1f5f9")
    s.shape([(0.4, 0.62), (0.6, 0.62), (0.6, 0.66), (0.4, 0.66)], "#4a2f1d")
    s.oval(0.5, 0.34, 0.04, 0.04, "#e8b48c")
    s.oval(0.5, 0.23, 0.1, 0.115, "#e8b48c")
    s.oval(0.5, 0.15, 0.105, 0.07, "#4b2e1c")
    for x in (0.465, 0.535):
        s.oval(x, 0.235, 0.017, 0.013, "#ffffff")
        s.oval(x, 0.235, 0.008, 0.01, "#23354d")
    s.line([(0.46, 0.285), (0.5, 0.297), (0.54, 0.285)], 0.009, "#a8443a")


def car(s: Sheet) -> None:
    """Seen from the side: windows and wheels."""
    s.shape([(0.28, 0.5), (0.38, 0.34), (0.64, 0.34), (0.75, 0.5)], "#c92a3a")
    s.shape([(0.1, 0.52), (0.28, 0.47), (0.76, 0.47), (0.9, 0.53), (0.9, 0.66), (0.1, 0.66)], "#c92a3a")
    s.shape([(0.33, 0.48), (0.4, 0.37), (0.49, 0.37), (0.49, 0.48)], "#a9d3ea")
    s.shape([(0.52, 0.48), (0.52, 0.37), (0.62, 0.37), (0.7, 0.48)], "#a9d3ea")
    s.line([(0.1, 0.585), (0.9, 0.585)], 0.02, "#ffffff")
    for x in (0.27, 0.73):
        for radius, colour in ((0.085, "#1c1c1f"), (0.045, "#c6c9cf")):
            s.oval(x, 0.66, radius, radius, colour)


def eagle(s: Sheet) -> None:
    """Spread wings with feathers."""
    for sign in (-1, 1):
        for k in range(7):
            end = (0.5 + sign * (0.44 - 0.05 * k), 0.2 + 0.09 * k)
            s.line([(0.5 + sign * 0.08, 0.42 + 0.02 * k), end], 0.06, "#4a331f" if k % 2 else "#6b4c30")
    s.shape([(0.42, 0.6), (0.58, 0.6), (0.62, 0.85), (0.38, 0.85)], "#efe9dc")
    s.oval(0.5, 0.52, 0.11, 0.2, "#5b4028")
    s.oval(0.5, 0.28, 0.085, 0.09, "#f4efe4")
    for x in (0.465, 0.535):
        s.oval(x, 0.27, 0.013, 0.013, "#f0b400")
        s.oval(x, 0.27, 0.007, 0.007, "#000000")
    s.shape([(0.47, 0.3), (0.53, 0.3), (0.5, 0.37)], "#f0a818")


def guitar(s: Sheet) -> None:
    """Long and thin, leaning."""
    s.line([(0.42, 0.6), (0.84, 0.14)], 0.035, "#3b2415")
    s.line([(0.82, 0.16), (0.88, 0.1)], 0.06, "#2a1a10")
    s.oval(0.28, 0.74, 0.16, 0.15, "#b5702e")
    s.oval(0.41, 0.6, 0.115, 0.11, "#b5702e")
    s.oval(0.36, 0.65, 0.05, 0.05, "#1a120c")
    for k in (-1, 0, 1):
        s.line([(0.24 + 0.008 * k, 0.77 + 0.008 * k), (0.86 + 0.008 * k, 0.12 + 0.008 * k)], 0.004, "#eeeeee")
