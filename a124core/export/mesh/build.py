"""From a field to a scene of meshes, with the figures that say how good it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...protocols import Field
from ...utils.progress import OnProgress, ProgressCounter
from .frames import colours, frame_at, frame_times, is_loop, keeps_colours, surface_at
from .limits import check_frames
from .mesh import Frame, Mesh, vertex_normals
from .options import MeshOptions, MeshReport, in_words
from .quality import Off, off_at_frames, off_between
from .scene import MOST_STRETCHES, Scene, Stretch, flip_book, scene_size, stands_still, tracked
from .surface import Solid, find_solid

FADED = 0.05  # mean difference in colour that docs/exports.md allows a tracked mesh



@dataclass(frozen=True)
class Built:
    """A scene ready to be written."""

    scene: Scene
    solid: Solid
    times: np.ndarray  # (F,) scene times in [0, 1]
    off: list[Off]  # per frame, from its own full surface
    between: Off | None  # half-way along the longest move of a mesh that moves
    colour_error: list[float]  # per frame
    notes: list[str]

    @property
    def moves(self) -> bool:
        """Whether points go anywhere; a still and a flip-book have a mesh for each frame."""
        return any(len(stretch.points) > 1 for stretch in self.scene.stretches)

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
            self.off,
            self.between,
            self.moves,
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
    most: int | None = None,  # bytes that the file may have; None: any number
) -> Built:
    """Surfaces, then stretches, then colours and figures. What would not fit is refused after the first surface."""
    field = field.to(device) if device is not None and hasattr(field, "to") else field
    times = frame_times(field, options)
    tracks = len(times) - 1 if fixed else 0  # the template is already there
    steps = ProgressCounter(2 * len(times) + tracks, on_progress, text="looking for the object")
    solid = find_solid(field, times, options.resolution, steps.report)
    frames = _surfaces(solid, times, options, steps, lambda frame, n: check_frames(frame, n, options, fixed, most))
    notes: list[str] = []
    if len(frames) > 1 and stands_still(frames, steps.report) and keeps_colours(solid, frames):
        notes.append("The field never moves: one mesh without animation.")
        frames, steps.suffix = frames[:1], ""
    if fixed and len(frames) > 1:
        stretches = _tracked(frames, lambda time: frame_at(solid, time, options), steps, notes)
        if len(stretches) == len(frames):
            check_frames(frames[0], len(frames), options, False, most)
    else:
        stretches = flip_book(frames)
    stretches, off = _recoloured(stretches, solid, frames, steps)
    if fixed and np.mean(off) > FADED:
        notes.append("Colours that change are lost, for one mesh has one colour a vertex: a flip-book shows them.")
    scene = Scene(stretches, options.fps, is_loop(field))
    at, between = _measured(stretches, frames, solid, options, steps)
    return Built(scene, solid, times[: len(frames)], at, between, off, notes)


def _surfaces(
    solid: Solid, times: np.ndarray, options: MeshOptions, steps: ProgressCounter, size_of: Callable[[Frame, int], int]
) -> list[Frame]:
    """A frame for each time. size_of takes the first and their number, refuses them or says how large the file gets."""
    frames = []
    for time in times:
        frames.append(frame_at(solid, float(time), options))
        steps.suffix = steps.suffix or f"about {in_words(size_of(frames[0], len(times)))} as a GLB"
        steps.advance("surface")
    return frames


def _tracked(
    frames: list[Frame], between: Callable[[float], Frame], steps: ProgressCounter, notes: list[str]
) -> list[Stretch]:
    stretches = tracked(frames, between, lambda: steps.advance("track"), steps.report)
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
    stretches: list[Stretch], solid: Solid, frames: list[Frame], steps: ProgressCounter
) -> tuple[list[Stretch], list[float]]:
    """Each vertex the median of its colours over its stretch, and per frame the mean error that this leaves."""
    made, off = [], []
    for stretch in stretches:
        seen = []
        for k, (points, normals) in enumerate(zip(stretch.points, stretch.normals(), strict=True)):
            seen.append(colours(solid, frames[stretch.first + k].time, points, normals))
            steps.advance("colour")
        middle = np.median(seen, axis=0).astype(np.float32)
        made.append(replace(stretch, colours=middle))
        off += [float(np.abs(c - middle).mean()) for c in seen]
    return made, off


def _measured(
    stretches: list[Stretch], frames: list[Frame], solid: Solid, options: MeshOptions, steps: ProgressCounter
) -> tuple[list[Off], Off | None]:
    """How far off at each frame, and between two."""
    size, times = scene_size(frames), np.array([frame.time for frame in frames])
    at = off_at_frames(stretches, frames, size, steps.report)
    return at, off_between(stretches, times, lambda time: surface_at(solid, time, options.resolution), size)
