"""A 3D model as a prior: its render at the requested camera is the exact answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..models3d.align import Alignment, Placement
from ..models3d.normals import depth_normals
from ..models3d.placed import place_loaded
from ..models3d.read import LoadedModel
from ..models3d.sequence import Model, model_at
from ..protocols import Guidance, Guidances, Prior, View
from ..reference.reference import Reference
from ..utils.progress import OnProgress
from .builtin.bank import shade
from .defaults import BUILT_IN
from .noise import scaled_linear_sigmas
from .point_mass import PointMassClipPrior, PointMassPrior

MIN_SIDE, MAX_SIDE = 8, 1024  # pixels of the renders


@dataclass(frozen=True)
class Model3DPrior(PointMassPrior):
    """The data are the renders of one model, so the posterior mean is the render, whatever the noise."""

    frames: tuple[Model, ...]  # N; frame i is scene time i / (N - 1), a still model has one
    size: int  # side of the images, pixels
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)

    def images(self, view: View) -> Tensor:  # (B, 3, S, S) on the CPU
        """Render the model at each time as a renderer with the view's background and shading would."""
        cameras, size = view.cameras.to("cpu"), (self.size, self.size)
        models = [model_at(self.frames, time) for time in view.time.tolist()]
        layers = torch.cat([model.layers(cameras[b : b + 1], size) for b, model in enumerate(models)])
        if view.shading.mode == "albedo":
            layers = layers[:, :4]
        else:
            layers = torch.cat((layers[:, :4], depth_normals(layers, cameras)), 1)
        return shade(layers[None], view.background.cpu(), view.shading)[0]


@dataclass(frozen=True)
class ModelClipPrior(PointMassClipPrior, Model3DPrior):
    """The data are the clips of a model that moves, from any camera."""


@dataclass(frozen=True)
class ExactNumbers:
    """The numbers that the guidances of one model share; an answer that is exact at any noise anneals nothing."""

    weight: float = 1.0  # times the role's own weight
    t_min: float = BUILT_IN["view"].t_min
    t_max: float = BUILT_IN["view"].t_max

    def guidance(self, role: str, prior: Prior, note: str) -> Guidance:
        """Return a prior as the guidance of a role."""
        own = BUILT_IN[role]
        numbers = replace(own, weight=own.weight * self.weight, t_min=self.t_min, t_max=self.t_max, t_max_end=None)
        return numbers.guidance(prior, note)


ROLE_NUMBERS = ExactNumbers()


@dataclass(frozen=True)
class Model3DGuidances:
    """What a model answers, and how it was placed."""

    guidances: Guidances  # image and view, and video for a sequence
    models: tuple[Model, ...]  # as they stand before the reference camera
    alignment: Alignment | None  # None: there is no reference image
    note: str  # one sentence for the user


def model3d_guidances(
    loaded: LoadedModel,
    reference: Reference | None,
    placement: Placement | None = None,  # None: aligned automatically, where there is a reference image
    size: int = 64,  # side at which renders are compared with the model
    numbers: ExactNumbers = ROLE_NUMBERS,
    on_progress: OnProgress | None = None,
) -> Model3DGuidances:
    """Place a model, or a sequence as its first frame, before the reference camera and make its guidances."""
    check_size(size)
    placed = place_loaded(loaded, reference, placement, on_progress)
    models = placed.frames
    still = Model3DPrior(models, size)
    roles = {"image": still, "view": still} | ({"video": ModelClipPrior(models, size)} if len(models) > 1 else {})
    made = {role: numbers.guidance(role, prior, placed.note) for role, prior in roles.items()}
    return Model3DGuidances(Guidances(**made), models, placed.alignment, placed.note)


def check_size(size: int) -> None:
    """Refuse images that are too small or too large to be compared."""
    if not MIN_SIDE <= size <= MAX_SIDE:
        raise ValueError(f"size is {size}: choose {MIN_SIDE} to {MAX_SIDE} pixels.")
