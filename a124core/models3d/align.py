"""Turn, scale and shift a model so that it covers the subject of the reference image: a coarse search, then refinement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from math import radians
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from ..cameras.rig import camera_to_world, focal_length
from ..protocols import Cameras
from ..reference.reference import Reference
from ..utils.overlap import silhouette_iou
from ..utils.progress import OnProgress, ProgressCounter
from .gaussians import GaussianModel
from .mesh import MeshModel
from .posed import PosedImages
from .read import LoadedModel
from .reduce_mesh import reduced_mesh
from .sequence import Model

Placed = TypeVar("Placed", MeshModel, GaussianModel, PosedImages)

COARSE_SIZE, SIZE = 48, 96  # pixels a side of the images that are compared
AZIMUTHS = tuple(range(0, 360, 15))  # degrees
ELEVATIONS = (0, 20, -20, 40)  # degrees
MAX_ELEVATION = 60.0  # degrees; further, and a pole seen from its end is a ball
BEST = 4  # positions of the coarse search that are refined at the small size; the best goes on at the large one
STEPS = {"azimuth": 8.0, "elevation": 8.0, "scale": 0.06, "x": 0.03, "y": 0.03}  # first steps of the refinement
HALVINGS = 3  # of the steps, at each size
TILT_COST = 5e-4  # of the score, for a degree of elevation: of two that fit alike the upright one is taken
COLOUR_WEIGHT = 1.0  # of the mean difference of colours, against an overlap of 1
GOOD = 0.7  # score of the coarse search from which no further axis is tried for a mesh
REFINING = "refining the alignment"
SIMPLE = 20_000  # faces or Gaussians that are enough to compare silhouettes


@dataclass(frozen=True)
class Placement:
    """How a model stands before the reference camera."""

    azimuth: float = 0.0  # degrees about the world's y axis; + turns its front to +x
    elevation: float = 0.0  # degrees about the camera's right axis; + tilts its top towards the camera
    scale: float = 1.0
    x: float = 0.0  # world units along the camera's right axis
    y: float = 0.0  # world units along its upward axis


@dataclass(frozen=True)
class Alignment:
    """A placement, and how well its render agrees with the reference image."""

    placement: Placement
    overlap: float  # IoU of the silhouettes
    colour_error: float  # mean |dRGB| where both are


def place(model: Placed, placement: Placement, camera: Cameras) -> Placed:
    """Return the model as it stands before the reference image's camera."""
    axes = camera_to_world(camera)[0, :3, :3]
    tilt = axes @ _rotation(placement.elevation, 0) @ axes.T
    linear = placement.scale * tilt @ _rotation(placement.azimuth, 1)
    return model.transformed(linear, placement.x * axes[:, 0] + placement.y * axes[:, 1])


def align_loaded(
    loaded: LoadedModel, reference: Reference, on_progress: OnProgress | None = None
) -> tuple[LoadedModel, Alignment]:
    """Align a model as its first frame, with that of its possible upward axes which fits best."""
    searches = []
    for up in loaded.ups:
        turned = loaded.turned(up)
        searches.append((turned, _coarse_search(turned.frames[0], reference, on_progress)))
        if isinstance(turned.frames[0], MeshModel) and searches[-1][1].best_score >= GOOD:
            break  # files of Gaussians are as often one way up as the other, and a silhouette hardly tells
    turned, search = max(searches, key=lambda pair: pair[1].best_score)
    return turned, _refine(turned.frames[0], search, reference, on_progress)


def align(model: Model, reference: Reference, on_progress: OnProgress | None = None) -> Alignment:
    """Search for the placement of a model that agrees best with the reference image."""
    return _refine(model, _coarse_search(model, reference, on_progress), reference, on_progress)


def _coarse_search(model: Model, reference: Reference, on_progress: OnProgress | None) -> _Search:
    """Try all turns, each with the size and the place of the subject."""
    simple = model.reduced(SIMPLE) if isinstance(model, GaussianModel) else reduced_mesh(model, SIMPLE)
    small = _Target(simple, reference, COARSE_SIZE)
    candidates = []
    for done, (azimuth, elevation) in enumerate(product(AZIMUTHS, ELEVATIONS)):
        if on_progress is not None:
            on_progress(done, len(AZIMUTHS) * len(ELEVATIONS), "aligning the model")
        candidates.append(small.fitted(azimuth, elevation))
    candidates.sort(key=lambda candidate: -candidate[0])
    return _Search(small, candidates[:BEST])


def _refine(model: Model, search: _Search, reference: Reference, on_progress: OnProgress | None) -> Alignment:
    """Refine the best placements, and the best of those at the larger size."""
    small, progress = search.target, ProgressCounter(len(search.candidates) + 1, on_progress, text=REFINING)
    refined = [_refined(small, placement, STEPS, progress) for _, placement in search.candidates]
    best = max(refined, key=small.score)
    steps = {name: step / 2**HALVINGS for name, step in STEPS.items()}
    best = _refined(_Target(small.model, reference, SIZE), best, steps, progress)
    return measure(model, best, reference)


def measure(model: Model, placement: Placement, reference: Reference) -> Alignment:
    """Return how well a placed model agrees with the reference image."""
    target = _Target(model, reference, SIZE)
    layers = target.layers(placement)
    overlap = silhouette_iou(layers[3], target.image[3])
    return Alignment(placement, overlap, compare(layers, target.image)[1])


