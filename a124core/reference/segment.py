"""Cut the subject out of an image: by a mask of either polarity, by alpha, or by what the border shows."""

from __future__ import annotations

from torch import Tensor

from .border import cut_from_border
from .layers import border_pixels, resize

MASK_MARKS = ("auto", "subject", "background")
EMPTY_MASK_SIDE = 64  # ComfyUI's Load Image returns 64 x 64 zeros for an image that has no alpha channel
FLAT = 0.05  # a mask whose values differ by less than this marks nothing
OPAQUE = 0.99  # an alpha channel that is at least this (nearly) everywhere marks nothing
LARGEST_SUBJECT = 0.995  # of the image; more than this, and there is no background
CERTAIN_MASK, CERTAIN_ALPHA = 0.95, 0.02  # coverage from which a colour is the subject's own; a mask's edge is mixed
MOST_BORDER = 0.5  # of the border: a subject that covers more is likely the background


def segment_subject(
    image: Tensor,  # (1, 3, H, W) in [0, 1]
    mask: Tensor | None,  # (1, 1, h, w) in [0, 1], either polarity
    alpha: Tensor | None,  # (1, 1, H, W) in [0, 1], 1 = opaque
    mask_marks: str = "auto",
) -> tuple[Tensor, bool, str]:  # subject (1, 1, H, W) soft, are colours at its edge pure?, the method used
    """Return the subject's soft mask from the best source available: the mask, else alpha, else the background."""
    if mask_marks not in MASK_MARKS:
        raise ValueError(f"mask_marks is {mask_marks!r}: use one of {', '.join(MASK_MARKS)}.")
    if mask is not None and not is_placeholder_mask(mask):
        subject, note = _from_mask(fit_to_image(mask, image, "mask"), mask_marks)
        if mask.shape[-2:] != image.shape[-2:]:
            note += f", resized from {_size(mask)} to {_size(image)}"
        return subject, False, note
    if alpha is not None and float((alpha < OPAQUE).float().mean()) > 1.0 - LARGEST_SUBJECT:
        return fit_to_image(alpha, image, "alpha channel"), True, "found by its transparency"
    subject, note = cut_from_border(image)
    return subject, False, note


def is_placeholder_mask(mask: Tensor) -> bool:
    """Check whether a mask is the one that Load Image returns for an image without alpha."""
    return tuple(mask.shape[-2:]) == (EMPTY_MASK_SIDE, EMPTY_MASK_SIDE) and not mask.any()


def is_flat(mask: Tensor) -> bool:
    """Check whether a mask has one value everywhere and so marks nothing."""
    return bool(mask.max() - mask.min() < FLAT)


def fit_to_image(layer: Tensor, image: Tensor, name: str) -> Tensor:
    """Resize a layer to the image, if both have the same shape to within a pixel's rounding."""
    height, width = image.shape[-2:]
    h, w = layer.shape[-2:]
    if (h, w) == (height, width):
        return layer
    if abs(h * width - w * height) > max(width, height, h, w):
        raise ValueError(
            f"the {name} is {_size(layer)} but the image is {_size(image)}, another shape: "
            f"give a {name} of the image's width and height, or leave it out."
        )
    return resize(layer, (height, width))


def certain_pixels(subject: Tensor, pure_edges: bool) -> Tensor:
    """Mark pixels in the subject's own colour, which at a mask's edge is mixed with the background, with alpha not."""
    return (subject > (CERTAIN_ALPHA if pure_edges else CERTAIN_MASK)).float()


def _from_mask(mask: Tensor, mask_marks: str) -> tuple[Tensor, str]:
    """Resolve the mask's polarity; auto: the side that owns the border is background."""
    if is_flat(mask):
        raise ValueError(
            f"the mask is {'full' if mask.max() > 0.5 else 'empty'}, it has one value everywhere: "
            "mark the subject and leave its surroundings unmarked, or leave the mask out."
        )
    share = float(border_pixels(mask).mean())
    marks = ("background" if share > 0.5 else "subject") if mask_marks == "auto" else mask_marks
    subject = mask if marks == "subject" else 1.0 - mask
    if mask_marks != "auto":
        return subject, f"marked by the mask (1 = {marks}, as you chose{_inversion_doubt(subject, marks)})"
    doubt = "; it owns the border only just, so set mask_marks if that is wrong" if 0.35 < share < 0.65 else ""
    return subject, f"marked by the mask (1 taken as {marks}, because the border is background{doubt})"


def _inversion_doubt(subject: Tensor, marks: str) -> str:
    """Ask whether the mask is inverted, if the subject owns the border; empty if not."""
    share = float(border_pixels(subject).mean())
    if share <= MOST_BORDER:
        return ""
    other = "background" if marks == "subject" else "subject"
    return (
        f"; so the subject covers {100 * share:.0f} % of the image's border: if the mask is the wrong way round, set "
        f"mask_marks (--mask-marks on the command line) to {other}"
    )


def _size(layer: Tensor) -> str:
    return f"{layer.shape[-1]}x{layer.shape[-2]}"
