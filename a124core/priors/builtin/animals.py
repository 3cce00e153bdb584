"""Animals, front towards +z, feet near y = -0.46. Sizes in world units (the reference camera sees +-0.655)."""

from __future__ import annotations

from .subject import ARM_P, BODY, HEAD, LEG_P, TAIL, Paint, Part, Subject, both, build_subject
from .surfaces import ball, tube

BLACK = (0.10, 0.10, 0.12)
WHITE = (0.97, 0.97, 0.98)
ORANGE = (0.98, 0.55, 0.10)
PINK = (0.98, 0.60, 0.62)


def eyes(x: float, y: float, z: float, r: float, white: float = 0.0, limb: int = HEAD) -> tuple[Part, ...]:
    """Make two round dark eyes with a highlight each; white: radius of the ball behind, 0 for none."""
    parts = both(Part(ball((x, y, z), (r, r * 1.15, r * 0.7)), BLACK, limb, unlit=0.7))
    for side in (x, -x):  # both highlights are on the viewer's left: one light
        parts += (Part(ball((side - 0.3 * r, y + 0.45 * r, z + 0.6 * r), (0.34 * r,) * 3), WHITE, limb, unlit=1.0),)
    if white:
        parts += both(Part(ball((x, y, z - 0.45 * white), (white, white * 1.1, white * 0.7)), WHITE, limb, unlit=0.5))
    return parts


def duck() -> Subject:
    yellow, wing = (0.99, 0.83, 0.16), (0.95, 0.70, 0.10)
    parts = (
        Part(ball((0, -0.20, -0.03), (0.25, 0.21, 0.31), (8, 0, 0)), yellow),
        Part(tube([(0, -0.12, -0.28), (0, -0.06, -0.37), (0, 0.06, -0.42)], [0.11, 0.07, 0.03]), yellow, TAIL),
        Part(ball((0, 0.14, 0.12), (0.185, 0.18, 0.18)), yellow, HEAD),
        Part(tube([(0, -0.05, 0.08), (0, 0.08, 0.11)], 0.12), yellow, HEAD),
        Part(ball((0, 0.095, 0.31), (0.105, 0.026, 0.10), (8, 0, 0)), ORANGE, HEAD),
        Part(ball((0, 0.065, 0.29), (0.075, 0.024, 0.075), (14, 0, 0)), (0.85, 0.38, 0.06), HEAD),
        Part(tube([(0, 0.30, 0.11), (0, 0.37, 0.10), (0.01, 0.38, 0.04)], [0.035, 0.022]), wing, HEAD),
        *eyes(0.085, 0.185, 0.268, 0.036),
        *both(
            Part(ball((0.245, -0.17, -0.05), (0.055, 0.12, 0.19), (18, 0, -14)), wing, ARM_P),
            Part(tube([(0.10, -0.36, 0.02), (0.10, -0.45, 0.04)], 0.03), ORANGE, LEG_P),
            Part(ball((0.105, -0.465, 0.09), (0.075, 0.024, 0.10)), ORANGE, LEG_P),
        ),
    )
    pivots = {HEAD: (0, 0.0, 0.06), ARM_P: (0.22, -0.08, 0.0), LEG_P: (0.1, -0.33, 0), TAIL: (0, -0.13, -0.26)}
    return build_subject("duck", parts, pivots)


def panda() -> Subject:
    parts = (
        Part(ball((0, -0.20, 0), (0.235, 0.23, 0.20)), WHITE, BODY, (Paint((0, -0.04, 0), (0.5, 0.075, 0.5), BLACK),)),
        Part(ball((0, 0.17, 0.03), (0.235, 0.20, 0.195)), WHITE, HEAD),
        Part(ball((0, 0.105, 0.19), (0.095, 0.07, 0.06)), WHITE, HEAD),
        Part(ball((0, 0.14, 0.245), (0.038, 0.026, 0.025)), BLACK, HEAD, unlit=0.5),
        Part(tube([(-0.045, 0.085, 0.237), (0, 0.058, 0.25), (0.045, 0.085, 0.237)], 0.010), BLACK, HEAD),
        Part(ball((0, -0.28, -0.20), (0.06, 0.06, 0.06)), BLACK, TAIL),
        *eyes(0.087, 0.19, 0.218, 0.022),
        *both(
            Part(ball((0.095, 0.185, 0.185), (0.056, 0.073, 0.04), (0, 20, 24)), BLACK, HEAD),
            Part(ball((0.175, 0.335, -0.01), (0.078, 0.078, 0.05)), BLACK, HEAD),
            Part(tube([(0.18, -0.06, 0.02), (0.29, -0.14, 0.07), (0.27, -0.24, 0.13)], [0.078, 0.072]), BLACK, ARM_P),
            Part(tube([(0.13, -0.36, 0.02), (0.16, -0.38, 0.20)], [0.095, 0.088]), BLACK, LEG_P),
            Part(ball((0.162, -0.38, 0.278), (0.05, 0.055, 0.022)), PINK, LEG_P),
        ),
    )
    pivots = {HEAD: (0, 0.0, 0), ARM_P: (0.18, -0.06, 0.02), TAIL: (0, -0.28, -0.18), LEG_P: (0.13, -0.34, 0.03)}
    return build_subject("panda", parts, pivots)


