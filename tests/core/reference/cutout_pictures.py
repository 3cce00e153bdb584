"""Pictures whose true mask is known: subjects of many shapes before backgrounds that are not plain."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]  # x right, y down, in units of the shorter side -> inside
Colour = tuple[float, float, float]
SUPERSAMPLING = 3  # positions a pixel and axis at which coverage is counted
ORANGE, BLUE, GREEN, WHITE, GREY = (0.8, 0.4, 0.15), (0.15, 0.3, 0.7), (0.2, 0.55, 0.25), (0.95, 0.94, 0.9), (0.5,) * 3


@dataclass(frozen=True)
class Scene:
    """A picture to be drawn."""

    name: str
    shape: Shape
    colour: Colour
    size: tuple[int, int] = (320, 320)  # width, height
    behind: Colour = (0.8, 0.8, 0.82)
    slope: tuple[float, float] = (0.0, 0.0)  # change of brightness from left to right and from top to bottom
    tint: Colour = (0.0, 0.0, 0.0)  # change of colour from top to bottom
    vignette: float = 0.0  # loss of brightness in the corners
    shadow: tuple[float, float, float, float] | None = None  # x, y, half width, strength, on the floor
    softness: float = 0.6  # of the shadow's edge, share of its radius
    texture: str = ""  # of the subject: "stripes", "grain"
    clutter: float = 0.0  # contrast of a pattern in the background
    floor: float = 0.0  # loss of brightness below a horizon
    noise: float = 0.004
    quality: int = 0  # of JPEG; 0: not compressed


def disc(x: float, y: float, radius: float) -> Shape:
    return lambda u, v: (u - x) ** 2 + (v - y) ** 2 < radius**2


def box(left: float, top: float, right: float, bottom: float) -> Shape:
    return lambda u, v: (u > left) & (u < right) & (v > top) & (v < bottom)


def line(x0: float, y0: float, x1: float, y1: float, width: float) -> Shape:
    dx, dy = x1 - x0, y1 - y0

    def inside(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        t = np.clip(((u - x0) * dx + (v - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        return (u - x0 - t * dx) ** 2 + (v - y0 - t * dy) ** 2 < (width / 2) ** 2

    return inside


def union(*shapes: Shape) -> Shape:
    return lambda u, v: np.any([shape(u, v) for shape in shapes], axis=0)


def without(shape: Shape, hole: Shape) -> Shape:
    return lambda u, v: shape(u, v) & ~hole(u, v)


def placed(shape: Shape, scale: float, x: float = 0.0, y: float = 0.0) -> Shape:
    return lambda u, v: shape((u - x) / scale, (v - y) / scale)


TEDDY = union(
    disc(0, 0.1, 0.2), disc(0, -0.14, 0.13), disc(-0.11, -0.25, 0.05), disc(0.11, -0.25, 0.05),
    line(-0.15, 0.0, -0.27, 0.1, 0.08), line(0.15, 0.0, 0.27, 0.1, 0.08), disc(-0.12, 0.28, 0.07),
    disc(0.12, 0.28, 0.07),
)  # fmt: skip
CUP = union(box(-0.2, -0.2, 0.12, 0.25), without(disc(0.15, 0.02, 0.14), disc(0.15, 0.02, 0.085)))
ROBOT = union(
    box(-0.15, -0.1, 0.15, 0.18), box(-0.1, -0.26, 0.1, -0.12), box(-0.02, -0.13, 0.02, -0.09),
    line(0.05, -0.26, 0.1, -0.36, 0.02), box(-0.12, 0.17, -0.04, 0.33), box(0.04, 0.17, 0.12, 0.33),
    line(-0.15, -0.05, -0.28, 0.12, 0.05), line(0.15, -0.05, 0.28, -0.2, 0.05),
)  # fmt: skip
VASE = lambda u, v: (np.abs(u) < 0.09 + 0.09 * np.sin(7 * v + 0.8)) & (np.abs(v) < 0.33)  # noqa: E731
CAR = union(box(-0.5, -0.02, 0.5, 0.15), box(-0.28, -0.16, 0.25, 0.0), disc(-0.28, 0.16, 0.09), disc(0.28, 0.16, 0.09))
RING = without(disc(0, 0, 0.28), disc(0, 0, 0.12))
BUST = union(disc(0, -0.1, 0.16), box(-0.07, 0.0, 0.07, 0.2), disc(0, 0.5, 0.33))
TRIPOD = union(*(line(0, -0.2, x, 0.32, 0.016) for x in (-0.25, 0.02, 0.25)), disc(0, -0.23, 0.07))
STAR = union(disc(0, 0, 0.1), *(
    line(0, 0, 0.35 * np.cos(a), 0.35 * np.sin(a), 0.022) for a in np.arange(9) * 2 * np.pi / 9
))  # fmt: skip

PICTURES = (
    Scene("gradient from top to bottom", TEDDY, ORANGE, slope=(0.0, -0.4)),
    Scene("gradient in colour", ROBOT, BLUE, behind=(0.85, 0.75, 0.6), slope=(0.3, 0.0), tint=(0.0, 0.1, 0.25)),
    Scene("vignette", disc(0, 0, 0.25), (0.75, 0.15, 0.12), vignette=0.4),
    Scene("vignette, white subject", VASE, WHITE, behind=(0.5, 0.55, 0.6), vignette=0.5),
    Scene("floor shadow", TEDDY, ORANGE, slope=(0, 0.25), behind=(0.7, 0.7, 0.7), shadow=(0.06, 0.34, 0.3, 0.45)),
    Scene("floor shadow, grey subject", VASE, (0.3, 0.3, 0.31), vignette=0.25, shadow=(0.1, 0.33, 0.28, 0.4)),
    Scene("JPEG", ROBOT, GREEN, slope=(0.2, 0.2), quality=40, noise=0.01),
    Scene("JPEG of low quality", TEDDY, ORANGE, vignette=0.35, quality=20, noise=0.01),
    Scene("near the background in colour", TEDDY, (0.66, 0.6, 0.52), behind=(0.78, 0.73, 0.66), slope=(0.25, 0.0)),
    Scene("white on white", CUP, (0.97, 0.97, 0.97), behind=(0.84, 0.85, 0.86), slope=(0.0, -0.25)),
    Scene("stripes", VASE, ORANGE, slope=(0.3, 0.1), texture="stripes"),
    Scene("grain", TEDDY, GREEN, vignette=0.3, texture="grain", noise=0.012),
    Scene("cup with a handle", CUP, BLUE, slope=(0.35, 0.0)),
    Scene("ring with a shadow", RING, (0.7, 0.5, 0.1), vignette=0.3, shadow=(0.0, 0.31, 0.28, 0.4), quality=85),
    Scene("cut off at the bottom", BUST, (0.6, 0.35, 0.3), behind=(0.45, 0.55, 0.7), slope=(0.3, 0.1)),
    Scene("cut off at the left", placed(ROBOT, 1.0, -0.3), (0.7, 0.2, 0.3), vignette=0.35, quality=80),
    Scene("portrait", placed(VASE, 1.2), (0.2, 0.5, 0.5), size=(256, 448), slope=(0.0, 0.4), behind=(0.75, 0.7, 0.7)),
    Scene("landscape", CAR, (0.7, 0.1, 0.1), size=(480, 270), slope=(0.0, -0.3), shadow=(0.0, 0.25, 0.55, 0.5)),
    Scene("dark gradient", TEDDY, (0.75, 0.6, 0.4), behind=(0.2, 0.2, 0.24), slope=(0.2, 0.15), noise=0.01),
    Scene("dark, noisy, with a vignette", CUP, (0.5, 0.45, 0.3), behind=(0.3, 0.26, 0.24), vignette=0.8, noise=0.02),
    Scene("2 % of the picture", placed(TEDDY, 0.33, 0.1, 0.05), ORANGE, slope=(0.0, -0.4), size=(448, 448)),
    Scene("1 % of the picture", placed(RING, 0.23, -0.2, 0.2), BLUE, vignette=0.4, noise=0.01, size=(448, 448)),
    Scene("thin legs", TRIPOD, (0.12, 0.1, 0.1), slope=(0.3, -0.1), size=(448, 448)),
    Scene("thin rays", STAR, (0.85, 0.65, 0.1), behind=(0.4, 0.45, 0.6), vignette=0.4, size=(448, 448), quality=90),
)
HARD = (  # found or refused, as best it can be done
    Scene("cluttered background", TEDDY, ORANGE, clutter=0.6),
    Scene("pattern behind", ROBOT, BLUE, clutter=0.2),
    Scene("one colour with the background", TEDDY, (0.78, 0.79, 0.8), slope=(0.3, 0.0)),
    Scene("half in the background's colour", TEDDY, (0.55, 0.55, 0.56), behind=(0.8, 0.8, 0.8), slope=(0.0, -0.6)),
    Scene("horizon", TEDDY, ORANGE, floor=0.35),
    Scene("hard shadow", TEDDY, ORANGE, slope=(0.2, 0.2), shadow=(0.2, 0.3, 0.35, 0.4), softness=0.02),
    Scene("hard shadow inside", TEDDY, ORANGE, slope=(0.4, 0.3), shadow=(0.1, 0.33, 0.3, 0.4), softness=0.02),
    Scene("deep shadow", CUP, WHITE, slope=(0.0, -0.35), shadow=(0.1, 0.27, 0.4, 0.75)),
    Scene("fills the picture", placed(TEDDY, 2.2), ORANGE, slope=(0.3, 0.0)),
    Scene("no subject", placed(TEDDY, 1e-3), ORANGE, slope=(0.3, 0.2)),
)


def draw(scene: Scene) -> tuple[Tensor, Tensor]:  # (1, 3, H, W) and the true mask (1, 1, H, W), both in [0, 1]
    """Draw a picture and the share of each pixel that its subject covers."""
    rng = np.random.default_rng(len(scene.name) * 7 + int(1000 * sum(scene.colour)))
    width, height = scene.size
    u, v = _positions(width, height)
    fine = _positions(width * SUPERSAMPLING, height * SUPERSAMPLING)
    inside = scene.shape(*fine).reshape(height, SUPERSAMPLING, width, SUPERSAMPLING)
    mask = inside.mean(axis=(1, 3))[..., None]
    behind = _background(scene, u, v, rng)
    shading = (1.0 - 0.5 * (u + 0.7 * v))[..., None] * _texture(scene, u, v, rng)
    image = np.array(scene.colour) * shading * mask + behind * (1.0 - mask)
    image = np.clip(image + rng.normal(0.0, scene.noise, image.shape), 0.0, 1.0)
    pixels = (255 * image).round().astype(np.uint8)
    if scene.quality:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=scene.quality)
        pixels = np.array(Image.open(file))
    return tuple(torch.from_numpy(a).permute(2, 0, 1)[None].float() for a in (pixels / 255.0, mask))


def _positions(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of pixel centres: 0 in the middle, the shorter side is 1."""
    y, x = np.mgrid[:height, :width]
    side = min(width, height)
    return (x + 0.5 - width / 2) / side, (y + 0.5 - height / 2) / side


