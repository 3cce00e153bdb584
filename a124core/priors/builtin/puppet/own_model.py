"""A 3D model of the user's own becomes a subject: it stands as the reference image shows it, whose parts move it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, tan

import torch
from torch import Tensor

from ....cameras.rig import make_cameras
from ....models3d.gaussians import GaussianModel
from ....models3d.placed import place_loaded
from ....models3d.read import LoadedModel
from ....models3d.sample_gaussians import gaussian_points, visible_gaussians
from ....models3d.sample_mesh import both_sides, mesh_points, shows_backs
from ....models3d.sequence import Model
from ....models3d.surface_points import SurfacePoints
from ....protocols import Cameras
from ....reference.reference import Reference, camera_of
from ....utils.progress import OnProgress
from ..subject import BODY, REST_EXTENT, Skeleton, Subject, Surfels, view_extent
from .parts import describe_parts, part_skeleton

NAME = "model"
FINEST = 1024  # points along the side of the visible square at the origin
JOINTS = 0.02  # world units at the method's camera; spacing of the points that say how deep joints lie
OUTLINE = 256  # pixels a side of the outline in which parts are looked for where there is no image


@dataclass(frozen=True)
class OwnModel:
    """A subject made from a 3D model, and what became of the model."""

    subject: Subject
    sentence: str  # for the user


def model_subject(loaded: LoadedModel, reference: Reference | None, on_progress: OnProgress | None = None) -> OwnModel:
    """Make the subject of a model that stands still, its front towards +z; the reference's own azimuth is left to the
    scene."""
    check_stands_still(loaded)
    placed = place_loaded(loaded, reference, None, on_progress)
    r = camera_of(reference)
    camera = make_cameras(float(r.elevation), 0.0, float(r.radius), float(r.fovy))
    model = _turned(placed.frames[0], -float(r.azimuth))
    if reference is None:
        model = _small_enough(model, camera)
        mask = model.layers(camera, (OUTLINE, OUTLINE))[:, 3:4]
    else:
        mask = reference.mask.detach().cpu().float()
    sample = surface_sampler(model)
    extent = float(r.radius) * tan(float(r.fovy) * pi / 360)
    points = sample(JOINTS * float(r.radius) / 1.8).points
    parts = part_skeleton(mask, camera, points)
    viewpoint = (float(r.radius), float(r.fovy), float(r.elevation))
    skeleton = Skeleton(points.amin(0), points.amax(0), None, (), *viewpoint, parts)
    subject = Subject(NAME, lambda spacing: _surfels(sample(max(spacing, 2 * extent / FINEST))), skeleton)
    note = placed.note if reference is not None else loaded.note
    return OwnModel(subject, f"Subject: your 3D model. {note} {describe_parts(parts)}")


def check_stands_still(loaded: LoadedModel) -> None:
    """Refuse a sequence, which has a motion of its own."""
    if len(loaded.frames) > 1:
        raise ValueError(
            f"the 3D model is a sequence of {len(loaded.frames)} frames, which moves by itself, so a built-in motion "
            "has nothing to move: give one model that stands still, or let the sequence guide the motion (3D model "
            "guidance)."
        )


def surface_sampler(model: Model) -> Callable[[float], SurfacePoints]:
    """Return what samples the surface of a model at a spacing."""
    if isinstance(model, GaussianModel):
        visible = visible_gaussians(model)
        return lambda spacing: gaussian_points(visible, spacing)
    if shows_backs(model):
        return lambda spacing: both_sides(mesh_points(model, spacing))
    return lambda spacing: mesh_points(model, spacing)


def _surfels(surface: SurfacePoints) -> Surfels:
    limb = torch.full((len(surface.points),), BODY, dtype=torch.int8)
    return Surfels(surface.points, surface.normals, surface.colours, limb)


def _turned(model: Model, degrees: float) -> Model:
    """Turn a model about the upright axis; + turns its front to +x."""
    angle = torch.tensor(degrees * pi / 180)
    rotation = torch.eye(3)
    rotation[0, 0] = rotation[2, 2] = angle.cos()
    rotation[0, 2], rotation[2, 0] = angle.sin(), -angle.sin()
    return model.transformed(rotation, torch.zeros(3))


def _small_enough(model: Model, camera: Cameras) -> Model:
    """Return a model that no image shows how large it is so small that there is room for it to move."""
    points = _box_corners(model)
    scale = min(1.0, REST_EXTENT / view_extent(points, float(camera.radius), float(camera.fovy)))
    return model.transformed(scale * torch.eye(3), torch.zeros(3))


def _box_corners(model: Model) -> Tensor:  # (8, 3)
    low, high = model.box
    return torch.cartesian_prod(*(torch.stack((low[k], high[k])) for k in range(3)))
