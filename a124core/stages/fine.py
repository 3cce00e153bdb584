"""Stage 3: a personalised prior repairs what the video prior drifted away, conditioned on the frozen coarse field."""

from __future__ import annotations

import torch
from torch import Tensor

from ..cameras.rig import reference_camera
from ..field.field4d import Field4D
from ..protocols import Guidance, OnStep, View
from ..reference.reference import Reference
from ..render.render import field_occupancy, occupancy_mask, render
from ..render.sample import OccupancyMask
from .coarse import RefineFn, RefineTerm, clip_batches, select_frames, with_min_time_tv
from .config import FineConfig
from .loop import optimise
from .render_batch import novel_batch, sds_loss
from .snapshot import Snapshot


def optimise_fine(
    field: Field4D,  # the coarse result: it is what is refined, and its frozen copy is the condition
    reference: Reference | None,
    view: Guidance | None,
    video: Guidance | None,
    refine: Guidance | None,
    config: FineConfig,
    seed: int,
    on_step: OnStep | None = None,
    resume: Snapshot | None = None,
    device: torch.device | str = "cpu",
) -> Field4D:
    """Eq. 6: the coarse stage's losses and L_SDS-R. None is left out."""
    if reference is None and view is None and video is None and refine is None:
        raise ValueError(
            "nothing tells the fine stage what to repair: connect a refine guidance "
            "(or a reference, view or video guidance)."
        )
    if field.table.shape[0] < 2:
        raise ValueError("the field has 1 time grid, so it stands still: run the coarse stage before the fine stage.")
    device, config = torch.device(device), with_min_time_tv(config, video)
    more = None if refine is None else refinement(field.at_rest().to(device), refine, config)
    shots = clip_batches(reference, view, video, config, device, more, refine)
    camera = reference.camera if reference is not None else reference_camera()
    return optimise("fine", field, config, shots, camera, seed, on_step, resume, device)


def refinement(frozen: Field4D, refine: Guidance, config: FineConfig) -> RefineFn:
    """Some frames of each clip, for the refinement prior. Only these are rendered from the frozen field."""
    space = occupancy_mask(field_occupancy(frozen, frozen.table.device))

    def extra(step: int, view: View, rng: torch.Generator) -> RefineTerm:
        frames = chosen_frames(len(view.cameras), config.refine_frames, config.refine_phase, rng)
        part = select_frames(view, frames)
        condition = None
        if config.condition == "frozen coarse":
            condition = frozen_pictures(frozen, part, config.render.size, space, config.render.samples)

        def judge(image: Tensor) -> dict[str, Tensor]:
            shown = image.detach() if condition is None else condition
            return {"sds refine": sds_loss(refine, image, part.with_condition(shown), step, config.steps, rng)}

        return RefineTerm(frames, judge)

    return extra


def chosen_frames(frames: int, wanted: int, phase: str, rng: torch.Generator) -> Tensor:  # (wanted,) indices
    """Evenly spaced. "first": 0 and 8 of 16, as released, so the end of a clip is never repaired in that clip.
    "random": all moved together by a random whole number of frames below their distance."""
    wanted = min(wanted, frames)
    first = torch.arange(wanted) * frames // wanted
    room = frames - int(first[-1]) if wanted > 1 else frames
    shift = int(torch.randint(0, room, (), generator=rng))
    return first + shift if phase == "random" else first


@torch.no_grad()
def frozen_pictures(
    frozen: Field4D, view: View, size: int, space: OccupancyMask, samples: int
) -> Tensor:  # (F, 3, S, S)
    """What the coarse field shows of the same cameras, moments, light and background, at the clip's own size."""
    still = torch.Generator().manual_seed(0)
    device = frozen.table.device
    shot = novel_batch(view.cameras, view.time, size, view.background, view.shading, lambda _: {}, still, device)
    seen = render(frozen, shot.rays, space, samples, shot.background, shot.shading, shot.light)
    return seen.image.view(-1, size, size, 3).permute(0, 3, 1, 2)
