"""Turn, scale and shift the cameras of posed pictures so that the subject lies on that of the reference image."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..cameras.rig import focal_length, nearest_index
from ..protocols import Cameras
from ..reference.reference import Reference
from ..utils.overlap import silhouette_iou
from .align import COARSE_SIZE, SIZE, Alignment, Placement, compare, fitted, place
from .posed import PosedImages

SAME_VIEW = 0.9  # overlap from which a picture is taken to be of the same view as the reference image


def align_images(posed: PosedImages, reference: Reference) -> Alignment:
    """Place pictures whose cameras look at the origin: the one that agrees best gets the reference image's azimuth."""
    camera, image = reference.camera, _layers_of(reference, COARSE_SIZE)
    size = float(image[3].sum().sqrt() * camera.radius / focal_length(camera.fovy, COARSE_SIZE))
    scale = size / _subject_size(posed)  # so that the subject fits into the frame
    posed, unscaled = posed.transformed(scale * torch.eye(3), torch.zeros(3)), posed
    cameras = posed.upright(camera)
    layers = posed.resampled(cameras, COARSE_SIZE)
    pixel = float(camera.radius / focal_length(camera.fovy, COARSE_SIZE))
    best, score = Placement(), -torch.inf
    for k in range(len(posed)):
        if not (layers[k, 3] > 0.5).any():
            continue
        turn = Placement(azimuth=float(camera.azimuth[0] - cameras.azimuth[k]))
        moved, placement = fitted(layers[k], image, turn, pixel)
        overlap, colour_error = compare(moved, image)
        if overlap >= SAME_VIEW:
            placement = replace(placement, elevation=float(cameras.elevation[k] - camera.elevation[0]))
        if overlap - colour_error > score:
            best, score = replace(placement, scale=scale * placement.scale), overlap - colour_error
    return measure_images(unscaled, best, reference)


def _subject_size(posed: PosedImages) -> float:
    """Return the median root of the silhouettes' areas, in the units in which the cameras stand."""
    focal = focal_length(posed.cameras.fovy, posed.images.shape[2])
    distance = posed.cameras.c2w[:, 0, :3, 3].norm(dim=1)
    return max(float((posed.images[:, 3].sum((1, 2)).sqrt() / focal * distance).median()), 1e-6)


def measure_images(posed: PosedImages, placement: Placement, reference: Reference) -> Alignment:
    """Return how well the picture nearest to the reference camera agrees with the reference image."""
    image = _layers_of(reference, SIZE)
    layers = nearest_image(place(posed, placement, reference.camera), reference.camera, SIZE)
    overlap = silhouette_iou(layers[3], image[3])
    return Alignment(placement, overlap, compare(layers, image)[1])


def nearest_image(posed: PosedImages, camera: Cameras, size: int) -> Tensor:  # (4, size, size)
    """Return the picture that was taken from nearest to a camera, framed as that camera frames the origin."""
    cameras = posed.upright(camera)
    k = int(nearest_index(camera, cameras)[0])
    one = PosedImages(posed.images[k : k + 1], posed.cameras[k : k + 1])
    return one.resampled(cameras[k : k + 1], size)[0]


def _layers_of(reference: Reference, size: int) -> Tensor:  # (4, size, size)
    return torch.cat((reference.composite(size, (0.0, 0.0, 0.0)), reference.mask_at(size)), 1)[0]
