"""A frozen field beside the one that is optimised, and its renders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..field.occupancy import OccupancyMask, field_occupancy
from ..protocols import View
from ..render.render import render
from ..render.sample import sample_rays
from .config import RenderConfig
from .render_batch import novel_batch

StillFn = Callable[[View], Tensor]  # F cameras -> (F, 3, S, S), the still scene from each of them


@torch.no_grad()
def frozen_images(frozen: Field4D, view: View, size: int, mask: OccupancyMask, n_steps: int) -> Tensor:  # (F, 3, S, S)
    """Render a frozen field with the view's cameras, times, light and background, at the clip's own size."""
    rng = torch.Generator().manual_seed(0)
    batch = novel_batch(view, size, lambda _: {}, rng, frozen.device)
    samples = sample_rays(batch.rays, mask, n_steps)
    rendered = render(frozen, samples, batch.background, batch.shading, batch.light)
    return rendered.image.view(-1, size, size, 3).permute(0, 3, 1, 2)


def still_images(frozen: Field4D, config: RenderConfig) -> StillFn:
    """Render a frozen field at time 0, whatever the view's times."""
    mask = field_occupancy(frozen).mask()

    def still(view: View) -> Tensor:
        at_start = replace(view, time=torch.zeros_like(view.time))
        return frozen_images(frozen, at_start, config.size, mask, config.samples)

    return still
