"""Frames of a clip as they come, checked, and cut out one by one as references are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..reference import segment
from ..reference.layers import border_pixels, fill_outwards, pad_to_square


@dataclass(frozen=True)
class ClipFrames:
    """Frames in order, and what says where their subject is."""

    image: Tensor  # (N, 3, H, W) in [0, 1]
    mask: Tensor | None = None  # (N, 1, h, w), either polarity
    alpha: Tensor | None = None  # (N, 1, H, W), 1 = opaque
    mask_marks: str = "auto"

    def __getitem__(self, part: slice) -> ClipFrames:
        """Select frames."""
        layers = (None if v is None else v[part] for v in (self.image, self.mask, self.alpha))
        return ClipFrames(*layers, self.mask_marks)

    def checked(self) -> ClipFrames:
        """Return frames in [0, 1] and their masks, None where they mark nothing; refuse anything that is no clip."""
        image, mask = _check_frames(self.image, self.mask)
        return replace(self, image=image, mask=mask)

    def segmented(self) -> Iterator[tuple[Tensor, Tensor, bool]]:
        """Yield each frame (1, 3, H, W), its coverage (1, 1, H, W), and whether colours at its edges are pure."""
        return _segmented(self.image, self.mask, self.alpha, self.mask_marks)


def _check_frames(image: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
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


def cut_out(frame: Tensor, subject: Tensor, pure_edges: bool) -> Tensor:  # (1, 4, S, S)
    """Cut one frame out: premultiplied colour and coverage, on a centred square of the longer side."""
    known = segment.certain_pixels(subject, pure_edges)
    colour = fill_outwards(frame, known) if known.any() else frame
    return pad_to_square(torch.cat((colour * subject, subject), dim=1))
