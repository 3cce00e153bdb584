"""How well a picture survives its motion: the front view, warped back by the known motion, against the picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from a124core.models3d.lens import image_places
from a124core.priors.builtin.appearance import Appearance, animate, render_appearance, surfel_spacing
from a124core.priors.builtin.subject import Skeleton, Subject
from a124core.protocols import Cameras
from a124core.reference.reference import Reference

TIMES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
COVERED = 0.95  # alpha from which a pixel is inside
IN_FRONT = 0.02  # depth, share of the camera's distance, within which a point is the foremost of its pixel


def along_motion(reference: Reference, subject: Subject, motion: str, size: int) -> tuple[float, float]:
    """Return PSNR (dB) of what is seen both in the picture and in the moved views, each read where the motion brings a
    point of the picture, and the largest movement of the named part, share of the subject's height."""
    camera = reference.camera
    level = Cameras(camera.elevation, torch.zeros_like(camera.azimuth), camera.radius, camera.fovy)
    surfels = subject.surfels(surfel_spacing(size, float(camera.radius), float(camera.fovy)))
    appearance = Appearance(subject, "reference", motion)
    picture, mask = reference.composite(size), reference.mask_at(size)
    at_rest, seen = _seen(surfels.points, level, size)
    colours, cover = _read(picture, at_rest), _read(mask, at_rest)[:, 0]
    seen &= cover > COVERED
    part = _named(subject.skeleton, motion, surfels.points)
    errors, most = [], 0.0
    for time in TIMES:
        moment = torch.tensor([time])
        moved = animate(appearance, surfels, moment).points[0]
        layers = render_appearance(appearance, level, moment, size)
        at, visible = _seen(moved, level, size)
        shown = _read(layers, at)
        counted = seen & visible & (shown[:, 3] > COVERED)
        errors.append((shown[:, :3] - colours)[counted].square().mean())
        most = max(most, float((moved - surfels.points)[part].norm(dim=1).mean()))
    height = float((subject.skeleton.high - subject.skeleton.low)[1])
    return float(-10 * torch.stack(errors).mean().log10()), most / height


def _seen(points: Tensor, camera: Cameras, size: int) -> tuple[Tensor, Tensor]:
    """Return places (N, 2) in an image, -1 to 1, and which points are the foremost of their pixel."""
    at, depth = image_places(points, camera)
    pixel = (at * size).floor().long().clamp(0, size - 1)
    index = pixel[:, 1] * size + pixel[:, 0]
    nearest = torch.full((size * size,), 1e9).scatter_reduce(0, index, depth, "amin")
    return 2 * at - 1, depth <= nearest[index] + IN_FRONT * float(camera.radius)


def _read(layers: Tensor, at: Tensor) -> Tensor:  # (1, C, S, S), (N, 2) -> (N, C)
    return grid_sample(layers, at[None, None], align_corners=False)[0, :, 0].T


def _named(skeleton: Skeleton, motion: str, points: Tensor) -> Tensor:
    """Mark the outer half of the parts that a motion names, the whole subject where it names none."""
    everything = torch.ones(len(points), dtype=torch.bool)
    if skeleton.parts is None:
        return everything
    r = skeleton.parts.roles
    named = {"wave": (r.waver,), "wag": (r.tail,), "nod": (r.head,), "walk": (*r.legs, *r.feet),
             "fly": (r.left, r.right)}.get(motion, ())
    named = [i for i in named if i is not None]
    if not named:
        return everything
    weights = skeleton.parts.turned(points)[0]
    mask = torch.zeros_like(everything)
    for i in named:
        mine = weights[i] > 0.5
        away = (points - skeleton.parts.joints[i]).norm(dim=1)
        mask |= mine & (away >= away[mine].median())
    return mask
