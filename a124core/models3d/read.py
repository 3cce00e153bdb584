"""Read a 3D model of any supported file: a mesh or Gaussians, in the middle of the scene and as large as a subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..utils.files import in_order
from ..utils.validate import readable_file
from .gaussians import GaussianModel
from .mesh import MeshModel
from .read_gaussians import read_ply_gaussians, read_splat
from .read_mesh import read_glb, read_obj, read_ply_mesh
from .read_ply import ADVICE, read_ply_header
from .read_spz import read_spz
from .sequence import Model, share_topology, stands_still

MAX_BYTES = 2**30  # of a file
MAX_FRAMES = 64  # of a sequence
SIZE = 1.0  # longest side of the model's box, world units
UPWARDS: dict[str, tuple[tuple[float, float, float], ...]] = {  # axis of the file that is up -> rotation to y up
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),  # as COLMAP and programs that train Gaussians have it
}
ANY_UP = "auto"  # of the axis that is up: that with which the model fits the reference image best
LIKELY_UP = {MeshModel: ("y", "z", "-y"), GaussianModel: ("-y", "y", "z")}  # the likeliest first

Reader = Callable[[Path], tuple[Model, list[str]]]


@dataclass(frozen=True)
class LoadedModel:
    """A model at one or more times, and what happened to it on the way."""

    frames: tuple[Model, ...]  # one of a model that stands still; of a sequence one for each time, evenly spaced
    note: str  # one sentence for the user
    ups: tuple[str, ...] = ("y",)  # axes of the frames that may be up, the likeliest first; y where it is known

    def turned(self, up: str) -> LoadedModel:
        """Return the model with the axis `up` of its frames turned upwards."""
        if up == "y":
            return self
        rotation = torch.tensor(UPWARDS[up], dtype=torch.float32)
        frames = tuple(frame.transformed(rotation, torch.zeros(3)) for frame in self.frames)
        return LoadedModel(frames, f"{self.note} Its {up} axis was taken to be up.")


def read_model(path: str | Path, up: str = "y") -> LoadedModel:
    """Read a model from a file, or a sequence from a folder of files in the order of their names.

    `up` names the axis that is up in the files, which none of them says, or is ANY_UP."""
    check_up(up)
    files = _files(Path(path))
    frames, notes = zip(*(_read(file) for file in files), strict=True)
    return loaded_model(frames, notes[0], up)


def check_up(up: str) -> None:
    """Refuse an axis that no model has upwards."""
    choices = (*UPWARDS, ANY_UP)
    if up not in choices:
        raise ValueError(f"up is {up!r}: choose one of {', '.join(choices)}, the axis that is up in the file.")


def loaded_model(frames: Sequence[Model], notes: Sequence[str], up: str) -> LoadedModel:
    """Turn, centre and scale frames, and say what they are; notes are those of the first."""
    first = frames[0]
    ups = LIKELY_UP[type(first)] if up == ANY_UP else ("y",)
    turn = "y" if up == ANY_UP else up
    linear, shift = _centring(first, torch.tensor(UPWARDS[turn], dtype=torch.float32))
    kind = f"a mesh of {len(first.faces)} faces" if isinstance(first, MeshModel) else f"{len(first.means)} Gaussians"
    if len(frames) > 1 and stands_still(frames):
        frames, notes = frames[:1], [*notes, f"its {len(frames)} frames are all the same, so it stands still"]
    several = f"{len(frames)} frames, the first " if len(frames) > 1 else ""
    axis = "" if up == ANY_UP else f" with {up} up"
    alike = [isinstance(frame, MeshModel) and share_topology(first, frame) for frame in frames]
    if len(frames) > 1 and not all(alike):
        notes = [*notes, "its frames have other faces or points each, so between them the nearest is taken"]
    frames = [replace(frame, faces=first.faces) if same else frame for frame, same in zip(frames, alike, strict=True)]
    note = "; ".join([f"The model is {several}{kind}{axis}", *notes]) + "."
    frames = [frame.transformed(linear, shift) for frame in frames]
    if not all(_is_finite(frame) for frame in frames):  # float32 holds no more than 3e38
        raise ValueError("the model has parts that are endlessly large or far away beside the others: export it again.")
    return LoadedModel(tuple(frames), note, ups)


def _is_finite(model: Model) -> bool:
    shape = (model.vertices,) if isinstance(model, MeshModel) else (model.means, model.covariances)
    return all(bool(tensor.isfinite().all()) for tensor in shape)


def _files(path: Path) -> list[Path]:
    """Return the file, or those of a folder that are models."""
    if not path.is_dir():
        return [path]
    files = in_order(file for file in path.iterdir() if file.suffix.lower() in READERS)
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


READERS: dict[str, Reader] = {
    ".glb": read_glb, ".obj": read_obj, ".ply": _read_ply, ".splat": read_splat, ".spz": read_spz,
}
