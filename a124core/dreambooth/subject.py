"""The images that DreamBooth learns from: the reference picture, and renderings of a scene from around it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..cameras.rig import make_cameras
from ..priors.view_text import SIDES, view_weights
from ..protocols import Field
from ..reference.layers import resize
from ..reference.reference import Reference, camera_of
from ..render.clip import ImageOptions, render_clip
from ..utils.progress import OnProgress

BLACK = (0.0, 0.0, 0.0)  # behind a rendering, so that its colours are multiplied by its coverage


@dataclass(frozen=True)
class SubjectImages:
    """Cut-outs, the picture first. Colours are multiplied by the coverage; of a picture with its background it is 1."""

    images: Tensor  # (N, 4, S, S) in [0, 1]
    sides: tuple[str, ...]  # of each, one of view_text.SIDES


def subject_of(image: Tensor, size: int) -> SubjectImages:  # (1, 3 or 4, H, W)
    """Return the picture's central square, or its cut-out, alone."""
    side = min(image.shape[-2:])
    top, left = ((n - side) // 2 for n in image.shape[-2:])
    square = image.detach().float().cpu()[..., top : top + side, left : left + side]
    square = square if square.shape[1] == 4 else torch.cat((square, torch.ones_like(square[:, :1])), dim=1)
    return SubjectImages(resize(square, (size, size)).clamp(0.0, 1.0), SIDES[:1])


def cut_out(reference: Reference) -> Tensor:  # (1, 4, S, S)
    """Return the reference's subject with its colours multiplied by its coverage."""
    return torch.cat((reference.image * reference.mask, reference.mask), dim=1)


def with_renderings(
    subject: SubjectImages,
    field: Field,
    reference: Reference | None,
    views: int,
    device: torch.device | str,
    on_progress: OnProgress | None = None,
) -> SubjectImages:
    """Add renderings at time 0 from evenly around, at the reference's height; its own side is the picture's."""
    camera = camera_of(reference)
    turns = torch.arange(1, views + 1) * 360.0 / (views + 1)
    cameras = make_cameras(camera.elevation, camera.azimuth + turns, camera.radius, camera.fovy)
    options = ImageOptions(subject.images.shape[-1], background=BLACK, normals=False)
    clip = render_clip(field.to(device), cameras, torch.zeros(views), options, on_progress)
    sides = tuple(SIDES[k] for k in view_weights(turns).argmax(dim=1).tolist())
    images = torch.cat((clip.image, clip.mask), dim=1).clamp(0.0, 1.0)
    return SubjectImages(torch.cat((subject.images, images)), subject.sides + sides)
