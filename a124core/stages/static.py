"""Stage 1: reference image, image prior and view prior make a static field."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..cameras.rig import nearest_cameras
from ..field.field4d import Field4D
from ..protocols import Guidances, Shading, View
from ..reference.reference import Reference, camera_of
from .config import StaticConfig
from .render_batch import (
    BatchFn,
    RenderBatch,
    RenderedImages,
    allowed_cameras,
    any_unlit,
    novel_batch,
    novel_cameras,
    reference_batch,
    sds_loss,
)
from .schedules import background, renders, shading
from .supervision import check_supervised, connected_roles


def static_batches(
    field: Field4D, reference: Reference | None, guidances: Guidances, config: StaticConfig, device: torch.device
) -> BatchFn:
    """L = L_SDS(image) + L_SDS(view) + L_rec (paper, static stage). Whatever is None is left out."""
    image, view = guidances.image, guidances.view
    check_supervised("static", connected_roles(reference, guidances))
    camera = camera_of(reference)
    targets = None if reference is None else reference.at(config.render.reference_size, device)
    allowed = allowed_cameras([image, view])

    def batches(step: int, rng: torch.Generator) -> list[RenderBatch]:
        at_reference, at_novel = renders(step, config)
        result = []
        if targets is not None and (at_reference or not (image or view)):
            result.append(reference_batch(camera, targets, config, rng, device))
        if (image or view) and (at_novel or targets is None):
            result.append(_novel(step, rng))
        return result

    def _novel(step: int, rng: torch.Generator) -> RenderBatch:
        cameras = novel_cameras(config.views, camera, rng)
        cameras = cameras if allowed is None else nearest_cameras(cameras, allowed)
        light = shading(step, config, rng, cameras)
        light = Shading() if any_unlit([image, view]) else light
        novel = View(cameras, camera, torch.zeros(config.views), background(config, rng), light)
        sds = partial(sds_loss, view=novel, step=step, config=config, rng=rng)

        def loss_fn(rendered: RenderedImages) -> dict[str, Tensor]:
            connected = {"sds image": image, "sds view": view}
            return {name: sds(g, rendered.image) for name, g in connected.items() if g is not None}

        return novel_batch(novel, config.render.size, loss_fn, rng, device)

    return batches
