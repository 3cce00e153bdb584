"""Objects that move like animals, front towards +z, feet near y = -0.46. Sizes in world units."""

from __future__ import annotations

from math import cos, pi, sin

from .animals import BLACK, ORANGE, PINK, WHITE, eyes
from .subject import ARM_M, ARM_P, BODY, HEAD, LEG_M, LEG_P, TAIL, Paint, Part, Subject, both, build_subject
from .surfaces import ball, lathe, ring, tube

RED = (0.90, 0.16, 0.16)
BLUE = (0.16, 0.34, 0.86)


def snowman() -> Subject:
    snow, hat, wood = (0.84, 0.91, 1.0), (0.16, 0.17, 0.24), (0.45, 0.27, 0.14)
    buttons = tuple(
        Part(ball((0, y, z), (0.030, 0.030, 0.018)), BLACK) for y, z in ((-0.03, 0.175), (-0.16, 0.195), (-0.27, 0.235))
    )
    parts = (
        Part(ball((0, -0.26, 0), (0.245, 0.215, 0.235)), snow),
        Part(ball((0, -0.02, 0), (0.185, 0.165, 0.18)), snow),
        Part(ball((0, 0.21, 0), (0.155, 0.15, 0.15)), snow, HEAD),
        *buttons,
        Part(ring((0, 0.105, 0), 0.118, 0.042), RED),
        Part(tube([(0.09, 0.09, 0.12), (0.13, -0.02, 0.20), (0.12, -0.12, 0.20)], [0.035, 0.045]), RED),
        Part(lathe([(0.205, 0.305), (0.205, 0.335)]), hat, HEAD),
        Part(lathe([(0.125, 0.31), (0.135, 0.50)]), hat, HEAD, (Paint((0, 0.355, 0), (0.3, 0.028, 0.3), RED),)),
        Part(tube([(0, 0.20, 0.13), (0, 0.185, 0.29)], [0.036, 0.008]), ORANGE, HEAD),
        *eyes(0.06, 0.245, 0.138, 0.026),
        *both(
            Part(tube([(0.15, 0.0, 0.02), (0.32, 0.0, 0.04), (0.38, 0.11, 0.05)], [0.022, 0.018]), wood, ARM_P),
            Part(ball((0.395, 0.14, 0.05), (0.055, 0.062, 0.05)), RED, ARM_P),
        ),
    )
    return build_subject("snowman", parts, {HEAD: (0, 0.1, 0), ARM_P: (0.15, 0, 0.02)})


def robot() -> Subject:
    steel, dark, teal = (0.66, 0.72, 0.80), (0.22, 0.25, 0.32), (0.15, 0.65, 0.68)
    lamps = tuple(
        Part(ball((x, -0.20, 0.178), (0.026, 0.026, 0.015)), c, unlit=0.8)
        for x, c in ((-0.07, RED), (0, (1.0, 0.85, 0.1)), (0.07, (0.2, 0.8, 0.3)))
    )
    parts = (
        Part(ball((0, -0.14, 0), (0.205, 0.175, 0.155), power=6), teal),
        Part(ball((0, -0.09, 0.152), (0.135, 0.055, 0.014), power=6), dark),
        *lamps,
        Part(ball((0, -0.12, -0.17), (0.13, 0.12, 0.05), power=6), ORANGE),
        Part(tube([(0, 0.0, 0), (0, 0.10, 0)], 0.06), dark, HEAD),
        Part(ball((0, 0.19, 0.01), (0.195, 0.135, 0.15), power=6), steel, HEAD),
        Part(tube([(-0.075, 0.115, 0.158), (0.075, 0.115, 0.158)], 0.020), dark, HEAD),
        Part(tube([(0, 0.32, 0), (0, 0.42, 0)], 0.016), dark, HEAD),
        Part(ball((0, 0.445, 0), (0.046,) * 3), RED, HEAD, unlit=0.3),
        *eyes(0.08, 0.215, 0.180, 0.026, white=0.058),
        *both(
            Part(ball((0.21, 0.19, 0.01), (0.035, 0.06, 0.06)), ORANGE, HEAD),
            Part(tube([(0.21, -0.05, 0), (0.32, -0.10, 0.02), (0.32, -0.22, 0.06)], 0.042), steel, ARM_P),
            Part(ball((0.32, -0.265, 0.075), (0.062, 0.062, 0.062)), ORANGE, ARM_P),
            Part(tube([(0.10, -0.28, 0), (0.10, -0.40, 0)], 0.055), dark, LEG_P),
            Part(ball((0.11, -0.435, 0.03), (0.088, 0.045, 0.12), power=4), steel, LEG_P),
        ),
    )
    return build_subject("robot", parts, {HEAD: (0, 0.06, 0), ARM_P: (0.21, -0.05, 0), LEG_P: (0.1, -0.28, 0)})