def _background(scene: Scene, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    light = 1.0 + scene.slope[0] * u + scene.slope[1] * v - scene.vignette * (u**2 + v**2) * 2
    light *= 1.0 - scene.floor * (v > 0.22)
    if scene.shadow:
        x, y, radius, strength = scene.shadow
        distance = np.sqrt(((u - x) / radius) ** 2 + ((v - y) / (0.35 * radius)) ** 2)
        light *= 1.0 - strength * np.clip((1.0 - distance) / scene.softness, 0.0, 1.0) ** 1.5
    colour = np.array(scene.behind) + np.array(scene.tint) * v[..., None]
    blocks = rng.random((*(n // 16 + 1 for n in u.shape), 3)).repeat(16, 0).repeat(16, 1)[: u.shape[0], : u.shape[1]]
    return colour * light[..., None] + scene.clutter * (blocks - 0.5)


def _texture(scene: Scene, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if scene.texture == "stripes":
        return np.where(np.sin(60 * v) > 0, 1.0, 0.45)[..., None] * np.ones(3)
    if scene.texture == "grain":
        return 1.0 + 0.5 * (rng.random((*u.shape, 1)) - 0.5)
    return np.ones((*u.shape, 3))


def overlap(found: Tensor, true: Tensor) -> float:
    """Return the intersection over union of two masks."""
    a, b = found > 0.5, true > 0.5
    return float((a & b).sum() / (a | b).sum().clamp(min=1))
