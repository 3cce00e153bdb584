"""What an aligned model looks like beside the image that it was aligned to."""

from __future__ import annotations

import torch
from torch import Tensor

from ..cameras.rig import make_cameras
from ..protocols import Cameras
from ..reference.reference import Reference, camera_of
from .align_images import nearest_image
from .posed import PosedImages
from .sequence import Model

SIDE = 256  # pixels of each part
TURNS = (0.0, 90.0, 180.0)  # degrees from the reference camera


def preview_image(model: Model | PosedImages, reference: Reference | None) -> Tensor:  # (1, 3, SIDE, SIDE n)
    """Put the reference image, the placed model from its camera, from the right and from behind side by side."""
    parts = [] if reference is None else [reference.composite(SIDE)[0]]
    camera = camera_of(reference)
    for turn in TURNS:
        turned = make_cameras(camera.elevation, camera.azimuth + turn, camera.radius, camera.fovy)
        layers = _layers(model, turned)
        parts.append(layers[:3] + 1.0 - layers[3:])
    return torch.cat(parts, -1)[None].clamp(0.0, 1.0)


def _layers(model: Model | PosedImages, camera: Cameras) -> Tensor:  # (4, SIDE, SIDE)
    if isinstance(model, PosedImages):
        return nearest_image(model, camera, SIDE)
    return model.layers(camera, (SIDE, SIDE))[0, :4]