def cat() -> Subject:
    fur, stripe, cream = (0.96, 0.58, 0.20), (0.66, 0.30, 0.06), (1.0, 0.93, 0.80)
    bands = tuple(Paint((0, y, -0.16), (0.4, 0.026, 0.2), stripe) for y in (-0.02, -0.12, -0.22, -0.32))
    brow = tuple(Paint((x, 0.33, 0.12), (0.018, 0.09, 0.14), stripe) for x in (-0.06, 0.0, 0.06))
    cheek = tuple(Paint((s * 0.27, y, 0.06), (0.12, 0.018, 0.14), stripe) for s in (-1, 1) for y in (0.10, 0.16))
    chest = Paint((0, -0.18, 0.2), (0.12, 0.19, 0.13), cream)
    tail = [(0, -0.36, -0.17), (0.20, -0.47, -0.24), (0.36, -0.38, -0.16), (0.33, -0.13, -0.14)]
    tip = Paint((0.33, -0.15, -0.14), (0.09, 0.07, 0.09), stripe)
    parts = (
        Part(ball((0, -0.22, -0.02), (0.20, 0.25, 0.19)), fur, BODY, (*bands, chest)),
        Part(ball((0, 0.17, 0.05), (0.235, 0.195, 0.19)), fur, HEAD, brow + cheek),
        *both(Part(ball((0.043, 0.10, 0.215), (0.06, 0.05, 0.045)), cream, HEAD)),
        Part(ball((0, 0.135, 0.255), (0.032, 0.022, 0.02)), (0.95, 0.40, 0.45), HEAD, unlit=0.5),
        Part(tube(tail, [0.05, 0.046, 0.042]), fur, TAIL, (tip,)),
        *both(
            Part(ball((0.095, 0.205, 0.20), (0.050, 0.054, 0.036)), (0.55, 0.85, 0.30), HEAD, unlit=0.6),
            Part(ball((0.093, 0.205, 0.226), (0.018, 0.042, 0.018)), BLACK, HEAD, unlit=0.7),
            Part(tube([(0.13, 0.28, 0.03), (0.185, 0.43, 0.02)], [0.085, 0.012]), fur, HEAD),
            Part(tube([(0.138, 0.29, 0.085), (0.180, 0.39, 0.045)], [0.045, 0.008]), PINK, HEAD),
            Part(tube([(0.095, -0.20, 0.13), (0.10, -0.42, 0.16)], [0.065, 0.058]), fur, ARM_P),
            Part(ball((0.10, -0.445, 0.195), (0.066, 0.042, 0.075)), cream, ARM_P),
            Part(ball((0.175, -0.36, 0.0), (0.095, 0.115, 0.16)), fur, LEG_P),
            Part(ball((0.20, -0.45, 0.13), (0.06, 0.037, 0.075)), cream, LEG_P),
        ),
    )
    pivots = {HEAD: (0, 0.02, 0), ARM_P: (0.1, -0.16, 0.1), TAIL: (0, -0.36, -0.17), LEG_P: (0.17, -0.38, 0)}
    return build_subject("cat", parts, pivots)


def penguin() -> Subject:
    navy, scarf = (0.13, 0.17, 0.33), (0.90, 0.16, 0.18)
    belly = Paint((0, -0.20, 0.20), (0.175, 0.27, 0.16), WHITE)
    front = [(-0.17, 0.06, -0.03), (-0.13, 0.05, 0.20), (0.13, 0.05, 0.20), (0.17, 0.06, -0.03)]
    back = [(0.17, 0.06, -0.03), (0.13, 0.06, -0.20), (-0.13, 0.06, -0.20), (-0.17, 0.06, -0.03)]
    face = tuple(Paint((s * 0.075, 0.20, 0.20), (0.098, 0.115, 0.12), WHITE) for s in (-1, 1))
    parts = (
        Part(ball((0, -0.16, 0), (0.24, 0.30, 0.215)), navy, BODY, (belly,)),
        Part(ball((0, 0.21, 0.03), (0.195, 0.18, 0.18)), navy, HEAD, face),
        Part(tube([(0, 0.185, 0.18), (0, 0.165, 0.30)], [0.052, 0.012]), ORANGE, HEAD),
        Part(tube(front, 0.045), scarf),
        Part(tube(back, 0.045), scarf),
        Part(tube([(0.09, 0.04, 0.18), (0.12, -0.04, 0.235), (0.12, -0.14, 0.235)], [0.04, 0.048]), scarf),
        Part(tube([(0, -0.38, -0.16), (0, -0.43, -0.27)], [0.07, 0.025]), navy, TAIL),
        *eyes(0.078, 0.235, 0.190, 0.030),
        *both(
            Part(ball((0.265, -0.14, 0.01), (0.045, 0.18, 0.095), (0, 0, 20)), navy, ARM_P),
            Part(ball((0.11, -0.445, 0.10), (0.088, 0.034, 0.125)), ORANGE, LEG_P),
        ),
    )
    pivots = {HEAD: (0, 0.06, 0), ARM_P: (0.20, 0.0, 0), TAIL: (0, -0.38, -0.16), LEG_P: (0.1, -0.42, 0)}
    return build_subject("penguin", parts, pivots)


