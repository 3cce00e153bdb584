"""From a field to a sequence of meshes, with the figures that say how good it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...protocols import Field
from ...utils.optional import require
from ...utils.progress import OnProgress, ProgressCounter
from ...utils.text import count_noun, format_bytes
from .mesh import Frame, Mesh, MeshSequence, Segment, diagonal
from .options import MeshOptions, check_frames_memory
from .quality import SurfaceError, describe_errors, error_between_frames, errors_at_frames, hausdorff_distance
from .register import MAX_SEGMENTS, register_segments
from .surface import IsoSurface, fit_surface

MAX_COLOUR_ERROR = 0.05  # mean difference that docs/exports.md allows a tracked mesh
STATIC_DISTANCE = 0.001  # share of the diagonal: a scene is static if no vertex of its surface is farther off than this
STATIC_COLOUR = 0.02  # of a colour in [0, 1], the same: five of the 255 steps that a screen has


@dataclass(frozen=True)
class MeshBuild:
    """A sequence of meshes ready to be written."""

    sequence: MeshSequence
    surface: IsoSurface
    times: np.ndarray  # (F,) scene times in [0, 1]
    errors: list[SurfaceError]  # per frame
    error_between: SurfaceError | None  # half-way along the longest move of a moving mesh
    colour_errors: list[float]  # per frame, mean difference to the field's colours
    notes: list[str]  # one sentence each: what differs from what was requested

    def colours(self, frame: int, points: np.ndarray, normals: np.ndarray) -> np.ndarray:  # (N, 3) sRGB
        return self.surface.colours(float(self.times[frame]), points, normals)


@dataclass(frozen=True)
class MeshReport:
    """What was written, and how near it is to the field."""

    path: Path
    kind: str
    bytes: int  # on disk
    build: MeshBuild

    @property
    def mesh(self) -> Mesh:
        """The first frame."""
        return self.build.sequence.mesh(0)

    def summary(self) -> str:
        """Describe for the user what it is, how near it is to the scene, and what differs from the request."""
        built, sequence = self.build, self.build.sequence
        frames = count_noun(sequence.n_frames, "frame")
        return " ".join([
            f"{self.kind}: {frames}, {sequence.n_faces} faces, {format_bytes(self.bytes)}; "
            f"colours {100 * np.mean(built.colour_errors):.1f} % off.",
            *describe_errors(built.errors, built.error_between, sequence),
            *built.notes,
        ])


def build(
    field: Field,
    options: MeshOptions,
    tracked: bool,  # one mesh that follows the scene; False: a mesh of its own for each frame
    on_progress: OnProgress | None = None,
    max_bytes: int | None = None,  # of the file; None: any number
) -> MeshBuild:
    """Extract, register, colour and measure the surfaces; refuse what would not fit after the first one."""
    require("trimesh", "trimesh", "to measure meshes")
    times = mesh_times(field, options)
    registrations = len(times) - 1 if tracked else 0  # the template needs none
    units = 3 * len(times) + registrations + 2  # surfaces, colours and errors of each frame; between them, and the file
    progress = ProgressCounter(units, on_progress, text="locating the object")
    surface = fit_surface(field, times, options.resolution, progress.report)
    check = lambda frame, tracked: check_frames_memory(frame, len(times), options, tracked, max_bytes)  # noqa: E731
    frames = []
    for time in times:
        frames.append(surface.frame(float(time), options.faces))
        progress.suffix = progress.suffix or f"about {format_bytes(check(frames[0], tracked))} as a GLB"
        progress.advance("surface")
    segments, notes = flip_book(frames), []
    if len(frames) > 1 and is_static(surface, frames):
        notes.append("The scene is static: one mesh without animation.")
        frames, segments, progress.suffix = frames[:1], segments[:1], ""
    if tracked and len(frames) > 1:
        segments, notes = _register(frames, lambda time: surface.frame(time, options.faces), progress)
        if len(segments) == len(frames):
            check(frames[0], False)
    segments, colour_errors = _recolour(segments, surface, frames, progress)
    if tracked and np.mean(colour_errors) > MAX_COLOUR_ERROR:
        notes.append("Colours that change are lost, for one mesh has one colour a vertex: a flip-book shows them.")
    size = scene_size(frames)
    errors = errors_at_frames(segments, frames, size, lambda: progress.advance("comparing with the scene"))
    progress.advance("comparing with the scene")
    between = error_between_frames(segments, times, surface.surface, size)
    sequence = MeshSequence(segments, options.fps, field.loop)
    progress.advance("writing the file")
    return MeshBuild(sequence, surface, times[: len(frames)], errors, between, colour_errors, notes)


def mesh_times(field: Field, options: MeshOptions) -> np.ndarray:  # (F,) in [0, 1]
    """Return times spread over the whole scene; the end of a loop, which is its start, is left out."""
    if options.time is not None or options.frames == 1:
        return np.array([options.time or 0.0])
    return np.arange(options.frames) / (options.frames if field.loop else options.frames - 1)


def scene_size(frames: list[Frame]) -> float:
    """Return the largest bounding-box diagonal of any frame."""
    return max(diagonal(frame.surface[0]) for frame in frames)


def is_static(surface: IsoSurface, frames: list[Frame]) -> bool:
    """Return whether every vertex stays where it is and keeps its colour: a mean would not notice a finger."""
    limit, mesh = STATIC_DISTANCE * scene_size(frames), frames[0].mesh
    for frame in frames[1:]:
        surface.poll()
        if hausdorff_distance(frames[0].surface, frame.surface) >= limit:
            return False
    colours = (surface.colours(frame.time, mesh.vertices, mesh.normals) for frame in frames[1:])
    return all(np.abs(now - mesh.colours).max() < STATIC_COLOUR for now in colours)


def flip_book(frames: list[Frame]) -> list[Segment]:
    """Make a segment of every frame."""
    return [Segment(k, f.mesh.vertices[None], f.mesh.faces, f.mesh.colours) for k, f in enumerate(frames)]


def _register(
    frames: list[Frame], frame_at: Callable[[float], Frame], progress: ProgressCounter
) -> tuple[list[Segment], list[str]]:
    """Register the frames, or make a flip-book of them; return the segments, and notes for the user."""
    segments = register_segments(frames, frame_at, progress)
    if segments is None:
        return flip_book(frames), [
            f"One mesh cannot follow this scene (more than {MAX_SEGMENTS} templates were needed): every frame has its "
            "own mesh, as in a flip-book."
        ]
    starts = ", ".join(str(segment.first) for segment in segments[1:])
    note = f"Tracking lost the surface and started again with another template at frame {starts}."
    return segments, [note] if starts else []


def _recolour(
    segments: list[Segment], surface: IsoSurface, frames: list[Frame], progress: ProgressCounter
) -> tuple[list[Segment], list[float]]:
    """Give each vertex the median of its colours over its segment; return the mean error of that per frame too."""
    recoloured, errors = [], []
    for segment in segments:
        colours = []
        for k, (vertices, normals) in enumerate(zip(segment.vertices, segment.normals(), strict=True)):
            colours.append(surface.colours(frames[segment.first + k].time, vertices, normals))
            progress.advance("colour")
        median = np.median(colours, axis=0).astype(np.float32)
        recoloured.append(replace(segment, colours=median))
        errors += [float(np.abs(c - median).mean()) for c in colours]
    return recoloured, errors
