"""The video prior of a still 3D model and a clip: the model follows the clip, so that sides nobody filmed move too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..models3d.follow import follow_clip
from ..models3d.sequence import Model
from ..protocols import Cameras, Guidance, View
from ..reference.reference import Reference
from ..utils.progress import OnProgress
from .defaults import RoleDefaults
from .model3d import ModelClipPrior
from .owned import HERE, OwnedPrior, check_agreement, refine_guidance
from .video_clip import VIDEO_CLIP, ClipsPrior, FilmedClip, video_guidance

MAX_FRAMES = 64  # of a clip that a model follows, as of a sequence of models: each keeps all points of the model


@dataclass(frozen=True)
class FollowedPrior(ModelClipPrior):
    """The data are the clips at their cameras, and from any other the model as it follows one of them."""

    clips: ClipsPrior = field(kw_only=True)

    @property
    def filmed(self) -> tuple[Cameras, ...]:
        return self.clips.filmed

    def images(self, view: View) -> Tensor:  # (F, 3, S, S) on the CPU
        """Return the frames of the clip whose cameras these are, else renders of the model."""
        clip = self.clips.nearest(view)
        if float(clip.distance(view.cameras, view.time).max()) < HERE:
            return clip.frames(view.time.cpu(), view.background.cpu())
        return super().images(view)


def clip_guidances(
    clips: Sequence[FilmedClip],
    reference: Reference | None,
    size: int,  # side at which renders are compared
    numbers: RoleDefaults = VIDEO_CLIP,
    video: Guidance | None = None,  # of other clips of the same scene
    refine: Guidance | None = None,  # of what else is owned: other clips, a model as it stands before the camera
    on_progress: OnProgress | None = None,
) -> tuple[Guidance, Guidance]:
    """Return the video and the refine guidance of clips and of what else is owned. A model at rest follows the first
    clip whose camera is at rest."""
    followed = video.prior if video is not None and isinstance(video.prior, FollowedPrior) else None
    others = video if followed is None else replace(video, prior=followed.clips)
    video = video_guidance(clips, reference, numbers, others)
    known = video.prior if isinstance(video.prior, ClipsPrior) else ClipsPrior((video.prior,))
    if followed is not None:
        return replace(video, prior=replace(followed, clips=known)), refine_guidance((), clips, size, refine)
    model = _still_model(refine)
    at_rest = next((clip.large for clip in clips if len(clip.large.cameras) == 1), None)
    if model is None or at_rest is None:
        return video, refine_guidance((), clips, size, refine)
    check_agreement(model, at_rest)
    if len(at_rest.layers) > MAX_FRAMES:
        raise ValueError(
            f"the clip has {len(at_rest.layers)} frames, and a 3D model follows at most {MAX_FRAMES}: leave out every "
            "second frame, or more."
        )
    frames = follow_clip(model, at_rest.layers, at_rest.cameras, on_progress)
    prior = FollowedPrior(frames, size, clips=known)
    note = f"{video.note} The 3D model follows the clip, so that all sides move."
    return replace(video, prior=prior, note=note), refine_guidance(frames, clips, size, refine)


def _still_model(refine: Guidance | None) -> Model | None:
    known = refine.prior.model if refine is not None and isinstance(refine.prior, OwnedPrior) else None
    return known.frames[0] if known is not None and len(known.frames) == 1 else None
