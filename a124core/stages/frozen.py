"""A frozen field beside the one that is optimised, and its renders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..field.occupancy import OccupancyMask, field_occupancy
from ..losses import blur, pixel_kernel
from ..protocols import View
from .config import RenderConfig
from .gradients import chunks, render_rays
from .render_batch import novel_batch

StillFn = Callable[[View], Tensor]  # F cameras -> (F, 3, S, S), the still scene from each of them


@torch.no_grad()
def frozen_images(frozen: Field4D, view: View, mask: OccupancyMask, config: RenderConfig) -> Tensor:  # (F, 3, S, S)
    """Render a frozen field with the view's cameras, times, light and background, at the clip's own size, as many rays
    at once as the stage's own."""
    size, rng, config = config.size, torch.Generator().manual_seed(0), replace(config, early_stop=False)  # no graph
    batch = novel_batch(view, size, lambda _: {}, rng, frozen.device)
    parts = [
        render_rays(frozen, batch, mask, config, rays, normals=False).image
        for rays in chunks(len(batch.rays), config.chunk)
    ]
    image = torch.cat(parts).view(-1, size, size, 3).permute(0, 3, 1, 2)
    return blur(image, pixel_kernel(config.pixel_variance)) if config.pixel_variance else image


def still_images(frozen: Field4D, config: RenderConfig) -> StillFn:
    """Render a frozen field of one time grid, whatever the view's times."""
    mask = field_occupancy(frozen).mask()

    def still(view: View) -> Tensor:
        return frozen_images(frozen, replace(view, time=torch.zeros_like(view.time)), mask, config)

    return still
