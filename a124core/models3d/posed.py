"""Pictures of a subject at rest with the cameras that took them: what it looks like, from these cameras only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from ..cameras.homography import sampling_grid, turning_homographies
from ..cameras.rig import focal_length, make_cameras
from ..protocols import Cameras, Pinholes

MIN_DISTANCE = 0.2  # world units from the middle of the scene, within which a camera stands in the subject
PARALLEL = 1e-3  # smallest eigenvalue of the axes' normal matrix, per camera, with which they have a common point
SUPERSAMPLE = 2  # samples along each side of a pixel of a resampled picture


@dataclass(frozen=True, eq=False)
class PosedImages:
    """Cut-out pictures and their cameras, which may stand and turn anywhere."""

    images: Tensor  # (N, 4, H, W) premultiplied colour and coverage
    cameras: Pinholes  # N, one eye each

    def __len__(self) -> int:
        return len(self.images)

    def transformed(self, linear: Tensor, shift: Tensor) -> PosedImages:
        """Return the same pictures of the scene with every point p moved to linear (3, 3) p + shift (3,); linear turns
        and scales."""
        c2w = self.cameras.c2w.clone()
        scale = torch.linalg.det(linear) ** (1 / 3)
        c2w[:, 0, :3, :3] = linear / scale @ c2w[:, 0, :3, :3]
        c2w[:, 0, :3, 3] = c2w[:, 0, :3, 3] @ linear.T + shift
        return replace(self, cameras=replace(self.cameras, c2w=c2w))

    @property
    def middle(self) -> Tensor:  # (3,)
        """Return the point that is nearest to all optical axes; the origin where they have none in common."""
        c2w = self.cameras.c2w[:, 0].double()
        axes, centres = c2w[:, :3, 2], c2w[:, :3, 3]
        across = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None]
        normal = across.sum(0)
        if float(torch.linalg.eigvalsh(normal)[0]) < PARALLEL * len(c2w):
            return torch.zeros(3)
        return torch.linalg.solve(normal, (across @ centres[..., None]).sum(0)[:, 0]).float()

    def upright(self, framing: Cameras) -> Cameras:
        """Return cameras at the same places that look at the origin and frame it as the given camera does."""
        centres = self.cameras.c2w[:, 0, :3, 3]
        radius = centres.norm(dim=1)
        if not (radius > MIN_DISTANCE).all():
            raise ValueError("a camera of the pictures stands inside of the subject: place the cameras around it.")
        x, y, z = centres.unbind(1)
        elevation = torch.rad2deg(torch.atan2(y, torch.hypot(x, z)))
        half_height = math.tan(math.radians(float(framing.fovy[0])) / 2) * float(framing.radius[0])
        fovy = 2 * torch.rad2deg((half_height / radius).atan())
        return make_cameras(elevation, torch.rad2deg(torch.atan2(x, z)), radius, fovy)

    def resampled(self, cameras: Cameras, size: int) -> Tensor:  # (N, 4, size, size)
        """Return the pictures as cameras at the same places with other turns and lenses would have taken them."""
        return torch.cat([self._resampled(k, cameras[k : k + 1], size) for k in range(len(self))])

    def _resampled(self, k: int, camera: Cameras, size: int) -> Tensor:  # (1, 4, size, size)
        """Look up where each pixel's ray meets the picture's plane; what lies outside of the picture is empty."""
        height, width = self.images.shape[-2:]
        pinhole = self.cameras[k : k + 1]
        reduced = self._reduced(k, size * float(focal_length(camera.fovy[0], 1) / focal_length(pinhole.fovy[0], 1)))
        grid = sampling_grid(turning_homographies(pinhole, camera)[0], size * SUPERSAMPLE, width / height)
        return avg_pool2d(grid_sample(reduced, grid[None], align_corners=False), SUPERSAMPLE)

    def _reduced(self, k: int, size: float) -> Tensor:  # (1, 4, h, w)
        """Return a picture averaged down, to about the height at which it is sampled."""
        height, width = self.images.shape[-2:]
        factor = max(1.0, height / (size * SUPERSAMPLE))
        shape = [max(1, round(side / factor)) for side in (height, width)]
        return interpolate(self.images[k : k + 1], shape, mode="area")


def centred(posed: PosedImages) -> PosedImages:
    """Return the pictures with the point that all cameras look at in the middle of the scene."""
    return posed.transformed(torch.eye(3), -posed.middle)
