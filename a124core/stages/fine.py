"""Stage 3: a personalised prior repairs the video prior's drift, conditioned on the frozen coarse field."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..field.occupancy import field_occupancy
from ..protocols import Guidance, Guidances, View
from ..reference.reference import Reference
from .coarse import RefineFn, RefineTerm, clip_batches, select_frames, still_fn
from .config import FineConfig
from .frozen import frozen_images
from .render_batch import BatchFn, sds_loss
from .supervision import check_supervised, connected_roles


def fine_batches(
    field: Field4D,  # the coarse result: its frozen copy is the condition
    reference: Reference | None,
    guidances: Guidances,
    config: FineConfig,
    device: torch.device,
) -> BatchFn:
    """Eq. 6: the coarse stage's losses and L_SDS-R. None is left out."""
    refine = guidances.refine
    check_supervised("fine", connected_roles(reference, guidances))
    if field.table.shape[0] < 2:
        raise ValueError("the field has 1 time grid, so it stands still: run the coarse stage before the fine stage.")
    frozen = replace(field.at_rest().to(device), smooth_normals=field.smooth_normals)
    refine_fn = None if refine is None else refinement(frozen, refine, config)
    still = still_fn(field, guidances.video, config, device)
    return clip_batches(reference, guidances, config, device, refine_fn, still)


def refinement(frozen: Field4D, refine: Guidance, config: FineConfig) -> RefineFn:
    """Give some frames of each clip to the refinement prior. Only these are rendered from the frozen field."""
    mask = field_occupancy(frozen).mask()
    render = replace(config.render, size=config.condition_size or config.render.size)

    def refine_fn(step: int, view: View, rng: torch.Generator) -> RefineTerm:
        frames = refined_frames(len(view.cameras), config.refine_frames, config.refine_phase, rng)
        part = select_frames(view, frames)
        frozen_image = None
        if config.condition == "frozen coarse":
            frozen_image = frozen_images(frozen, part, mask, render)
        sds = partial(sds_loss, step=step, config=config, rng=rng)

        def loss_fn(image: Tensor) -> dict[str, Tensor]:
            condition = image.detach() if frozen_image is None else frozen_image
            return {"sds refine": sds(refine, image, part.with_condition(condition))}

        return RefineTerm(frames, loss_fn)

    return refine_fn


def refined_frames(frames: int, count: int, phase: str, rng: torch.Generator) -> Tensor:  # (count,) indices
    """Choose evenly spaced frames. "first": 0 and 8 of 16, as released, so a clip's end is never repaired in that clip.
    "random": all shifted together by a random whole number of frames below their distance."""
    count = min(count, frames)
    first = torch.arange(count) * frames // count
    free = frames - int(first[-1]) if count > 1 else frames
    shift = int(torch.randint(0, free, (), generator=rng))
    return first + shift if phase == "random" else first
