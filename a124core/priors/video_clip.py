"""Clips as a prior: their frames, generated or filmed, are the exact answer at their cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from ..cameras.centred import at_rest, centre_cameras, square_pinholes, turn_image
from ..cameras.homography import turning_homographies
from ..cameras.rig import camera_to_world, to_pinholes
from ..protocols import Cameras, Guidance, Pinholes, Prior, View
from ..reference.layers import resize
from ..reference.reference import Reference, camera_of
from ..utils.overlap import silhouette_iou
from ..utils.progress import OnProgress, ProgressCounter
from .clip_frames import ClipFrames, cut_out
from .defaults import BUILT_IN, RoleDefaults
from .noise import scaled_linear_sigmas
from .point_mass import PointMassClipPrior

VIDEO_CLIP = replace(BUILT_IN["video"], t_max_end=None)  # a clip's answer is the same at any noise: nothing to anneal
MIN_SIDE, MAX_SIDE = 8, 1024  # pixels of the frames that renders are compared with
MIN_MOTION = 1.5e-3  # a mean change of premultiplied values below this from the first frame on is a still image
SAME_PLACE = 0.05  # of the reference camera's distance: a clip's camera this near to it shows the reference image
REFINED = 2  # the refine prior's frames are this many times as wide as the video prior's, as the built-in ones are
MIN_OVERLAP = 0.5  # IoU of silhouettes below which the first frame is not the reference image


@dataclass(frozen=True)
class ClipPrior(PointMassClipPrior):
    """The data are one clip, so the posterior mean is that clip, whatever the noise (DreamFusion eq. 3 on one item)."""

    layers: Tensor  # (N, 4, S, S) premultiplied colour and coverage; frame i is scene time i / (N - 1)
    cameras: Cameras  # the only ones it supports: 1, or N of a camera that moves
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)

    @property
    def filmed(self) -> tuple[Cameras, ...]:
        return (self.cameras,)

    @property
    def size(self) -> int:
        return self.layers.shape[-1]

    def images(self, view: View) -> Tensor:  # (F, 3, S, S) on the CPU
        """Return the frames at the view's times over its background, whatever its cameras."""
        return self.frames(view.time, view.background)

    def frames(self, time: Tensor, background: Tensor) -> Tensor:  # (F,), (3,) -> (F, 3, S, S)
        """Return the clip at scene times, linear between its frames, over a colour."""
        position = time.to(self.layers).clamp(0.0, 1.0) * (len(self.layers) - 1)
        low = position.floor().long().clamp(max=len(self.layers) - 2)
        layers = torch.lerp(self.layers[low], self.layers[low + 1], (position - low).view(-1, 1, 1, 1))
        return layers[:, :3] + (1.0 - layers[:, 3:]) * background.to(layers).view(3, 1, 1)

    def distance(self, cameras: Cameras, time: Tensor) -> Tensor:  # (F,)
        """Return how far its own camera is from each camera at each scene time, world units."""
        frames = (time.cpu().clamp(0.0, 1.0) * (len(self.cameras) - 1)).round().long()
        own, other = (camera_to_world(c.to("cpu"))[:, :3, 3] for c in (self.cameras, cameras))
        return (own[frames] - other).norm(dim=1)


@dataclass(frozen=True)
class ClipsPrior(PointMassClipPrior):
    """The data are clips of one scene from several cameras; the answer is the clip of the nearest one."""

    clips: tuple[ClipPrior, ...]
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)

    @property
    def filmed(self) -> tuple[Cameras, ...]:
        return tuple(clip.cameras for clip in self.clips)

    @property
    def cameras(self) -> Cameras:
        columns = (torch.cat([getattr(c, f.name) for c in self.filmed]) for f in fields(Cameras))
        return Cameras(*columns)

    @property
    def size(self) -> int:
        return self.clips[0].size

    def images(self, view: View) -> Tensor:  # (F, 3, S, S) on the CPU
        """Return the frames of the clip of the nearest camera."""
        return self.nearest(view).images(view)

    def nearest(self, view: View) -> ClipPrior:
        """Return the clip whose camera is nearest to the view's."""
        return min(self.clips, key=lambda clip: float(clip.distance(view.cameras, view.time).mean()))


@dataclass(frozen=True)
class FilmedClip:
    """A clip cut out, at the size of the video prior and at that of the refine prior."""

    small: ClipPrior
    large: ClipPrior


def clip_guidance(
    image: Tensor,  # (N, 3, H, W) in [0, 1]
    mask: Tensor | None,  # (N, 1, h, w), either polarity
    alpha: Tensor | None,  # (N, 1, H, W), 1 = opaque
    reference: Reference | None = None,  # the clip's camera is its camera, and its silhouette is compared
    size: int = 64,  # side at which renders are compared with the clip
    mask_marks: str = "auto",
    numbers: RoleDefaults = VIDEO_CLIP,
) -> Guidance:
    """Make the video guidance of one clip from the reference camera."""
    clips = film_clips(ClipFrames(image, mask, alpha, mask_marks), None, reference, size)
    return video_guidance(clips, reference, numbers)


