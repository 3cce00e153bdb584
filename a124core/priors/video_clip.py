"""A clip as a prior: its frames, generated or filmed, are the exact answer at the reference camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..protocols import Cameras, Guidance, Prior, View
from ..reference import segment
from ..reference.layers import border_pixels, fill_outwards, pad_to_square, resize
from ..reference.reference import Reference, camera_of
from .builtin.denoisers import encode_clip
from .defaults import BUILT_IN, RoleDefaults
from .noise import scaled_linear_sigmas

VIDEO_CLIP = replace(BUILT_IN["video"], t_max_end=None)  # a clip's answer is the same at any noise: nothing to anneal
MIN_SIDE, MAX_SIDE = 8, 1024  # pixels of the frames that renders are compared with
MIN_MOTION = 1.5e-3  # a mean change of premultiplied values below this from the first frame on is a still image
MIN_OVERLAP = 0.5  # IoU of silhouettes below which the first frame is not the reference image


@dataclass(frozen=True)
class ClipPrior(Prior):
    """The data are one clip, so the posterior mean is that clip, whatever the noise (DreamFusion eq. 3 on one item)."""

    layers: Tensor  # (N, 4, S, S) premultiplied colour and coverage; frame i is scene time i / (N - 1)
    cameras: Cameras  # 1: the reference camera, the only one it supports
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)
    exact: ClassVar[bool] = True

    def encode(self, image: Tensor) -> Tensor:  # (F, 3, H, W) -> (1, 3, F, S, S)
        return encode_clip(image, self.layers.shape[-1])

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return self.encode(self.frames(view.time, view.background)).to(x_t)

    def frames(self, time: Tensor, background: Tensor) -> Tensor:  # (F,), (3,) -> (F, 3, S, S)
        """Return the clip at scene times, linear between its frames, over a colour."""
        position = time.to(self.layers).clamp(0.0, 1.0) * (len(self.layers) - 1)
        low = position.floor().long().clamp(max=len(self.layers) - 2)
        layers = torch.lerp(self.layers[low], self.layers[low + 1], (position - low).view(-1, 1, 1, 1))
        return layers[:, :3] + (1.0 - layers[:, 3:]) * background.to(layers).view(3, 1, 1)


def clip_guidance(
    image: Tensor,  # (N, 3, H, W) in [0, 1]
    mask: Tensor | None,  # (N, 1, h, w), either polarity
    alpha: Tensor | None,  # (N, 1, H, W), 1 = opaque
    reference: Reference | None = None,  # the clip's camera is its camera, and its silhouette is compared
    size: int = 64,  # side at which renders are compared with the clip
    mask_marks: str = "auto",
    numbers: RoleDefaults = VIDEO_CLIP,
) -> Guidance:
    """Make the video guidance of one clip; each frame is cut out, padded to a square and reduced, as references are."""
    if not MIN_SIDE <= size <= MAX_SIDE:
        raise ValueError(f"size is {size}: choose {MIN_SIDE} to {MAX_SIDE} pixels.")
    image, mask = _check_frames(image, mask)
    layers = torch.cat([_cut_out(*frame, size) for frame in _segmented(image, mask, alpha, mask_marks)])
    if float((layers - layers[:1]).abs().mean(dim=(1, 2, 3)).max()) < MIN_MOTION:
        raise ValueError(
            "nothing moves in the clip, all its frames are the same: connect a clip that moves, in the order it plays."
        )
    note = f"The clip's {len(layers)} frames are the motion, seen from the reference camera only"
    return numbers.guidance(ClipPrior(layers, camera_of(reference)), f"{note}{_mismatch(layers, reference)}.")


def _check_frames(image: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return frames in [0, 1] and their masks, None where they mark nothing; refuse anything that is no clip."""
    if image.shape[0] < 2:
        raise ValueError(
            f"the clip has {image.shape[0]} frame(s): connect a batch of 2 or more images, the first one at rest as "
            "in your reference image."
        )
    if not image.isfinite().all() or (mask is not None and not mask.isfinite().all()):
        raise ValueError("the clip or its mask contains NaN or infinite values: make it again.")
    if mask is not None and segment.is_placeholder_mask(mask):
        mask = None
    if mask is not None and mask.shape[0] != image.shape[0]:
        raise ValueError(
            f"the clip has {image.shape[0]} frames but {mask.shape[0]} mask(s): give one mask for each frame, or leave "
            "the mask out for a clip on a plain background."
        )
    return image.clamp(0.0, 1.0), mask


def _segmented(
    image: Tensor, mask: Tensor | None, alpha: Tensor | None, mask_marks: str
) -> Iterator[tuple[Tensor, Tensor, bool]]:  # frame (1, 3, H, W), coverage (1, 1, H, W), are colours at edges pure?
    """Segment frame by frame: by the mask, else by transparency, else by a plain background."""
    if mask is not None:
        mask = mask.clamp(0.0, 1.0)
        mask = 1.0 - mask if _marks_background(mask, mask_marks) else mask
        if not (mask > 0.5).any():
            raise ValueError("the clip's masks are empty, they mark no subject: set mask_marks the other way.")
    for i in range(image.shape[0]):
        frame = image[i : i + 1]
        if mask is not None:
            yield frame, segment.fit_to_image(mask[i : i + 1], frame, "mask of the clip"), False
        else:
            subject, pure, _ = segment.segment_subject(frame, None, None if alpha is None else alpha[i : i + 1])
            yield frame, subject, pure


def _marks_background(mask: Tensor, mask_marks: str) -> bool:
    """Resolve the polarity once for the whole clip; auto: the side that owns the border is background."""
    if mask_marks != "auto":
        return mask_marks == "background"
    return sum(float(border_pixels(m[None]).mean()) for m in mask) / len(mask) > 0.5


def _cut_out(frame: Tensor, subject: Tensor, pure_edges: bool, size: int) -> Tensor:  # (1, 4, size, size)
    """Cut one frame out: premultiplied, on a centred square of the longer side, averaged down."""
    known = segment.certain_pixels(subject, pure_edges)
    colour = fill_outwards(frame, known) if known.any() else frame
    return resize(pad_to_square(torch.cat((colour * subject, subject), dim=1)), (size, size))


def _mismatch(layers: Tensor, reference: Reference | None) -> str:
    """Return a warning when the first frame's silhouette is not the reference image's."""
    if reference is None:
        return ""
    size = layers.shape[-1]
    a, b = layers[0, 3] > 0.5, reference.mask_at(size)[0, 0] > 0.5
    overlap = float((a & b).sum()) / max(float((a | b).sum()), 1.0)
    if overlap >= MIN_OVERLAP:
        return ""
    return (
        f". But its first frame overlaps only {100 * overlap:.0f} % with the reference image: make the clip from the "
        "same image, with the same framing, and leave recentre off"
    )
