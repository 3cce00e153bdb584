"""Short stages on a prior whose answer is known: a ball that rises."""

from __future__ import annotations

from dataclasses import replace

import torch

from a124core.cameras.rig import pixel_rays
from a124core.field.config import FieldConfig
from a124core.protocols import Cameras, Guidance, Guidances, Prior, View
from a124core.stages.config import LossWeights, OptimConfig, RenderConfig, StaticConfig, TimeConfig
from tests.fakes import PixelPrior

FIELD = FieldConfig(
    time_grids=5,
    levels=3,
    base_resolution=8,
    max_resolution=24,
    log2_hashmap_size=13,
    hidden=8,
    density="softplus",
    blob_density=4.0,
    blob_radius=0.4,
)
PICTURES = RenderConfig(
    size=16, reference_size=16, samples=48, occupancy_size=16, occupancy_slices=4, occupancy_every=8,
    occupancy_decay=0.6, occupancy_threshold=1.0,
)
BARE = LossWeights(entropy=0.0, orientation=0.0, normal_tv=0.0, normal_blur=0.0)
SHARED = {
    "render": PICTURES,
    "losses": BARE,
    "optim": OptimConfig(grid_lr=0.1, mlp_lr=0.01),
    "reference_mode": "paper",
    "shaded": False,
}
STATIC = StaticConfig(**SHARED, steps=60, masked_levels=0)
MOVING = {**SHARED, "steps": 60, "time": TimeConfig(ticks=8, frames=4)}
SWEPT = {"render": replace(PICTURES, occupancy_every=2, occupancy_sweep=3)}  # mostly the sampled cells are refreshed


class Ball(PixelPrior):
    """The exact denoiser of one clip: a ball that rises, coloured by its normal."""

    def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
        return self.encode(self.picture(view.cameras, view.time, x_t.shape[-1], view.background))

    def picture(self, cameras: Cameras, time: torch.Tensor, size: int, background: torch.Tensor) -> torch.Tensor:
        origins, d = pixel_rays(cameras, (size, size))
        o = origins.clone()
        o[..., 1] -= 0.25 * time[:, None]
        a, b, c = (d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 0.35**2
        inside = b * b - a * c
        depth = (-b - inside.clamp_min(0).sqrt()) / a
        colour = 0.5 + 0.5 * (o + depth[..., None] * d) / 0.35
        seen = torch.where((inside > 0)[..., None], colour, background)
        return seen.transpose(1, 2).reshape(-1, 3, size, size)


VIEW = Guidance(Ball(clip=False), 1e-2, 0.02, 0.98)
VIDEO = Guidance(Ball(clip=True), 1e-2, 0.02, 0.98)
VIEWS, VIDEOS = Guidances(view=VIEW), Guidances(video=VIDEO)


def viewed_by(prior: Prior) -> Guidances:
    return Guidances(view=replace(VIEW, prior=prior))