def film_clips(
    frames: ClipFrames,
    cameras: Cameras | Pinholes | None,  # None: the reference's
    reference: Reference | None = None,
    size: int = 64,  # side at which renders are compared with the clips
    on_progress: OnProgress | None = None,
) -> list[FilmedClip]:
    """Cut the clips of a batch out: one, or with fewer cameras than frames one for each camera, one after another."""
    if not MIN_SIDE <= size <= MAX_SIDE:
        raise ValueError(f"size is {size}: choose {MIN_SIDE} to {MAX_SIDE} pixels.")
    frames = frames.checked()
    progress = ProgressCounter(len(frames.image), on_progress)
    if cameras is None:
        return [_film(frames, camera_of(reference), None, size, progress)]
    cameras = to_pinholes(cameras)
    count, n_clips = len(frames.image), clips_in_batch(len(frames.image), len(cameras))
    length, own = count // n_clips, len(cameras) // n_clips
    parts = ((frames[k * length : (k + 1) * length], cameras[k * own : (k + 1) * own]) for k in range(n_clips))
    framing = camera_of(reference)
    return [_film_from(part, camera, framing, size, progress) for part, camera in parts]


def clips_in_batch(frames: int, cameras: int) -> int:
    """Return how many clips a batch holds, by the number of its cameras."""
    if cameras in (1, frames):
        return 1
    if cameras and frames % cameras == 0:
        return cameras
    raise ValueError(
        f"there are {cameras} cameras for {frames} frames: give 1 for a camera at rest, 1 for each frame of a camera "
        "that moves, or 1 for each of several clips of one length, one after another in the batch."
    )


def _film_from(
    frames: ClipFrames, pinholes: Pinholes, framing: Cameras, size: int, progress: ProgressCounter
) -> FilmedClip:
    """Cut a clip out as its cameras would show it if they looked at the middle of the scene."""
    pinholes = square_pinholes(at_rest(pinholes), tuple(frames.image.shape[-2:]))
    centred = centre_cameras(pinholes, framing)
    return _film(frames, centred, turning_homographies(pinholes, centred), size, progress)


def _film(
    frames: ClipFrames, cameras: Cameras, turns: Tensor | None, size: int, progress: ProgressCounter
) -> FilmedClip:
    small, large = [], []
    for i, frame in enumerate(frames.segmented()):
        square = cut_out(*frame)
        if turns is not None:
            square = turn_image(square, turns[min(i, len(turns) - 1)])
        small.append(resize(square, (size, size)))
        large.append(resize(square, (REFINED * size, REFINED * size)))
        progress.advance("cutting the clip out")
    layers = torch.cat(small)
    if float((layers - layers[:1]).abs().mean(dim=(1, 2, 3)).max()) < MIN_MOTION:
        raise ValueError(
            "nothing moves in the clip, all its frames are the same: connect a clip that moves, in the order it plays."
        )
    return FilmedClip(ClipPrior(layers, cameras), ClipPrior(torch.cat(large), cameras))


def video_guidance(
    clips: Sequence[FilmedClip],
    reference: Reference | None = None,
    numbers: RoleDefaults = VIDEO_CLIP,
    others: Guidance | None = None,  # of clips of the same scene
) -> Guidance:
    """Make the video guidance of clips of one scene, each of which shows all of its time."""
    priors, notes = tuple(clip.small for clip in clips), []
    if others is not None:
        priors, notes = (*_clips_of(others.prior), *priors), [others.note]
    prior = priors[0] if len(priors) == 1 else ClipsPrior(priors)
    return numbers.guidance(prior, " ".join([*notes, *(_note(clip.small, reference) for clip in clips)]))


def _clips_of(prior: Prior) -> tuple[ClipPrior, ...]:
    if isinstance(prior, ClipPrior):
        return (prior,)
    if isinstance(prior, ClipsPrior):
        return prior.clips
    raise ValueError(
        "the video guidance that is connected to a clip is not of a clip: connect that of another clip, or none."
    )


def _note(clip: ClipPrior, reference: Reference | None) -> str:
    """Return a sentence on a clip, its cameras, and whether it fits the reference image seen from there."""
    camera, first = camera_of(reference), clip.cameras[:1]
    place = "from the reference camera only"
    fits = float(clip.distance(camera, torch.zeros(1))) < SAME_PLACE * float(camera.radius)
    if len(clip.cameras) > 1:
        first, last = (_direction(clip.cameras, k) for k in (0, len(clip.cameras) - 1))
        place = f"by a camera that moves from {first} to {last}"
    elif not fits:
        place = f"from {_direction(clip.cameras, 0)}"
    problem = _mismatch(clip.layers, reference) if fits else ""
    return f"The clip's {len(clip.layers)} frames are the motion, seen {place}{problem}."


def _direction(cameras: Cameras, k: int) -> str:
    return f"azimuth {float(cameras.azimuth[k]):.0f}, elevation {float(cameras.elevation[k]):.0f}"


def _mismatch(layers: Tensor, reference: Reference | None) -> str:
    """Return a warning when the first frame's silhouette is not the reference image's."""
    if reference is None:
        return ""
    size = layers.shape[-1]
    overlap = silhouette_iou(layers[0, 3], reference.mask_at(size)[0, 0])
    if overlap >= MIN_OVERLAP:
        return ""
    return (
        f". But its first frame overlaps only {100 * overlap:.0f} % with the reference image: make the clip from the "
        "same image, with the same framing, and leave recentre off"
    )
