"""Stage 2: the video prior teaches the static field to move; the first frame stays supervised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..cameras.rig import moving_views, nearest_cameras
from ..field.field4d import Field4D
from ..protocols import Cameras, Guidance, Guidances, Prior, Shading, View
from ..reference.reference import Reference, camera_of
from .clip_times import ClipTimes, sample_clip_times
from .config import CoarseConfig
from .frozen import StillFn, still_images
from .render_batch import (
    BatchFn,
    LossFn,
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

SAME_CAMERA = 1e-3  # degrees and world units
# temporal TV under a single-view video prior: the method's own weight, which demo does without; of the decoupled form a
# share of which 300 steps, demo's, make three time constants
MIN_TEMPORAL_TV = {"tables": 0.1, "samples": 0.1, "decoupled": 0.01}


@dataclass(frozen=True)
class RefineTerm:
    """The refinement prior's loss on some frames of a clip."""

    frames: Tensor  # (K,) indices of the frames, ascending
    loss_fn: Callable[[Tensor], dict[str, Tensor]]  # (K, 3, S, S) -> weighted scalar losses by name


RefineFn = Callable[[int, View, torch.Generator], RefineTerm]  # step, the clip's view, random numbers


@dataclass(frozen=True)
class ClipSupervision:
    """The guidances on one clip of a step, and the cameras it may be rendered from."""

    video: Guidance | None
    view: Guidance | None  # on the first frame of clips that start at time 0
    refine_fn: RefineFn | None
    cameras: Cameras | None  # None: any
    filmed: tuple[Cameras, ...] = ()  # of the clips, one of which is shown; empty: `cameras` says it
    shaded: bool = True  # False: albedo alone, as in the reference image


def coarse_batches(
    field: Field4D, reference: Reference | None, guidances: Guidances, config: CoarseConfig, device: torch.device
) -> BatchFn:
    """Eq. 5: L_SDS-T + L_TV always; L_rec and the view prior where a clip starts at time 0. None is left out."""
    check_supervised("coarse", connected_roles(reference, guidances))
    still = still_fn(field, guidances.video, config, device)
    return clip_batches(reference, guidances, config, device, still=still)


def still_fn(
    field: Field4D, video: Guidance | None, config: CoarseConfig, device: torch.device
) -> StillFn | None:
    """Return what renders the scene at time 0 as the stage found it, where the video guidance has a source."""
    if video is None or video.source is None:
        return None
    return still_images(replace(field.at_time_0().to(device), smooth_normals=field.smooth_normals), config.render)


def clip_batches(
    reference: Reference | None,
    guidances: Guidances,
    config: CoarseConfig,
    device: torch.device,
    refine_fn: RefineFn | None = None,
    still: StillFn | None = None,
) -> BatchFn:
    """Render for the moving stages: a clip for the video prior, its first frame for the view prior, the reference."""
    camera = camera_of(reference)
    targets = None if reference is None else reference.at(config.render.reference_size, device)
    supervisions = clip_supervisions(guidances, refine_fn)
    unguided = guidances.video is None and guidances.view is None and refine_fn is None

    def batches(step: int, rng: torch.Generator) -> list[RenderBatch]:
        times = sample_clip_times(config.time, rng)
        at_reference, at_novel = renders(step, config, times.starts_at_zero)
        result = []
        if targets is not None and (at_reference or unguided):
            result.append(reference_batch(camera, targets, config, rng, device))
        if at_novel or targets is None:
            result += [batch for supervision in supervisions for batch in _clip(step, times, supervision, rng)]
        return result

    def _clip(step: int, times: ClipTimes, supervision: ClipSupervision, rng: torch.Generator) -> list[RenderBatch]:
        cameras, moves = _clip_cameras(camera, config, supervision.cameras, rng)
        at = times.times
        if supervision.filmed:
            cameras, at = filmed_views(supervision.filmed, at, rng)
        light = shading(step, config, rng, cameras) if supervision.shaded else Shading()
        clip = View(cameras, camera, at, background(config, rng), light, view_text=not moves)
        refine = None if supervision.refine_fn is None else supervision.refine_fn(step, clip, rng)
        first_view = supervision.view if times.starts_at_zero else None
        frames = _supervised_frames(len(cameras), supervision.video, first_view, refine)
        if not len(frames):
            return []
        clip = select_frames(clip, frames)
        sds = partial(sds_loss, step=step, config=config, rng=rng)
        clip_sds = sds if still is None else partial(sds, still=still(clip))
        loss_fn = _loss_fn(supervision.video, first_view, refine, clip, frames, (clip_sds, sds))
        return [novel_batch(clip, config.render.size, loss_fn, rng, device)]

    return batches


def is_filmed(guidance: Guidance | None) -> bool:
    """Has the prior clips, which are compared at their own cameras?"""
    if guidance is None:
        return False
    prior = guidance.prior
    return bool(prior.filmed) or (prior.cameras is not None and len(prior.cameras) == 1)


def is_limited_to_clips(guidance: Guidance | None) -> bool:
    """Can the prior answer from the cameras of its clips alone? A model that follows a clip answers from any."""
    return is_filmed(guidance) and guidance.prior.cameras is not None


