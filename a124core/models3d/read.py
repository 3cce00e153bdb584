"""Read a 3D model of any supported file: a mesh or Gaussians, in the middle of the scene and as large as a subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..utils.validate import readable_file
from .gaussians import GaussianModel
from .mesh import MeshModel
from .read_gaussians import read_ply_gaussians, read_splat
from .read_mesh import read_glb, read_obj, read_ply_mesh
from .read_ply import ADVICE, read_ply_header

MAX_BYTES = 2**30  # of a file
MAX_FRAMES = 64  # of a sequence
SIZE = 1.0  # longest side of the model's box, world units
UPWARDS: dict[str, tuple[tuple[float, float, float], ...]] = {  # axis of the file that is up -> rotation to y up
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),  # as COLMAP and programs that train Gaussians have it
}

Model = MeshModel | GaussianModel
Reader = Callable[[Path], tuple[Model, list[str]]]


@dataclass(frozen=True)
class LoadedModel:
    """A model at one or more times, and what happened to it on the way."""

    frames: tuple[Model, ...]  # one of a still model; of a sequence those of its files, in time
    note: str  # one sentence for the user


def read_model(path: str | Path, up: str = "y") -> LoadedModel:
    """Read a model from a file, or a sequence from a folder of files in the order of their names.

    `up` names the axis that is up in the files, which none of them says."""
    if up not in UPWARDS:
        raise ValueError(f"up is {up!r}: choose one of {', '.join(UPWARDS)}, the axis that is up in the file.")
    files = _files(Path(path))
    frames, notes = zip(*(_read(file) for file in files), strict=True)
    linear, shift = _centring(frames[0], torch.tensor(UPWARDS[up], dtype=torch.float32))
    first = frames[0]
    kind = f"a mesh of {len(first.faces)} faces" if isinstance(first, MeshModel) else f"{len(first.means)} Gaussians"
    several = f"{len(files)} frames, the first " if len(files) > 1 else ""
    note = "; ".join([f"The model is {several}{kind} with {up} up", *notes[0]]) + "."
    return LoadedModel(tuple(frame.transformed(linear, shift) for frame in frames), note)


def _files(path: Path) -> list[Path]:
    """Return the file, or those of a folder that are models."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS)
    if not 1 <= len(files) <= MAX_FRAMES:
        raise ValueError(f"{path} holds {len(files)} models: give a folder with 1 to {MAX_FRAMES}, one for each time.")
    return files


def _read(path: Path) -> tuple[Model, list[str]]:
    path = readable_file(path, ADVICE, MAX_BYTES)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path} does not end in {', '.join(READERS)}: {ADVICE}.")
    return reader(path)


def _centring(model: Model, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrix and the shift that turn a model, put its box around the origin and make it SIZE long."""
    low, high = model.transformed(rotation, torch.zeros(3)).box
    longest = float((high - low).max())
    if not 1e-12 < longest < 1e12:
        raise ValueError("the model has no extent, or an endless one: export it again.")
    scale = SIZE / longest
    return scale * rotation, -scale * (low + high) / 2


def _read_ply(path: Path) -> tuple[Model, list[str]]:
    """Read a mesh, or Gaussians where the vertices have scales and rotations."""
    header = read_ply_header(path)
    return read_ply_gaussians(header) if header.has_gaussians else read_ply_mesh(header)


READERS: dict[str, Reader] = {".glb": read_glb, ".obj": read_obj, ".ply": _read_ply, ".splat": read_splat}
