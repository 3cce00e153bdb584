"""A model that stands before the reference camera as it shows the subject of the reference image, or is refused."""

from __future__ import annotations

from dataclasses import dataclass

from ..reference.reference import Reference, camera_of
from ..utils.progress import OnProgress
from .align import Alignment, Placement, align_loaded, measure, place
from .read import LoadedModel
from .sequence import Model

MIN_OVERLAP = 0.6  # IoU of silhouettes below which the model is not the subject of the reference image


class NotAlignedError(ValueError):
    """A model or pictures that hardly overlap with the reference image; other advice makes another sentence."""

    def __init__(self, overlap: float, advice: str = "give a model of the same subject, or name another axis that is "
                 "up in its file") -> None:
        super().__init__(f"the model overlaps only {100 * overlap:.0f} % with the reference image: {advice}.")
        self.overlap = overlap


@dataclass(frozen=True)
class PlacedModel:
    """A model as it stands before the reference camera."""

    frames: tuple[Model, ...]
    alignment: Alignment | None  # None: there is no reference image
    note: str  # sentences for the user


def place_loaded(
    loaded: LoadedModel,
    reference: Reference | None,
    placement: Placement | None = None,  # None: aligned automatically, where there is a reference image
    on_progress: OnProgress | None = None,
) -> PlacedModel:
    """Place a model, or a sequence as its first frame, before the reference camera."""
    alignment: Alignment | None = None
    if reference is not None and placement is None:
        loaded, alignment = align_loaded(loaded, reference, on_progress)
        if alignment.overlap < MIN_OVERLAP:
            raise NotAlignedError(alignment.overlap)
    else:
        loaded = loaded.turned(loaded.ups[0])
        alignment = None if reference is None else measure(loaded.frames[0], placement, reference)
    placed = placement or (Placement() if alignment is None else alignment.placement)
    frames = tuple(place(frame, placed, camera_of(reference)) for frame in loaded.frames)
    return PlacedModel(frames, alignment, f"{loaded.note} {placement_note(alignment)}")


def placement_note(alignment: Alignment | None) -> str:
    """Say how a model lies on the reference image."""
    if alignment is None:
        return "It is compared with no image: connect a reference to align it."
    p = alignment.placement
    place = f"azimuth {round(p.azimuth)}, elevation {round(p.elevation)}, scale {p.scale:.2f}, x {p.x:.2f}, y {p.y:.2f}"
    return f"It overlaps {100 * alignment.overlap:.0f} % with the reference image at {place}."
