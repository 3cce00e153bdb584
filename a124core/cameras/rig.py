"""Cameras that look at the origin: their poses, the rays of their pixels, and how novel ones are sampled.

World: right-handed, y up. The reference camera is on +z; azimuth + moves a camera towards +x, elevation + upwards.
The authors' rig is mirrored in x and counts a polar angle from the top; both are converted here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes

Numbers = float | Sequence[float] | Tensor

RADIUS = 1.8  # world units; the scene is the cube [-1, 1]^3
FOVY = 40.0  # degrees, vertical
MIN_FOVY, MAX_FOVY = 1e-3, 179.9  # degrees, beyond which focal lengths lose their digits
SPHERE_SHARE = 0.5  # probability of the sphere branch of random_views
ELEVATION_LIMIT = 45.0  # degrees; the other branch, polar angles 45 to 135
SWING_ELEVATION = 45.0  # degrees; largest change of elevation during a clip
SWING_AZIMUTH = 90.0  # degrees; largest change of azimuth during a clip
POLE_LIMIT = 85.0  # degrees; moving cameras stay in polar angles 5 to 175, so the image never turns over


def make_cameras(
    elevation: Numbers,  # degrees above the horizon
    azimuth: Numbers,  # degrees
    radius: Numbers = RADIUS,
    fovy: Numbers = FOVY,
) -> Cameras:  # B cameras
    """Make cameras from numbers, lists or (B,) tensors; single values are repeated for all cameras."""
    columns = [torch.as_tensor(c, dtype=torch.float32).reshape(-1) for c in (elevation, azimuth, radius, fovy)]
    sizes = {c.numel() for c in columns} - {1}
    if len(sizes) > 1:
        counts = ", ".join(str(c.numel()) for c in columns)
        raise ValueError(
            f"elevation, azimuth, radius and fovy have {counts} values: give each one value, or one per camera."
        )
    cameras = Cameras(*torch.broadcast_tensors(*columns))
    if not all(c.isfinite().all() for c in columns):
        raise ValueError("a camera has an angle, radius or fovy that is not a number: give finite values.")
    if (cameras.radius <= 0).any():
        raise ValueError(f"camera radius is {cameras.radius.min():g}: it must be above 0 (the method uses {RADIUS}).")
    if ((cameras.fovy < MIN_FOVY) | (cameras.fovy > MAX_FOVY)).any():
        worst = cameras.fovy[(cameras.fovy - 90).abs().argmax()]
        raise ValueError(f"fovy is {worst:g} degrees: it must lie between 0 and 180 (the method uses {FOVY:g}).")
    return cameras


def reference_camera(
    elevation: float = 0.0,
    azimuth: float = 0.0,
    radius: float = RADIUS,
    fovy: float = FOVY,
) -> Cameras:  # 1 camera
    """Return the camera of the reference image: level, on +z, at 1.8 with 40 degrees (paper and release)."""
    return make_cameras(elevation, azimuth, radius, fovy)


def _directions(cameras: Cameras) -> Tensor:  # (B, 3) unit
    """Point from the origin to each camera: (cos e sin a, sin e, cos e cos a)."""
    e, a = torch.deg2rad(cameras.elevation), torch.deg2rad(cameras.azimuth)
    return torch.stack([e.cos() * a.sin(), e.sin(), e.cos() * a.cos()], dim=-1)


def camera_to_world(cameras: Cameras) -> Tensor:  # (B, 4, 4)
    """Return columns right, up, back and centre; the upper 3 x 3 block is a rotation (determinant +1).

    right = (cos a, 0, -sin a) is what normalise(y x back) gives, but has a value at the poles too.
    """
    back = _directions(cameras)
    a = torch.deg2rad(cameras.azimuth)
    right = torch.stack([a.cos(), torch.zeros_like(a), -a.sin()], dim=-1)
    up = torch.linalg.cross(back, right)
    top = torch.stack([right, up, back, back * cameras.radius[:, None]], dim=-1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(cameras), 1, 4)
    return torch.cat([top, bottom], dim=1)


def to_pinholes(cameras: Cameras | Pinholes) -> Pinholes:
    """Return the same cameras as matrices, one eye each, the optical axis in the middle of the image."""
    if isinstance(cameras, Pinholes):
        return cameras
    c2w = camera_to_world(cameras)[:, None]
    return Pinholes(c2w, cameras.fovy, c2w.new_zeros(len(cameras), 1, 2))


def focal_length(fovy: Tensor, height: int) -> Tensor:  # like fovy
    """Return pixels, or image heights for height 1: height / (2 tan(fovy / 2)). Pixels are square."""
    return height / (2 * torch.tan(torch.deg2rad(fovy) / 2))


def pixel_rays(
    cameras: Cameras | Pinholes,
    size: tuple[int, int],  # H, W of each eye's part
) -> tuple[Tensor, Tensor]:  # origins, directions: (B, H * E * W, 3), world
    """Cast one ray through the centre of each pixel, row by row from the top left; E eyes lie side by side.

    Directions are not normalised: along the optical axis they have length 1, so the parameter of the ray is z-depth.
    """
    height, width = size
    pinholes = to_pinholes(cameras)
    device = pinholes.fovy.device
    x = torch.arange(width, device=device) + 0.5 - width / 2
    y = height / 2 - 0.5 - torch.arange(height, device=device)
    y, x = torch.meshgrid(y, x, indexing="ij")
    focal = focal_length(pinholes.fovy, height)[:, None, None, None]
    shift = (height * pinholes.centre)[:, None, :, None]  # (B, 1, E, 1, 2)
    right_of, above = (x[None, :, None] - shift[..., 0]) / focal, (y[None, :, None] - shift[..., 1]) / focal
    right, up, back, centre = pinholes.c2w[:, None, :, None, :3].unbind(dim=-1)  # (B, 1, E, 1, 3)
    directions = right_of[..., None] * right + above[..., None] * up - back  # (B, H, E, W, 3)
    return tuple(rays.reshape(len(pinholes), -1, 3) for rays in (centre.expand_as(directions), directions))


def angle_between(cameras: Cameras, reference: Cameras) -> Tensor:  # (B,) degrees, 0 to 180
    """Return the great-circle angle at the origin to the reference (one camera, or one for each)."""
    a, b = torch.broadcast_tensors(_directions(cameras), _directions(reference))
    sine = torch.linalg.cross(a, b).norm(dim=-1)
    return torch.rad2deg(torch.atan2(sine, (a * b).sum(-1)))


def relative_azimuth(cameras: Cameras, reference: Cameras) -> Tensor:  # (B,) degrees in [-180, 180)
    """Return the azimuth from the reference; + is towards the reference camera's right."""
    return (cameras.azimuth - reference.azimuth + 180.0) % 360.0 - 180.0


