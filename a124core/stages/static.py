"""Stage 1: reference picture, image prior and view prior make a still field."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..cameras.rig import nearest_cameras, reference_camera
from ..field.config import FieldConfig
from ..field.field4d import Field4D, new_field
from ..protocols import Guidance, OnStep, View
from ..reference.reference import Reference
from .config import StaticConfig
from .loop import optimise
from .render_batch import (
    LossFn,
    RenderBatch,
    RenderedImages,
    allowed_cameras,
    novel_batch,
    novel_camera,
    reference_batch,
    sds_loss,
)
from .schedules import background, renders, shading
from .snapshot import Snapshot


def optimise_static(
    reference: Reference | None,
    image: Guidance | None,
    view: Guidance | None,
    config: StaticConfig,
    field_config: FieldConfig,
    seed: int,
    on_step: OnStep | None = None,
    resume: Snapshot | None = None,
    device: torch.device | str = "cpu",
) -> Field4D:
    """L = L_SDS(image) + L_SDS(view) + L_rec (paper, static stage). Whatever is None is left out."""
    if reference is None and image is None and view is None:
        raise ValueError(
            "nothing tells the static stage what to make: connect a reference, an image guidance or a view guidance."
        )
    camera = reference.camera if reference is not None else reference_camera()
    allowed = allowed_cameras([image, view])
    device = torch.device(device)

    def shots(step: int, rng: torch.Generator) -> list[RenderBatch]:
        look_back, look_around = renders(step, config)
        found = []
        if reference is not None and (look_back or not (image or view)):
            found.append(reference_batch(reference, config, rng, device))
        if (image or view) and (look_around or reference is None):
            found.append(_novel(step, rng))
        return found

    def _novel(step: int, rng: torch.Generator) -> RenderBatch:
        cameras = novel_camera(camera, rng)
        cameras = cameras if allowed is None else nearest_cameras(cameras, allowed)
        light = shading(step, config, rng, cameras)
        seen = View(cameras, camera, torch.zeros(1), background(config, rng), light)
        judge = _judge({"sds image": image, "sds view": view}, seen, step, config.steps, rng)
        return novel_batch(cameras, seen.time, config.render.size, seen.background, light, judge, rng, device)

    rng = torch.Generator().manual_seed(seed)
    start = new_field(replace(field_config, time_grids=1), rng)
    return optimise("static", start, config, shots, camera, seed, on_step, resume, device)


def _judge(guidances: dict[str, Guidance | None], view: View, step: int, steps: int, rng: torch.Generator) -> LossFn:
    """Every wired prior looks at the same picture."""

    def judge(pixels: RenderedImages) -> dict[str, Tensor]:
        wired = {name: guidance for name, guidance in guidances.items() if guidance is not None}
        return {name: sds_loss(g, pixels.image, view, step, steps, rng) for name, g in wired.items()}

    return judge
