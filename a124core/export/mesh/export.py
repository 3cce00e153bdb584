"""The formats: a field and a path in, a file and a report out. Earlier files stay until the new one is complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...protocols import Field
from ...utils.progress import OnProgress
from .build import Built, build
from .frames import colours
from .glb import write_glb
from .gltf import gltf
from .limits import MOST_GLB
from .names import checked
from .options import MeshOptions, MeshReport
from .sequence import check_folder, write_sequence
from .texture import Skin, bake
from .usd import SUFFIXES, modules, write_usd


def export_animated_glb(
    field: Field,
    path: str | Path,
    options: MeshOptions | None = None,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> MeshReport:
    """One mesh with morph targets, or a few in turn where one cannot follow; else, and saying so, a flip-book."""
    return _glb(field, path, options or MeshOptions(), True, on_progress, device)


def export_flipbook_glb(
    field: Field,
    path: str | Path,
    options: MeshOptions | None = None,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> MeshReport:
    """A mesh for each frame, shown in turn: parts may join and come apart."""
    return _glb(field, path, options or MeshOptions(), False, on_progress, device)


def export_usd(
    field: Field,
    path: str | Path,
    options: MeshOptions | None = None,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> MeshReport:
    """Time samples of one mesh, or a few in turn. Needs usd-core; asked for first, before minutes of work."""
    path = checked(path, SUFFIXES)
    modules()
    built = build(field, options or MeshOptions(), True, on_progress, device)
    return built.report(path, "USD", write_usd(path, built.scene))


def export_ply(
    field: Field,
    path: str | Path,  # a folder, new or with an earlier sequence
    options: MeshOptions | None = None,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> MeshReport:
    """frame_0000.ply and so on: each frame's own mesh."""
    return _sequence(field, path, ".ply", options or MeshOptions(), on_progress, device)


def export_obj(
    field: Field,
    path: str | Path,  # a folder, new or with an earlier sequence
    options: MeshOptions | None = None,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> MeshReport:
    """frame_0000.obj and so on, with colours at the vertices."""
    return _sequence(field, path, ".obj", options or MeshOptions(), on_progress, device)


def _glb(
    field: Field,
    path: str | Path,
    options: MeshOptions,
    tracked: bool,
    on_progress: OnProgress | None,
    device: torch.device | str | None,
) -> MeshReport:
    path = checked(path, (".glb",))
    built = build(field, options, tracked, on_progress, device, MOST_GLB)
    kind = "Animated GLB" if built.moves else "Flip-book GLB" if built.scene.frames > 1 else "Still GLB"
    return built.report(path, kind, _written_glb(path, built, options))


def _written_glb(path: Path, built: Built, options: MeshOptions) -> int:
    skins: list[Skin | None] = [None] * len(built.scene.stretches)
    if options.texture:
        skins = [bake(stretch, options.texture, _asker(built)) for stretch in built.scene.stretches]
    return write_glb(path, *gltf(built.scene, skins, options.quantise))


def _asker(built: Built):  # -> texture.ColoursAt
    def colours_at(frame: int, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        return colours(built.solid, float(built.times[frame]), points, normals)

    return colours_at


def _sequence(
    field: Field,
    path: str | Path,
    suffix: str,
    options: MeshOptions,
    on_progress: OnProgress | None,
    device: torch.device | str | None,
) -> MeshReport:
    folder = checked(path)
    check_folder(folder, suffix)
    built = build(field, options, False, on_progress, device)
    meshes = [built.mesh(frame) for frame in range(built.scene.frames)]
    size = write_sequence(folder, meshes, built.times, options.fps, suffix)
    return built.report(folder, f"{suffix[1:].upper()} sequence", size)
