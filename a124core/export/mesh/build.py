"""From a field to a scene of meshes, with the figures that say how good it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...protocols import Field
from .distance import surface_distance
from .frames import colours, frame_at, frame_times, is_loop, keeps_colours
from .nouns import Frame, Mesh, vertex_normals
from .options import MeshOptions, MeshReport, estimated_bytes
from .scene import MOST_STRETCHES, Scene, Stretch, flip_book, scene_size, stands_still, tracked
from .surface import Solid, find_solid

FADED = 0.05  # mean difference in colour that docs/exports.md allows a tracked mesh

OnProgress = Callable[[int, int, str], None]  # steps done, steps in all, what is being done. Raising in it cancels


@dataclass(frozen=True)
class Built:
    """A scene ready to be written."""

    scene: Scene
    solid: Solid
    times: np.ndarray  # (F,) scene times in [0, 1]
    distance: list[float]  # per frame, share of the scene's size
    colour_error: list[float]  # per frame
    notes: list[str]

    def mesh(self, frame: int) -> Mesh:
        stretch = next(s for s in self.scene.stretches if s.first <= frame <= s.last)
        points = stretch.points[frame - stretch.first]
        return Mesh(points, stretch.faces, vertex_normals(points, stretch.faces), stretch.colours)

    def report(self, path: Path, kind: str, size: int) -> MeshReport:
        stretches = self.scene.stretches
        return MeshReport(
            path,
            kind,
            self.scene.frames,
            max(s.points.shape[1] for s in stretches),
            max(len(s.faces) for s in stretches),
            size,
            self.mesh(0),
            self.distance,
            self.colour_error,
            [s.first for s in stretches],
            self.notes,
        )


def build(
    field: Field,
    options: MeshOptions,
    fixed: bool,  # one topology, tracked; else a mesh of its own for each frame
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> Built:
    """Surfaces, then stretches, then colours and figures."""
    field = field.to(device) if device is not None and hasattr(field, "to") else field
    times = frame_times(field, options)
    count = _counter(len(times) * (3 if fixed else 2), on_progress)
    solid = find_solid(field, times, options.resolution)
    frames = []
    for time in times:
        frames.append(frame_at(solid, float(time), options))
        count("surface")
    notes: list[str] = []
    if len(frames) > 1 and stands_still(frames) and keeps_colours(solid, frames):
        notes.append("The field never moves: one mesh without animation.")
        frames = frames[:1]
    if fixed and len(frames) > 1:
        count(_size_line(frames, options))
        stretches = _tracked(frames, lambda time: frame_at(solid, time, options), count, notes)
    else:
        stretches = flip_book(frames)
    stretches, off = _recoloured(stretches, solid, frames, lambda: count("colour"))
    if fixed and np.mean(off) > FADED:
        notes.append("Colours that change are lost, for one mesh has one colour a vertex: a flip-book shows them.")
    scene = Scene(stretches, options.fps, is_loop(field))
    return Built(scene, solid, times[: len(frames)], _distances(stretches, frames), off, notes)


def _counter(total: int, on_progress: OnProgress | None) -> Callable[[str], None]:
    done = 0

    def count(what: str) -> None:
        nonlocal done
        done = min(done + 1, total)
        if on_progress is not None:
            on_progress(done, total, what)

    return count


def _size_line(frames: list[Frame], options: MeshOptions) -> str:
    mesh = frames[0].mesh
    size = estimated_bytes(len(mesh.points), len(mesh.faces), len(frames), options)
    return f"about {size / 1e6:.1f} MB as an animated GLB"


def _tracked(
    frames: list[Frame], between: Callable[[float], Frame], count: Callable[[str], None], notes: list[str]
) -> list[Stretch]:
    stretches = tracked(frames, between, lambda: count("track"))
    if stretches is None:
        notes.append(
            f"One surface cannot follow this scene (more than {MOST_STRETCHES} templates were needed): every frame has "
            "its own mesh, as in a flip-book."
        )
        return flip_book(frames)
    if len(stretches) > 1:
        starts = ", ".join(str(s.first) for s in stretches[1:])
        notes.append(f"Tracking lost the surface and began anew with another template at frame {starts}.")
    return stretches


def _recoloured(
    stretches: list[Stretch], solid: Solid, frames: list[Frame], on_frame: Callable[[], None]
) -> tuple[list[Stretch], list[float]]:
    """Each vertex the median of its colours over its stretch, and per frame the mean error that this leaves."""
    made, off = [], []
    for stretch in stretches:
        seen = []
        for k, (points, normals) in enumerate(zip(stretch.points, stretch.normals(), strict=True)):
            seen.append(colours(solid, frames[stretch.first + k].time, points, normals))
            on_frame()
        middle = np.median(seen, axis=0).astype(np.float32)
        made.append(replace(stretch, colours=middle))
        off += [float(np.abs(c - middle).mean()) for c in seen]
    return made, off


def _distances(stretches: list[Stretch], frames: list[Frame]) -> list[float]:
    size = scene_size(frames)
    return [
        surface_distance((points, stretch.faces), frames[stretch.first + k].surface) / size
        for stretch in stretches
        for k, points in enumerate(stretch.points)
    ]
