"""Anisotropic Gaussians as a model that can be rendered: unlit, one colour each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from ..kernels import draw_gaussians
from ..protocols import Cameras, Pinholes
from .lens import axes_and_lens

FLOATERS = 0.002  # share of Gaussians beyond each end of the box
FITTED = 192  # pixels a side from which Gaussians are drawn: their low-pass of half a pixel would swell smaller images


@dataclass(frozen=True, eq=False)
class GaussianModel:
    """Gaussians in space with colour and opacity."""

    means: Tensor  # (N, 3) world
    covariances: Tensor  # (N, 3, 3)
    rgba: Tensor  # (N, 4) sRGB colour and opacity in [0, 1]

    def transformed(self, linear: Tensor, shift: Tensor) -> GaussianModel:
        """Return the Gaussians with every point p moved to linear (3, 3) p + shift (3,)."""
        linear = linear.to(self.means)
        covariances = linear @ self.covariances @ linear.T
        return replace(self, means=self.means @ linear.T + shift.to(self.means), covariances=covariances)

    def reduced(self, most: int) -> GaussianModel:
        """Return at most that many of the Gaussians, grown so that on a surface they cover the same area."""
        count = len(self.means)
        if count <= most:
            return self
        order = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort()[0]
        return GaussianModel(self.means[order], self.covariances[order] * (count / most), self.rgba[order])

    @property
    def box(self) -> Tensor:  # (2, 3)
        """Return the corners of the box around all but a few of the opaque Gaussians, which may float anywhere."""
        opaque = self.means[self.rgba[:, 3] >= min(0.5, float(self.rgba[:, 3].max()))].sort(0)[0]
        left_out = int(FLOATERS * len(opaque))
        return torch.stack((opaque[left_out], opaque[len(opaque) - 1 - left_out]))

    @torch.no_grad()
    def layers(self, cameras: Cameras | Pinholes, size: tuple[int, int]) -> Tensor:  # (B, 5, H, W)
        """Render premultiplied colour, alpha and premultiplied depth along the axis; small images are means of larger
        ones."""
        finer = -(-FITTED // min(size))
        large = (size[0] * finer, size[1] * finer)
        drawn = draw_gaussians(self.means, self.covariances, self.rgba, *axes_and_lens(cameras, large[0]), large)
        return avg_pool2d(drawn, finer)


def make_gaussians(
    means: Tensor,  # (N, 3)
    scales: Tensor,  # (N, 3) standard deviations along the own axes
    quaternions: Tensor,  # (N, 4) w, x, y, z; normalised here
    rgba: Tensor,  # (N, 4)
) -> GaussianModel:
    """Make Gaussians from axes and rotations."""
    axes = _rotations(normalize(quaternions, dim=1)) * scales[:, None]
    return GaussianModel(means, axes @ axes.transpose(1, 2), rgba)


def _rotations(quaternions: Tensor) -> Tensor:  # (N, 4) unit -> (N, 3, 3)
    w, x, y, z = quaternions.unbind(1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, 1) for row in rows], 1)
