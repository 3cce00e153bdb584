"""The refine prior of what the user owns: clips at their cameras, a 3D model, and its appearance carried along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..models3d.gaussians import GaussianModel
from ..models3d.mesh import MeshModel
from ..protocols import Cameras, Guidance, View
from ..utils.overlap import silhouette_iou
from .carried import carried
from .defaults import BUILT_IN
from .model3d import Model3DPrior
from .noise import scaled_linear_sigmas
from .point_mass import PointMassPrior
from .video_clip import MIN_OVERLAP, REFINED, ClipPrior, ClipsPrior, FilmedClip

HERE = 1e-3  # world units; a clip's camera this near is the view's own


@dataclass(frozen=True)
class OwnedPrior(PointMassPrior):
    """The data are the clips' frames at their cameras and the model at time 0, whose detail is carried along."""

    model: Model3DPrior | None
    clips: ClipsPrior | None
    size: int  # side of the images, pixels
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)
    reads_condition: ClassVar[bool] = True

    @property
    def filmed(self) -> tuple[Cameras, ...]:
        return () if self.clips is None else self.clips.filmed

    @property
    def cameras(self) -> Cameras | None:
        return self.clips.cameras if self.model is None else None

    def images(self, view: View) -> Tensor:  # (B, 3, S, S) on the CPU
        """Return the answer to a view whose cameras may be those of one clip."""
        if self.clips is not None:
            clip = self.clips.nearest(view)
            if self.model is None or float(clip.distance(view.cameras, view.time).max()) < HERE:
                return clip.frames(view.time.cpu(), view.background.cpu())
        if view.condition is None:
            raise ValueError("a refine prior needs view.condition, the image it repairs: pass (B, 3, H, W).")
        still = len(self.model.frames) == 1  # a sequence answers at all times
        images = self.model.images(replace(view, time=torch.zeros_like(view.time)) if still else view)
        if not still:
            return images
        moved = view.time.cpu() > 0
        if moved.any():
            images[moved] = carried(images[moved], view.condition.cpu()[moved])
        return images


def refine_guidance(
    models: Sequence[MeshModel | GaussianModel],  # one, or a sequence in time, before the reference camera
    clips: Sequence[FilmedClip],
    size: int,  # side at which the other priors compare renders
    others: Guidance | None = None,  # of what else is owned of the same scene
) -> Guidance:
    """Make the refine guidance of an aligned model and of clips: what they show is exact, the rest is carried."""
    side = REFINED * size
    model = Model3DPrior(tuple(models), side) if models else None
    large: tuple[ClipPrior, ...] = tuple(clip.large for clip in clips)
    if others is not None:
        if not isinstance(others.prior, OwnedPrior):
            raise ValueError(
                "the refine guidance that is connected to a clip is not of a clip or 3D model: connect one of these, "
                "or none."
            )
        model = others.prior.model if model is None else model
        large = (*(() if others.prior.clips is None else others.prior.clips.clips), *large)
    known = [name for name, is_known in (("the 3D model", model), ("the clip", large)) if is_known]
    note = f"Restores the detail that {' and '.join(known)} show{'s' if len(known) == 1 else ''}."
    for clip in large if model is not None else ():
        check_agreement(model.frames[0], clip)
    prior = OwnedPrior(model, ClipsPrior(large) if large else None, side)
    made = replace(BUILT_IN["refine"], t_max_end=None).guidance(prior, note)
    return made if others is None else replace(made, weight=others.weight, weight_unit=others.weight_unit)


def check_agreement(model: MeshModel | GaussianModel, clip: ClipPrior) -> None:
    """Refuse a clip whose first frame is not the model seen from its camera."""
    layers = model.layers(clip.cameras[:1], (clip.size, clip.size))
    overlap = silhouette_iou(layers[0, 3], clip.layers[0, 3])
    if overlap < MIN_OVERLAP:
        raise ValueError(
            f"the first frame of the clip overlaps only {100 * overlap:.0f} % with the 3D model seen from its camera: "
            "check its cameras, or begin the clip where the model is at rest."
        )
