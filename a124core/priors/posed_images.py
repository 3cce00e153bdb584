"""Pictures with known cameras as a prior: at these cameras they are the exact answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..cameras.rig import nearest_index
from ..models3d.align import Alignment, Placement, place
from ..models3d.align_images import align_images, measure_images
from ..models3d.placed import MIN_OVERLAP, NotAlignedError, placement_note
from ..models3d.posed import PosedImages, centred
from ..protocols import Cameras, Guidances, Pinholes, View
from ..reference import segment
from ..reference.layers import border_pixels, fill_outwards
from ..reference.reference import Reference, camera_of
from ..utils.progress import OnProgress, ProgressCounter
from .model3d import ROLE_NUMBERS, ExactNumbers, check_size
from .noise import scaled_linear_sigmas
from .point_mass import PointMassPrior

MIN_IMAGES, MAX_IMAGES = 2, 256
MAX_SIDE = 512  # pixels of a picture that are kept: renders that are compared with it are smaller


@dataclass(frozen=True)
class PosedPrior(PointMassPrior):
    """The data are one picture for each camera, so the posterior mean is that picture, whatever the noise."""

    layers: Tensor  # (N, 4, S, S) premultiplied colour and coverage
    cameras: Cameras  # N, the only ones it supports
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)
    unlit: ClassVar[bool] = True

    @property
    def size(self) -> int:
        return self.layers.shape[-1]

    def images(self, view: View) -> Tensor:  # (B, 3, S, S) on the CPU
        """Return the picture of the nearest camera over the view's background."""
        layers = self.layers[nearest_index(view.cameras.to("cpu"), self.cameras)]
        return layers[:, :3] + (1.0 - layers[:, 3:]) * view.background.to(layers).view(3, 1, 1)


@dataclass(frozen=True)
class PosedGuidances:
    """What posed pictures answer, and how they were placed."""

    guidances: Guidances  # image and view
    posed: PosedImages  # as their cameras stand around the scene
    alignment: Alignment | None  # None: there is no reference image
    note: str  # one sentence for the user


def posed_guidances(
    posed: PosedImages,
    reference: Reference | None,
    placement: Placement | None = None,  # None: aligned automatically, where there is a reference image
    size: int = 64,  # side at which renders are compared with the pictures
    numbers: ExactNumbers = ROLE_NUMBERS,
) -> PosedGuidances:
    """Place the cameras of pictures around the scene, as the reference image shows it, and make their guidances."""
    check_size(size)
    posed, alignment = centred(posed), None
    if reference is not None:
        alignment = (
            align_images(posed, reference) if placement is None else measure_images(posed, placement, reference)
        )
        if placement is None and alignment.overlap < MIN_OVERLAP:
            raise NotAlignedError(alignment.overlap, "give pictures of the same subject, or check their cameras")
    placed = placement or (Placement() if alignment is None else alignment.placement)
    camera = camera_of(reference)
    posed = place(posed, placed, camera)
    cameras = posed.upright(camera)
    note = f"{len(posed)} pictures answer at their own cameras. {placement_note(alignment)}"
    prior = PosedPrior(posed.resampled(cameras, size), cameras)
    made = {role: numbers.guidance(role, prior, note) for role in ("image", "view")}
    return PosedGuidances(Guidances(**made), posed, alignment, note)


def posed_images(
    image: Tensor,  # (N, 3, H, W) in [0, 1]
    mask: Tensor | None,  # (N, 1, h, w), either polarity
    alpha: Tensor | None,  # (N, 1, H, W), 1 = opaque
    cameras: Pinholes,  # one for each picture
    on_progress: OnProgress | None = None,
) -> PosedImages:
    """Cut pictures out and give each its camera."""
    count = len(image)
    if not MIN_IMAGES <= count <= MAX_IMAGES:
        raise ValueError(f"{count} picture(s) came: give {MIN_IMAGES} to {MAX_IMAGES}, seen from all around.")
    if not image.isfinite().all() or (mask is not None and not mask.isfinite().all()):
        raise ValueError("the pictures or their masks contain NaN or infinite values: make them again.")
    _check_cameras(cameras, count)
    if mask is not None and len(mask) != count:
        raise ValueError(f"{count} pictures came with {len(mask)} mask(s): give one mask for each picture, or none.")
    if mask is not None and segment.is_placeholder_mask(mask):
        mask = None
    if mask is not None and sum(float(border_pixels(m[None]).mean()) for m in mask) / count > 0.5:
        mask = 1.0 - mask  # what touches the edges is the background
    image = image.clamp(0.0, 1.0)
    layers, progress = [], ProgressCounter(count, on_progress)
    for k in range(count):
        layers.append(_cut_out(k, image, mask, alpha))
        progress.advance("cutting the pictures out")
    return PosedImages(torch.cat(layers), cameras)


def _check_cameras(cameras: Pinholes, count: int) -> None:
    """Refuse anything but one camera for each picture."""
    if len(cameras) != count:
        raise ValueError(
            f"{count} pictures came with {len(cameras)} camera(s): give one camera for each picture, in order."
        )
    if cameras.eyes != 1:
        raise ValueError("pictures of two eyes side by side have no one camera: set the eyes' distance to 0.")


def _cut_out(k: int, image: Tensor, mask: Tensor | None, alpha: Tensor | None) -> Tensor:  # (1, 4, h, w)
    """Cut a picture out: premultiplied, at most MAX_SIDE a side; by its mask, transparency or an even background."""
    frame = image[k : k + 1]
    if mask is None:
        subject, pure, _ = segment.segment_subject(frame, None, None if alpha is None else alpha[k : k + 1])
    else:
        subject, pure = segment.fit_to_image(mask[k : k + 1].clamp(0.0, 1.0), frame, "mask of the pictures"), False
    known = segment.certain_pixels(subject, pure)
    colour = fill_outwards(frame, known) if known.any() else frame
    layers = torch.cat((colour * subject, subject), 1)
    factor = max(layers.shape[-2:]) / MAX_SIDE
    if factor <= 1.0:
        return layers
    return interpolate(layers, [max(1, round(side / factor)) for side in layers.shape[-2:]], mode="area")