def with_min_temporal_tv(config: CoarseConfig, video: Guidance | None) -> CoarseConfig:
    """Keep temporal TV (Eq. 2) under a filmed video prior: what its cameras do not see must not drift freely."""
    least = MIN_TEMPORAL_TV[config.losses.time_tv_form]
    if not is_limited_to_clips(video) or config.losses.time_tv >= least:
        return config
    return replace(config, losses=replace(config.losses, time_tv=least))


def clip_supervisions(guidances: Guidances, refine_fn: RefineFn | None = None) -> list[ClipSupervision]:
    """One clip for all priors; two where some are filmed, whose cameras would confine the others; one more where the
    refine prior has clips that the video prior lacks."""
    view, video, refine = guidances.view, guidances.video, guidances.refine
    refine_filmed = refine_fn is not None and refine is not None and bool(refine.prior.filmed)
    if not (is_filmed(video) or refine_filmed):
        shaded = not any_unlit([view, video, refine])
        return [ClipSupervision(video, view, refine_fn, allowed_cameras([view, video, refine]), shaded=shaded)]
    source = video if is_filmed(video) else refine
    shared = refine_filmed and (refine.prior.cameras is None or not _other_clips(source.prior, refine.prior))
    here = ClipSupervision(
        video if is_filmed(video) else None, None, refine_fn if shared else None, source.prior.cameras,
        source.prior.filmed, shaded=False,
    )
    elsewhere = None if refine_filmed and refine.prior.cameras is not None else refine_fn
    others = [view, None if is_limited_to_clips(video) else video, None if elsewhere is None else refine]
    anywhere = ClipSupervision(others[1], view, elsewhere, allowed_cameras(others), shaded=not any_unlit(others))
    remaining = _other_clips(refine.prior, source.prior) if shared else refine.prior.filmed if refine_filmed else ()
    if not remaining:
        return [here, anywhere]
    return [here, anywhere, ClipSupervision(None, None, refine_fn, refine.prior.cameras, remaining, shaded=False)]


def _other_clips(prior: Prior, other: Prior) -> tuple[Cameras, ...]:
    """Return the cameras of a filmed prior's clips that are none of the other's."""
    clips, known = (p.filmed or (p.cameras,) for p in (prior, other))
    return tuple(clip for clip in clips if not any(_same_cameras(clip, own) for own in known))


def _same_cameras(first: Cameras, second: Cameras) -> bool:
    if len(first) != len(second):
        return False
    return all(torch.allclose(a, b, atol=SAME_CAMERA) for a, b in zip(vars(first).values(), vars(second).values(),
                                                                      strict=True))


def filmed_views(filmed: tuple[Cameras, ...], time: Tensor, rng: torch.Generator) -> tuple[Cameras, Tensor]:
    """Draw one of the clips -> its cameras at F scene times, and the times: of a moving camera those of its frames."""
    clip = filmed[0] if len(filmed) == 1 else filmed[int(torch.randint(len(filmed), (), generator=rng))]
    if len(clip) == 1:
        return clip[torch.zeros(len(time), dtype=torch.long)], time
    frames = (time * (len(clip) - 1)).round().long()
    return clip[frames], frames / (len(clip) - 1)


def _clip_cameras(
    reference: Cameras, config: CoarseConfig, allowed: Cameras | None, rng: torch.Generator
) -> tuple[Cameras, bool]:  # F cameras, do they move?
    cameras, moves = moving_views(novel_cameras(1, reference, rng), config.time.frames, rng, config.moving_camera)
    return (cameras if allowed is None else nearest_cameras(cameras, allowed)), moves


def _supervised_frames(
    count: int, video: Guidance | None, first_view: Guidance | None, refine: RefineTerm | None
) -> Tensor:  # ascending indices
    """The frames with a loss: all under a video prior, else the first for the view prior and those of refinement."""
    if video is not None:
        return torch.arange(count)
    frames = [] if refine is None else refine.frames.tolist()
    return torch.tensor(sorted({*frames, *([] if first_view is None else [0])}), dtype=torch.long)


def select_frames(view: View, frames: slice | Tensor) -> View:
    """The same view of some of its frames."""
    light = None if view.shading.light is None else view.shading.light[frames]
    return replace(
        view, cameras=view.cameras[frames], time=view.time[frames], shading=replace(view.shading, light=light)
    )


def _loss_fn(
    video: Guidance | None,
    first_view: Guidance | None,
    refine: RefineTerm | None,
    clip: View,
    frames: Tensor,  # which frames of the whole clip are rendered
    sds: tuple[Callable[[Guidance, Tensor, View], Tensor], ...],  # of the clip, of one frame
) -> LossFn:
    of_clip, of_frame = sds

    def loss_fn(rendered: RenderedImages) -> dict[str, Tensor]:
        image, terms = rendered.image, {}
        if video is not None:
            terms["sds video"] = of_clip(video, image, clip)
        if first_view is not None:
            terms["sds view"] = of_frame(first_view, image[:1], select_frames(clip, slice(0, 1)))
        if refine is not None:
            terms |= refine.loss_fn(image[torch.searchsorted(frames, refine.frames).to(image.device)])
        return terms

    return loss_fn
