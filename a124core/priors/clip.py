"""A clip as a prior: frames seen from the reference camera, made by any model or filmed, are the exact answer there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ..protocols import Cameras, Guidance, Prior, View
from ..reference.segment import border_pixels, fill_outwards, fit_to_image, means_no_mask, resize, segment_subject
from .builtin.denoisers import encode_pictures
from .builtin.recipe import VIDEO
from .noise import scaled_linear_sigmas

MOVES = 1.5e-3  # a mean change of premultiplied values below this from the first frame on is a still picture
SURE = 0.95  # a mask's edge is mixed with what lies behind: colours count where the mask is at least this
LOOKS_LIKE = 0.5  # overlap of silhouettes below which the first frame is not the reference picture


@dataclass(frozen=True)
class ClipPrior(Prior):
    """The data are one clip, so the posterior mean is that clip, whatever the noise (DreamFusion eq. 3 on one item)."""

    layers: Tensor  # (N, 4, S, S) premultiplied colour and coverage; frame i is scene time i / (N - 1)
    cameras: Cameras  # 1: the reference camera, the only one it can judge
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)
    exact: ClassVar[bool] = True

    def encode(self, image: Tensor) -> Tensor:  # (F, 3, H, W) -> (1, 3, F, S, S)
        return encode_pictures(image, self.layers.shape[-1]).transpose(0, 1)[None]

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return self.encode(self.frames(view.time, view.background)).to(x_t)

    def frames(self, time: Tensor, background: Tensor) -> Tensor:  # (F,), (3,) -> (F, 3, S, S)
        """The clip at scene times, linear between its frames, over a colour."""
        at = time.to(self.layers).clamp(0.0, 1.0) * (len(self.layers) - 1)
        low = at.floor().long().clamp(max=len(self.layers) - 2)
        seen = torch.lerp(self.layers[low], self.layers[low + 1], (at - low).view(-1, 1, 1, 1))
        return seen[:, :3] + (1.0 - seen[:, 3:]) * background.to(seen).view(3, 1, 1)


def clip_guidance(
    image: Tensor,  # (N, 3, H, W) in [0, 1]
    mask: Tensor | None,  # (N, 1, h, w), either polarity
    alpha: Tensor | None,  # (N, 1, H, W), 1 = opaque
    camera: Cameras,  # 1: where the clip was seen from
    size: int = 64,  # side at which renders are compared with the clip
    mask_marks: str = "auto",
    weight: float = VIDEO.weight,
    t_min: float = VIDEO.t_min,
    t_max: float = VIDEO.t_max,
    reference: Tensor | None = None,  # (1, 1, S, S) silhouette of the reference picture, for the note
) -> Guidance:
    """The video guidance of one clip. Every frame is cut out, padded to a square and reduced, as the reference is."""
    image, mask = _checked(image, mask)
    layers = torch.cat([_layers(*part, size) for part in _cut(image, mask, alpha, mask_marks)])
    if float((layers - layers[:1]).abs().mean(dim=(1, 2, 3)).max()) < MOVES:
        raise ValueError(
            "nothing moves in the clip, all its frames are the same: connect a clip that moves, in the order it plays."
        )
    note = f"The clip's {len(layers)} frames are the motion, seen from the reference camera only"
    note += f"{_doubt(layers, reference)}."
    return Guidance(ClipPrior(layers, camera), weight, t_min, t_max, note=note)


def _checked(image: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    if image.shape[0] < 2:
        raise ValueError(
            f"the clip has {image.shape[0]} frame(s): connect a batch of 2 or more pictures, the first one at rest as "
            "in your reference picture."
        )
    if not image.isfinite().all() or (mask is not None and not mask.isfinite().all()):
        raise ValueError("the clip or its mask contains NaN or infinite values: make it again.")
    if mask is not None and means_no_mask(mask):
        mask = None
    if mask is not None and mask.shape[0] != image.shape[0]:
        raise ValueError(
            f"the clip has {image.shape[0]} frames but {mask.shape[0]} mask(s): give one mask for each frame, or leave "
            "the mask out for a clip on a plain background."
        )
    return image.clamp(0.0, 1.0), mask


def _cut(
    image: Tensor, mask: Tensor | None, alpha: Tensor | None, mask_marks: str
) -> Iterator[tuple[Tensor, Tensor, bool]]:  # frame (1, 3, H, W), coverage (1, 1, H, W), are colours at edges pure?
    """Frame by frame: by the mask, else by transparency, else by a plain background."""
    if mask is not None:
        mask = mask.clamp(0.0, 1.0)
        mask = 1.0 - mask if _marks(mask, mask_marks) == "background" else mask
        if not (mask > 0.5).any():
            raise ValueError("the clip's masks are empty, they mark no subject: set mask_marks the other way.")
    for i in range(image.shape[0]):
        frame = image[i : i + 1]
        if mask is not None:
            yield frame, fit_to_image(mask[i : i + 1], frame, "mask of the clip"), False
        else:
            subject, pure, _ = segment_subject(frame, None, None if alpha is None else alpha[i : i + 1])
            yield frame, subject, pure


def _marks(mask: Tensor, mask_marks: str) -> str:
    """One answer for the whole clip: the side that owns the border is background."""
    if mask_marks != "auto":
        return mask_marks
    share = sum(float(border_pixels(m[None]).mean()) for m in mask) / len(mask)
    return "background" if share > 0.5 else "subject"


def _layers(frame: Tensor, subject: Tensor, pure: bool, size: int) -> Tensor:  # (1, 4, size, size)
    """Premultiplied, on a centred square of the longer side, averaged down."""
    known = (subject > (0.02 if pure else SURE)).float()
    colour = fill_outwards(frame, known) if known.any() else frame
    layers = torch.cat((colour * subject, subject), dim=1)
    height, width = layers.shape[-2:]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    layers = functional.pad(layers, (left, side - width - left, top, side - height - top))
    return resize(layers, (size, size))


def _doubt(layers: Tensor, reference: Tensor | None) -> str:
    """A word of warning when the first frame's silhouette is not the reference picture's."""
    if reference is None:
        return ""
    size = layers.shape[-1]
    a, b = layers[0, 3] > 0.5, resize(reference, (size, size))[0, 0] > 0.5
    overlap = float((a & b).sum()) / max(float((a | b).sum()), 1.0)
    if overlap >= LOOKS_LIKE:
        return ""
    return (
        f". But its first frame overlaps only {100 * overlap:.0f} % with the reference picture: make the clip from the "
        "same picture, with the same framing, and leave recentre off"
    )
