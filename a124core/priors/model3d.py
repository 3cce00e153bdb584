"""A 3D model as a prior: its render at the requested camera is the exact answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..models3d.align import Alignment, Placement, align, measure, place
from ..models3d.normals import depth_normals
from ..models3d.read import LoadedModel, Model
from ..protocols import Guidances, Prior, View
from ..reference.reference import Reference
from ..utils.progress import OnProgress
from .builtin.bank import shade
from .builtin.denoisers import encode_clip, encode_images
from .defaults import BUILT_IN
from .noise import scaled_linear_sigmas

MIN_SIDE, MAX_SIDE = 8, 1024  # pixels of the renders
MIN_OVERLAP = 0.6  # IoU of silhouettes below which the model is not the subject of the reference image


@dataclass(frozen=True)
class Model3DPrior(Prior):
    """The data are the renders of one model, so the posterior mean is the render, whatever the noise."""

    frames: tuple[Model, ...]  # N; frame i is scene time i / (N - 1), a still model has one
    size: int  # side of the images, pixels
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)
    exact: ClassVar[bool] = True

    def encode(self, image: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, 3, S, S)
        return encode_images(image, self.size)

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return self.encode(self.images(view)).to(x_t)

    def images(self, view: View) -> Tensor:  # (B, 3, S, S) on the CPU
        """Render the frame nearest to each time as a renderer with the view's background and shading would."""
        nearest = (view.time.cpu().clamp(0.0, 1.0) * (len(self.frames) - 1)).round().long().tolist()
        cameras = view.cameras.to("cpu")
        size = (self.size, self.size)
        layers = torch.cat([self.frames[k].layers(cameras[b : b + 1], size) for b, k in enumerate(nearest)])
        if view.shading.mode == "albedo":
            layers = layers[:, :4]
        else:
            layers = torch.cat((layers[:, :4], depth_normals(layers, cameras)), 1)
        return shade(layers[None], view.background.cpu(), view.shading)[0]


@dataclass(frozen=True)
class ModelClipPrior(Model3DPrior):
    """The data are the clips of a model that moves, from any camera."""

    def encode(self, image: Tensor) -> Tensor:  # (F, 3, H, W) -> (1, 3, F, S, S)
        return encode_clip(image, self.size)


@dataclass(frozen=True)
class Model3DGuidances:
    """What a model answers, and how it was placed."""

    guidances: Guidances  # image and view, and video for a sequence
    models: tuple[Model, ...]  # as they stand before the reference camera
    alignment: Alignment
    note: str  # one sentence for the user


def model3d_guidances(
    loaded: LoadedModel,
    reference: Reference,
    placement: Placement | None = None,  # None: aligned automatically
    size: int = 64,  # side at which renders are compared with the model
    on_progress: OnProgress | None = None,
) -> Model3DGuidances:
    """Place a model, or a sequence as its first frame, before the reference camera and make its guidances."""
    if not MIN_SIDE <= size <= MAX_SIDE:
        raise ValueError(f"size is {size}: choose {MIN_SIDE} to {MAX_SIDE} pixels.")
    first = loaded.frames[0]
    alignment = align(first, reference, on_progress) if placement is None else measure(first, placement, reference)
    if placement is None and alignment.overlap < MIN_OVERLAP:
        raise ValueError(
            f"the model overlaps only {100 * alignment.overlap:.0f} % with the reference image: give a model of the "
            "same subject, name the axis that is up in its file, or place it by azimuth, elevation, scale, x and y."
        )
    models = tuple(place(frame, alignment.placement, reference) for frame in loaded.frames)
    p = alignment.placement
    note = (
        f"{loaded.note} It overlaps {100 * alignment.overlap:.0f} % with the reference image at azimuth "
        f"{round(p.azimuth)}, elevation {round(p.elevation)}, scale {p.scale:.2f}, x {p.x:.2f}, y {p.y:.2f}."
    )
    still = Model3DPrior(models, size)
    roles = {"image": still, "view": still} | ({"video": ModelClipPrior(models, size)} if len(models) > 1 else {})
    # the answer is the same at any noise: nothing to anneal
    made = {role: replace(BUILT_IN[role], t_max_end=None).guidance(prior, note) for role, prior in roles.items()}
    return Model3DGuidances(Guidances(**made), models, alignment, note)
