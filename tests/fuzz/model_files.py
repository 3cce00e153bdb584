"""Damaged 3D models: GLB with its JSON or bytes changed, OBJ, PLY of meshes and Gaussians, .splat and .spz."""

from __future__ import annotations

import gzip
import random
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import trimesh

from a124core.models3d.read import read_model
from tests.core.models3d.scenes import (
    joined_glb,
    split_glb,
    surfel_gaussians,
    textured_square,
    write_gaussians,
    write_spz,
)
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import damage_bytes, damage_json, json_bytes

SPACING = 0.3  # of a subject's points: files of a few kilobytes


def _written(name: str, write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


@cache
def _box(suffix: str) -> bytes:
    box = trimesh.creation.box((0.4, 0.8, 0.2))
    box.visual.vertex_colors = np.arange(32, dtype=np.uint8).reshape(8, 4) * 8
    return _written(f"box{suffix}", lambda path: box.export(path))


@cache
def _gaussians(kind: str) -> bytes:
    table = surfel_gaussians("robot", SPACING)
    if kind == ".ply":
        return _written("a.ply", lambda path: write_gaussians(path, table))
    if kind == ".spz":
        return _written("a.spz", lambda path: write_spz(path, table, 3))
    rows = np.zeros(len(table), [("xyz", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
    rows["xyz"], rows["scale"], rows["rgba"], rows["rotation"] = table[:, :3], np.exp(table[:, 7:10]), 200, 180
    return rows.tobytes()


def _glb(rng: random.Random) -> tuple[str, bytes]:
    data = rng.choice((_box(".glb"), textured_square({"offset": [0.1, 0.2], "rotation": 0.3, "scale": [0.5, 2]}, 1)))
    if rng.random() < 0.4:
        return ".glb", damage_bytes(rng, data)
    document, binary = split_glb(data)
    return ".glb", joined_glb(json_bytes(rng, damage_json(rng, document)), binary)


def _spz(rng: random.Random) -> tuple[str, bytes]:
    """Damage the packed bytes, or those inside, which a damaged gzip stream hardly ever reaches."""
    data = _gaussians(".spz")
    if rng.random() < 0.3:
        return ".spz", damage_bytes(rng, data)
    return ".spz", gzip.compress(damage_bytes(rng, gzip.decompress(data)), 1)


def _mesh_ply(rng: random.Random) -> tuple[str, bytes]:
    return ".ply", damage_bytes(rng, _box(".ply"))


def _damaged(read: Callable[[str], bytes], suffix: str, rng: random.Random) -> tuple[str, bytes]:
    return suffix, damage_bytes(rng, read(suffix))


PARSERS = [
    Parser("models glb", _glb, read_model),
    Parser("models obj", partial(_damaged, _box, ".obj"), read_model),
    Parser("models ply mesh", _mesh_ply, read_model),
    Parser("models ply gaussians", partial(_damaged, _gaussians, ".ply"), read_model),
    Parser("models splat", partial(_damaged, _gaussians, ".splat"), read_model),
    Parser("models spz", _spz, read_model),
]