def rocket() -> Subject:
    shell, glass, steel = (0.93, 0.94, 0.97), (0.35, 0.75, 0.95), (0.50, 0.54, 0.62)
    outline = [(0.13, -0.30), (0.24, -0.24), (0.275, -0.02), (0.235, 0.20), (0.12, 0.36), (0.01, 0.45)]
    nose, belt = Paint((0, 0.45, 0), (0.5, 0.24, 0.5), RED), Paint((0, -0.205, 0), (0.5, 0.036, 0.5), BLUE)
    hatch = Paint((0, 0.02, -0.25), (0.10, 0.14, 0.12), steel)
    fin = [(0.18, -0.12, 0), (0.37, -0.22, 0), (0.36, -0.43, 0)]
    parts = (
        Part(lathe(outline, rounds=4), shell, BODY, (nose, belt, hatch)),
        Part(ring((0, 0.05, 0.243), 0.112, 0.030, (84, 0, 0)), RED),
        Part(ball((0, 0.05, 0.218), (0.105, 0.105, 0.05), (-6, 0, 0)), glass, unlit=0.2),
        Part(ball((-0.035, 0.09, 0.262), (0.027, 0.032, 0.012)), WHITE, unlit=1.0),
        Part(lathe([(0.15, -0.36), (0.11, -0.27)], rounds=2), steel),
        Part(ball((0, -0.385, 0), (0.115, 0.115, 0.115)), ORANGE, TAIL, unlit=0.8),
        Part(ball((0, -0.375, 0.06), (0.066, 0.08, 0.06)), (1.0, 0.90, 0.25), TAIL, unlit=0.9),
        *both(Part(tube(fin, [0.06, 0.055, 0.035]), RED, ARM_P)),
        Part(tube([(x, y, -z) for z, y, x in fin], [0.06, 0.055, 0.035]), RED, LEG_M),
        Part(tube([(x, y, z) for z, y, x in fin], [0.06, 0.055, 0.035]), RED, LEG_P),
    )
    return build_subject("rocket", parts, {HEAD: (0, 0.15, 0), TAIL: (0, -0.34, 0)})


def flower() -> Subject:
    clay, leaf, petal, eye = (0.80, 0.40, 0.22), (0.28, 0.65, 0.24), (0.98, 0.42, 0.62), (1.0, 0.84, 0.22)
    petals = []
    for a in (2 * pi * k / 8 + pi / 8 for k in range(8)):
        centre = (0.185 * cos(a), 0.20 + 0.185 * sin(a), 0.015)
        petals.append(Part(ball(centre, (0.105, 0.066, 0.036), (0, 0, 180 * a / pi)), petal, HEAD))
    parts = (
        Part(lathe([(0.125, -0.46), (0.175, -0.22), (0.175, -0.20)], rounds=2), clay, BODY),
        Part(lathe([(0.205, -0.235), (0.205, -0.165)], rounds=2), (0.88, 0.48, 0.28)),
        Part(ball((0, -0.165, 0), (0.175, 0.025, 0.175)), (0.30, 0.18, 0.12)),
        Part(tube([(0, -0.18, 0), (0.03, -0.05, -0.02), (0, 0.18, -0.03)], 0.026), leaf, HEAD),
        *petals,
        Part(ball((0, 0.20, -0.015), (0.135, 0.135, 0.045)), leaf, HEAD),
        Part(ball((0, 0.20, 0.045), (0.125, 0.125, 0.062)), eye, HEAD),
        Part(tube([(-0.055, 0.165, 0.098), (0, 0.125, 0.112), (0.055, 0.165, 0.098)], 0.012), (0.45, 0.22, 0.08), HEAD),
        *eyes(0.047, 0.228, 0.098, 0.019),
        *both(
            Part(ball((0.037 + 0.05, 0.185, 0.092), (0.020, 0.014, 0.010)), PINK, HEAD),
            Part(ball((0.145, -0.065, 0.03), (0.135, 0.026, 0.062), (-24, 0, 32)), leaf, ARM_P),
        ),
    )
    return build_subject("flower", parts, {HEAD: (0, -0.18, 0), ARM_P: (0.02, -0.13, 0.0)})


def teapot() -> Subject:
    china, blue, gold = (0.45, 0.72, 0.88), (0.13, 0.30, 0.66), (0.98, 0.78, 0.25)
    angles = (0.3 + 2 * pi * k / 5 for k in range(5))
    centres = ((0.075 * cos(a), -0.14 + 0.075 * sin(a), 0.26) for a in angles)
    blossom = [Paint(centre, (0.052, 0.052, 0.09), WHITE) for centre in centres]
    heart = Paint((0, -0.14, 0.27), (0.036, 0.036, 0.09), gold)
    band, tip = Paint((0, -0.40, 0), (0.5, 0.03, 0.5), blue), Paint((-0.49, 0.03, 0), (0.06, 0.07, 0.07), blue)
    spout = [(-0.22, -0.24, 0), (-0.40, -0.22, 0), (-0.37, 0.0, 0), (-0.50, 0.03, 0)]
    handle = [(0.22, -0.02, 0), (0.44, 0.06, 0), (0.50, -0.16, 0), (0.40, -0.32, 0), (0.24, -0.30, 0)]
    outline = [(0.17, -0.44), (0.27, -0.36), (0.315, -0.18), (0.26, 0.0), (0.14, 0.06)]
    parts = (
        Part(lathe(outline, rounds=4), china, BODY, (*blossom, heart, band)),
        Part(lathe([(0.165, 0.035), (0.165, 0.055), (0.11, 0.12), (0.03, 0.145)]), blue, HEAD),
        Part(ball((0, 0.175, 0), (0.052, 0.05, 0.052)), gold, HEAD),
        Part(tube(spout, [0.085, 0.05, 0.038]), china, ARM_M, (tip,)),
        Part(tube(handle, 0.036), blue, ARM_P),
    )
    return build_subject("teapot", parts, {HEAD: (0, 0.04, 0)})


OBJECTS = {"snowman": snowman, "robot": robot, "rocket": rocket, "flower": flower, "teapot": teapot}
