"""The album: every trained combination photographed once by the truth's own renderer, kept as bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from a124core.cameras.rig import make_cameras, random_views
from a124core.priors.builtin.appearance import (
    PALETTES,
    Appearance,
    animated_points,
    get_subject,
    palette_colours,
    splat,
    surfel_spacing,
)
from a124core.protocols import Cameras
from a124core.utils.files import atomic_write

from .config import World

FOLD = 2  # pictures are drawn this many times as wide and averaged


@dataclass(frozen=True)
class Album:
    """Pictures of the trained combinations from random cameras."""

    world: World
    cameras: list[Cameras]  # for each combination
    layers: Tensor  # (combinations, cameras, ticks + 1, 7, S, S) bytes: two palettes, premultiplied, and coverage

    def images(self, rows: Tensor, drifted: Tensor, background: Tensor) -> Tensor:
        """rows (B, 3) of combination, camera, tick; drifted (B,) bool; background (B, 3) -> (B, 3, S, S) in [0, 1]."""
        pixels = self.layers[rows[:, 0], rows[:, 1], rows[:, 2]].float() / 255
        colour = torch.where(drifted.view(-1, 1, 1, 1).to(pixels.device), pixels[:, 3:6], pixels[:, :3])
        return colour + (1 - pixels[:, 6:]) * background.view(-1, 3, 1, 1)

    def cameras_at(self, rows: Tensor) -> Cameras:
        """rows (B, 2 or 3) -> B cameras."""
        numbers = torch.stack(
            [torch.stack([*vars(c).values()], -1) for c in self.cameras]
        )  # (combinations, cameras, 4)
        return Cameras(*numbers[rows[:, 0], rows[:, 1]].unbind(-1))


def album_in(folder: Path, world: World, seed: int, say: Callable[[str], None]) -> Album:
    """The album, drawn once: an interrupted training finds it in folder/album.pt."""
    path, identity = folder / "album.pt", {**asdict(world), "seed": seed}
    saved = torch.load(path, weights_only=True) if path.is_file() else None
    if saved is not None and saved["of"] == identity:
        return Album(world, [Cameras(**row) for row in saved["cameras"]], saved["layers"])
    album = photograph(world, seed, say)
    with atomic_write(path) as temporary:
        torch.save({"of": identity, "cameras": [vars(c) for c in album.cameras], "layers": album.layers}, temporary)
    return album


def photograph(world: World, seed: int, say: Callable[[str], None]) -> Album:
    """Draw everything; the same seed draws the same album."""
    rng = torch.Generator().manual_seed(seed)
    cameras, layers = [], []
    for k, (subject, motion) in enumerate(world.trained):
        cameras.append(_views(world.cameras, rng))
        layers.append(_combination(subject, motion, cameras[-1], world))
        say(f"album: {subject} {motion}, {k + 1} of {len(world.trained)} combinations")
    return Album(world, cameras, torch.stack(layers))


def _views(count: int, rng: torch.Generator) -> Cameras:
    """The reference camera, then novel views as the stages draw them."""
    novel = random_views(count - 1, rng)
    front = make_cameras(0.0, 0.0)
    return Cameras(*(torch.cat((a, b)) for a, b in zip(vars(front).values(), vars(novel).values(), strict=True)))


@torch.no_grad()
def _combination(subject: str, motion: str, cameras: Cameras, world: World) -> Tensor:
    """(cameras, ticks + 1, 7, S, S) bytes. Points are moved once for all cameras of a time."""
    appearance = Appearance(get_subject(subject), "reference", motion)
    side = world.size * FOLD
    spacing = surfel_spacing(side, float(cameras.radius.min()), float(cameras.fovy.min()))
    colours = torch.cat([palette_colours(appearance.subject, spacing, palette) for palette in PALETTES], dim=1)
    frames = []
    for tick in range(world.ticks + 1):
        points, normals = animated_points(appearance, spacing, torch.tensor([tick / world.ticks]))
        rows = [splat(points, normals, colours, cameras[i : i + 1], side) for i in range(len(cameras))]
        layers = torch.cat([torch.cat(row, dim=1) for row in rows])
        frames.append((avg_pool2d(layers, FOLD) * 255 + 0.5).clamp(0, 255).to(torch.uint8))
    return torch.stack(frames, dim=1)