class _Target:
    """A model and the reference image at one size."""

    def __init__(self, model: Model, reference: Reference, size: int) -> None:
        self.model, self.reference, self.size = model, reference, size
        self.image = torch.cat((reference.composite(size, (0.0, 0.0, 0.0)), reference.mask_at(size)), 1)[0]
        self.pixel = float(reference.camera.radius / focal_length(reference.camera.fovy, size))  # world units

    def layers(self, placement: Placement) -> Tensor:  # (4, S, S)
        model = place(self.model, placement, self.reference.camera)
        return model.layers(self.reference.camera, (self.size, self.size))[0, :4]

    def agreement(self, placement: Placement) -> tuple[float, float]:
        return compare(self.layers(placement), self.image)

    def score(self, placement: Placement) -> float:
        return _score(*self.agreement(placement), placement.elevation)

    def fitted(self, azimuth: float, elevation: float) -> tuple[float, Placement]:
        """Return the score of two angles and the placement whose silhouette has the subject's size and middle."""
        placement = Placement(azimuth, elevation)
        layers = self.layers(placement)
        if not (layers[3] > 0.5).any():
            return -1.0, placement
        moved, placement = fitted(layers, self.image, placement, self.pixel)
        return _score(*compare(moved, self.image), elevation), placement


def fitted(layers: Tensor, target: Tensor, placement: Placement, pixel: float) -> tuple[Tensor, Placement]:
    """Return an image (4, S, S) moved and scaled onto a target's silhouette, and the placement that does it; pixel is
    the length of one at the subject, in world units."""
    (size, middle), (target_size, target_middle) = _size_and_centroid(layers[3]), _size_and_centroid(target[3])
    scale = target_size / size
    shift = (target_middle - scale * middle) * pixel
    moved = _moved(layers, scale, middle, target_middle)
    return moved, replace(placement, scale=scale, x=float(shift[0]), y=-float(shift[1]))


@dataclass(frozen=True)
class _Search:
    """What a coarse search found."""

    target: _Target  # of the simplified model at the small size
    candidates: list[tuple[float, Placement]]  # scores and placements, the best first

    @property
    def best_score(self) -> float:
        return self.candidates[0][0]


def compare(layers: Tensor, target: Tensor) -> tuple[float, float]:
    """Return the soft overlap of premultiplied images (4, S, S), and the mean difference of colours where both are."""
    a, b = layers[3], target[3]
    both = torch.minimum(a, b)
    overlap = float(both.sum() / torch.maximum(a, b).sum().clamp_min(1e-6))
    difference = (layers[:3] / a.clamp_min(1e-3) - target[:3] / b.clamp_min(1e-3)).abs().mean(0)
    return overlap, float((difference * both).sum() / both.sum().clamp_min(1e-6))


def _score(overlap: float, colour_error: float, elevation: float) -> float:
    return overlap - COLOUR_WEIGHT * colour_error - TILT_COST * abs(elevation)


def _refined(target: _Target, start: Placement, steps: dict[str, float], progress: ProgressCounter) -> Placement:
    """Try a step forwards and backwards in each number; halve the steps when none helps (compass search)."""
    best, score = start, target.score(start)
    for halving in range(HALVINGS):
        improved = True
        while improved:
            improved = False
            for trial in _neighbours(best, {name: step / 2**halving for name, step in steps.items()}):
                progress.report()
                trial_score = target.score(trial)
                if trial_score > score + 1e-5:
                    best, score, improved = trial, trial_score, True
                    break
    progress.advance(REFINING)
    return best


def _neighbours(placement: Placement, steps: dict[str, float]) -> Iterator[Placement]:
    for field in fields(Placement):
        for sign in (1.0, -1.0):
            value = getattr(placement, field.name)
            step = sign * steps[field.name]
            trial = replace(placement, **{field.name: value * (1.0 + step) if field.name == "scale" else value + step})
            if abs(trial.elevation) <= MAX_ELEVATION:
                yield trial


def _size_and_centroid(alpha: Tensor) -> tuple[float, Tensor]:
    """Return the root of a silhouette's area, in pixels, and its middle right of and below the image's."""
    offset = torch.arange(len(alpha)).to(alpha) + 0.5 - len(alpha) / 2
    area = alpha.sum()
    return float(area.sqrt()), torch.stack(((alpha * offset).sum(), (alpha * offset[:, None]).sum())) / area


def _moved(layers: Tensor, scale: float, middle: Tensor, target: Tensor) -> Tensor:
    """Return an image scaled about its silhouette's middle, which comes to lie at the target's."""
    half = layers.shape[-1] / 2
    shift = (middle - target / scale) / half
    theta = torch.tensor([[1 / scale, 0.0, float(shift[0])], [0.0, 1 / scale, float(shift[1])]])
    grid = affine_grid(theta[None], [1, *layers.shape], align_corners=False)
    return grid_sample(layers[None], grid, align_corners=False)[0]


def _rotation(degrees: float, axis: int) -> Tensor:  # (3, 3)
    angle, rotation = torch.tensor(radians(degrees)), torch.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rotation[i, i] = rotation[j, j] = angle.cos()
    rotation[i, j], rotation[j, i] = -angle.sin(), angle.sin()
    return rotation