def turtle() -> Subject:
    lime, shell, plate = (0.55, 0.80, 0.33), (0.20, 0.45, 0.20), (0.95, 0.85, 0.52)
    around = ((0.2, 0.13), (-0.2, 0.13), (0.2, -0.16), (-0.2, -0.16), (0, 0.25), (0, -0.27))
    centres = [(0, 0.20, 0), *((x, 0.10, z) for x, z in around)]
    hexes = tuple(Paint((x, y - 0.12, z), (0.088, 0.09, 0.088), (0.48, 0.66, 0.22)) for x, y, z in centres)
    parts = (
        Part(ball((0, -0.16, 0), (0.315, 0.255, 0.36), power=2.2), shell, BODY, hexes),
        Part(ball((0, -0.26, 0), (0.345, 0.075, 0.39)), plate, BODY),
        Part(tube([(0, -0.22, 0.30), (0, -0.14, 0.42), (0, 0.0, 0.45)], [0.085, 0.08]), lime, HEAD),
        Part(ball((0, 0.04, 0.46), (0.135, 0.125, 0.13)), lime, HEAD),
        Part(tube([(-0.07, 0.005, 0.565), (0, -0.035, 0.585), (0.07, 0.005, 0.565)], 0.010), (0.2, 0.3, 0.1), HEAD),
        Part(tube([(0, -0.29, -0.33), (0, -0.31, -0.46)], [0.05, 0.015]), lime, TAIL),
        *eyes(0.07, 0.085, 0.562, 0.028, white=0.048),
        *both(
            Part(tube([(0.22, -0.26, 0.20), (0.30, -0.40, 0.26)], [0.085, 0.075]), lime, ARM_P),
            Part(tube([(0.22, -0.26, -0.20), (0.29, -0.40, -0.26)], [0.085, 0.075]), lime, LEG_P),
        ),
    )
    pivots = {HEAD: (0, -0.2, 0.3), ARM_P: (0.2, -0.24, 0.2), TAIL: (0, -0.29, -0.33), LEG_P: (0.2, -0.24, -0.2)}
    return build_subject("turtle", parts, pivots, yaw=-38)


def frog() -> Subject:
    green, pale, lip = (0.40, 0.76, 0.26), (0.90, 0.95, 0.62), (0.16, 0.36, 0.12)
    centres = ((0.1, -0.1), (-0.09, -0.2), (-0.05, 0.02))
    dots = tuple(Paint((x, y, -0.2), (0.05, 0.05, 0.12), (0.22, 0.52, 0.16)) for x, y in centres)
    belly, chin = Paint((0, -0.23, 0.18), (0.16, 0.17, 0.12), pale), Paint((0, -0.03, 0.22), (0.2, 0.07, 0.12), pale)
    mouth = [(-0.20, 0.045, 0.19), (-0.09, -0.02, 0.285), (0.09, -0.02, 0.285), (0.20, 0.045, 0.19)]
    parts = (
        Part(ball((0, -0.22, 0), (0.24, 0.22, 0.20)), green, BODY, (belly, *dots)),
        Part(ball((0, 0.07, 0.05), (0.27, 0.165, 0.205)), green, HEAD, (chin,)),
        Part(tube(mouth, 0.012), lip, HEAD),
        *eyes(0.135, 0.235, 0.185, 0.042, white=0.07),
        *both(
            Part(ball((0.135, 0.215, 0.08), (0.095, 0.10, 0.09)), green, HEAD),
            Part(ball((0.19, 0.02, 0.215), (0.036, 0.026, 0.02)), PINK, HEAD, unlit=0.4),
            Part(tube([(0.19, -0.12, 0.10), (0.26, -0.26, 0.16), (0.19, -0.40, 0.20)], [0.055, 0.045]), green, ARM_P),
            Part(ball((0.185, -0.435, 0.225), (0.07, 0.028, 0.07)), pale, ARM_P),
            Part(ball((0.27, -0.32, -0.03), (0.10, 0.14, 0.17), (20, 0, 0)), green, LEG_P),
            Part(ball((0.33, -0.44, 0.10), (0.085, 0.03, 0.13), (0, 25, 0)), pale, LEG_P),
        ),
    )
    return build_subject("frog", parts, {HEAD: (0, -0.05, 0), ARM_P: (0.18, -0.1, 0.1), LEG_P: (0.22, -0.32, -0.05)})


ANIMALS = {"duck": duck, "panda": panda, "cat": cat, "penguin": penguin, "turtle": turtle, "frog": frog}