def _uniform(count: int, low: float, high: float, rng: torch.Generator) -> Tensor:  # (count,)
    return low + (high - low) * torch.rand(count, generator=rng)


def random_views(count: int, rng: torch.Generator, radius: float = RADIUS, fovy: float = FOVY) -> Cameras:
    """Sample novel views as the release does: half from a half ball's bounding box, half from a band of angles.

    Sphere branch: (x, z) uniform in (-1, 1)^2 and y in (0, 1), taken as a direction: the upper half only, and not
    uniform on it. Other branch: elevation uniform in (-45, 45), azimuth in (-180, 180) degrees.
    """
    x, z, band_e, band_a = (_uniform(count, -1.0, 1.0, rng) for _ in range(4))
    y, coin = (torch.rand(count, generator=rng) for _ in range(2))
    sphere = coin < SPHERE_SHARE
    elevation = torch.where(sphere, torch.rad2deg(torch.atan2(y, torch.hypot(x, z))), ELEVATION_LIMIT * band_e)
    azimuth = torch.where(sphere, torch.rad2deg(torch.atan2(x, z)), 180.0 * band_a)
    return make_cameras(elevation, azimuth, radius, fovy)


def moving_views(
    start: Cameras,  # 1 camera
    frames: int,
    rng: torch.Generator,
    moving: float = 0.9,  # probability that the camera moves at all
) -> tuple[Cameras, bool]:  # one camera for each frame, does it move?
    """Sample the cameras of a clip: frame i is at start + (i / frames) swing, so the last one stops short of the swing.

    The swing is uniform in +-45 degrees of elevation and +-90 of azimuth, whatever the time between frames.
    """
    coin, swing_e, swing_a = (_uniform(1, -1.0, 1.0, rng) for _ in range(3))
    moves = bool((coin + 1) / 2 < moving)
    share = torch.arange(frames) / frames * float(moves)
    elevation = start.elevation + share * SWING_ELEVATION * swing_e
    if moves:
        elevation = elevation.clamp(-POLE_LIMIT, POLE_LIMIT)
    azimuth = start.azimuth + share * SWING_AZIMUTH * swing_a
    return make_cameras(elevation, azimuth, start.radius, start.fovy), moves


def orbit(
    frames: int,
    elevation: float = 0.0,
    radius: float = RADIUS,
    fovy: float = FOVY,
    azimuth0: float = 0.0,
    turns: float = 1.0,
) -> Cameras:
    """Circle the object; the frame after the last would be the first, so a loop plays smoothly."""
    if frames < 1:
        raise ValueError(f"an orbit of {frames} frames was requested: it needs at least 1.")
    azimuth = azimuth0 + 360.0 * turns * torch.arange(frames) / frames
    return make_cameras(elevation, azimuth, radius, fovy)


def nearest_cameras(cameras: Cameras, allowed: Cameras) -> Cameras:
    """Replace each camera by the allowed one at the smallest angle from it (distance is not compared)."""
    if len(allowed) == 0:
        raise ValueError("the list of allowed cameras is empty: give at least one, or None for any camera.")
    return allowed[nearest_index(cameras, allowed)]


def nearest_index(cameras: Cameras, allowed: Cameras) -> Tensor:  # (B,)
    """Return which of the allowed cameras stands at the smallest angle from each camera."""
    return (_directions(cameras) @ _directions(allowed).T).argmax(dim=1)
