"""Stage 2: the video prior teaches the still field to move; the first frame stays supervised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..cameras.rig import moving_views, nearest_cameras, reference_camera
from ..field.config import FieldConfig
from ..field.field4d import Field4D, from_static
from ..protocols import Cameras, Guidance, OnStep, Shading, View
from ..reference.reference import Reference
from .clip_times import ClipTimes, sample_clip_times
from .config import CoarseConfig
from .loop import BatchFn, optimise
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

MIN_TIME_TV = 0.1  # temporal TV where one camera teaches the motion: the method's own weight, which demo does without


@dataclass(frozen=True)
class RefineTerm:
    """What a later stage wants of a clip."""

    frames: Tensor  # (K,) indices of the frames it judges, ascending
    loss_fn: Callable[[Tensor], dict[str, Tensor]]  # (K, 3, S, S) -> weighted scalar losses by name


RefineFn = Callable[[int, View, torch.Generator], RefineTerm]


@dataclass(frozen=True)
class ClipSupervision:
    """Who looks at one clip of a step, and the cameras it may be taken from."""

    video: Guidance | None
    view: Guidance | None  # sees the first frame of clips that start at time 0
    more: RefineFn | None
    cameras: Cameras | None  # None: any
    lit: bool = True  # False: shown unlit, as the reference picture is


def optimise_coarse(
    field: Field4D,
    reference: Reference | None,
    view: Guidance | None,
    video: Guidance | None,
    config: CoarseConfig,
    seed: int,
    on_step: OnStep | None = None,
    resume: Snapshot | None = None,
    device: torch.device | str = "cpu",
    field_config: FieldConfig | None = None,  # time_grids and loop of the moving field; the rest is the still field's
) -> Field4D:
    """Eq. 5: L_SDS-T + L_TV always; L_rec and the view prior where a clip starts at time 0. None is left out."""
    if reference is None and view is None and video is None:
        raise ValueError(
            "nothing tells the coarse stage how to move: connect a video guidance (or a reference or view guidance)."
        )
    wanted = field_config or field.config
    config = with_min_time_tv(config, video)
    moving = from_static(field, wanted.time_grids, config.render.occupancy_slices, wanted.loop)
    shots = clip_batches(reference, view, video, config, torch.device(device))
    camera = reference.camera if reference is not None else reference_camera()
    return optimise("coarse", moving, config, shots, camera, seed, on_step, resume, device)


def clip_batches(
    reference: Reference | None,
    view: Guidance | None,
    video: Guidance | None,
    config: CoarseConfig,
    device: torch.device,
    more: RefineFn | None = None,
    refine: Guidance | None = None,  # the prior behind `more`: clips stay where it can judge them too
) -> BatchFn:
    """The moving stages' pictures: a clip for the video prior, its first frame for the view prior, the reference."""
    camera = reference.camera if reference is not None else reference_camera()
    audiences = clip_supervisions(view, video, more, refine)

    def shots(step: int, rng: torch.Generator) -> list[RenderBatch]:
        clip = sample_clip_times(config.time, rng)
        look_back, look_around = renders(step, config, clip.starts_at_zero)
        found = []
        if reference is not None and (look_back or (video is None and view is None and more is None)):
            found.append(reference_batch(reference, config, rng, device))
        if look_around or reference is None:
            found += [shot for audience in audiences for shot in _clip(step, clip, audience, rng)]
        return found

    def _clip(step: int, clip: ClipTimes, audience: ClipSupervision, rng: torch.Generator) -> list[RenderBatch]:
        video, first_view = audience.video, audience.view if clip.starts_at_zero else None
        cameras, moves = _clip_cameras(camera, config, audience.cameras, rng)
        light = shading(step, config, rng, cameras) if audience.lit else Shading()
        seen = View(cameras, camera, clip.times, background(config, rng), light, view_text=not moves)
        extra = None if audience.more is None else audience.more(step, seen, rng)
        frames = _wanted(len(cameras), video, first_view, extra)
        if not len(frames):
            return []
        part = select_frames(seen, frames)
        judge = _judge(video, first_view, extra, part, frames, step, config.steps, rng)
        size = config.render.size
        return [novel_batch(part.cameras, part.time, size, part.background, part.shading, judge, rng, device)]

    return shots


def is_single_view(video: Guidance | None) -> bool:
    """Does the video prior know a single camera?"""
    return video is not None and video.prior.cameras is not None and len(video.prior.cameras) == 1


def with_min_time_tv(config: CoarseConfig, video: Guidance | None) -> CoarseConfig:
    """What a single camera does not see must be like the moment before: never without temporal TV (Eq. 2)."""
    if not is_single_view(video) or config.losses.time_tv >= MIN_TIME_TV:
        return config
    return replace(config, losses=replace(config.losses, time_tv=MIN_TIME_TV))


def clip_supervisions(
    view: Guidance | None, video: Guidance | None, more: RefineFn | None = None, refine: Guidance | None = None
) -> list[ClipSupervision]:
    """One clip for all; two when the video prior knows a single camera: nobody else may be confined to its view."""
    if not is_single_view(video):
        return [ClipSupervision(video, view, more, allowed_cameras([view, video, refine]))]
    front = ClipSupervision(video, None, None, video.prior.cameras, lit=False)
    return [front, ClipSupervision(None, view, more, allowed_cameras([view, refine]))]


def _clip_cameras(
    reference: Cameras, config: CoarseConfig, allowed: Cameras | None, rng: torch.Generator
) -> tuple[Cameras, bool]:
    cameras, moves = moving_views(novel_camera(reference, rng), config.time.frames, rng, config.moving_camera)
    return (cameras if allowed is None else nearest_cameras(cameras, allowed)), moves


def _wanted(count: int, video: Guidance | None, first_view: Guidance | None, extra: RefineTerm | None) -> Tensor:
    """The frames that somebody judges, ascending: all for a video prior, the first for a view prior."""
    if video is not None:
        return torch.arange(count)
    frames = [] if extra is None else extra.frames.tolist()
    return torch.tensor(sorted({*frames, *([] if first_view is None else [0])}), dtype=torch.long)


def select_frames(view: View, frames: slice | Tensor) -> View:
    """The same view of some of its frames."""
    light = None if view.shading.light is None else view.shading.light[frames]
    return replace(
        view, cameras=view.cameras[frames], time=view.time[frames], shading=replace(view.shading, light=light)
    )


def _judge(
    video: Guidance | None,
    first_view: Guidance | None,
    extra: RefineTerm | None,
    view: View,
    frames: Tensor,  # which frames of the clip are rendered
    step: int,
    steps: int,
    rng: torch.Generator,
) -> LossFn:
    def judge(pixels: RenderedImages) -> dict[str, Tensor]:
        terms = {}
        if video is not None:
            terms["sds video"] = sds_loss(video, pixels.image, view, step, steps, rng)
        if first_view is not None:
            first = select_frames(view, slice(0, 1))
            terms["sds view"] = sds_loss(first_view, pixels.image[:1], first, step, steps, rng)
        if extra is not None:
            terms |= extra.loss_fn(pixels.image[torch.searchsorted(frames, extra.frames).to(pixels.image.device)])
        return terms

    return judge
