"""Cut the subject out of an image: by a mask of either polarity, by alpha, or from a plain background."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MASK_MARKS = ("auto", "subject", "background")
EMPTY_MASK_SIDE = 64  # ComfyUI's Load Image returns 64 x 64 zeros for an image that has no alpha channel
FLAT = 0.05  # a mask whose values differ by less than this marks nothing
OPAQUE = 0.99  # an alpha channel that is at least this everywhere marks nothing
RING = 0.01  # width of the border that is compared, share of the shorter side
PLAIN = 0.08  # colours this close (largest channel difference) to the border's colour are background
PLAIN_SHARE = 0.8  # share of the border that must have that colour; the rest may be subject that touches it
CERTAIN_MASK, CERTAIN_ALPHA = 0.95, 0.02  # coverage from which a colour is the subject's own; a mask's edge is mixed
NO_SUBJECT = (
    "the image has no mask, no transparency and no plain background, so the subject cannot be found: cut it out "
    "(a transparent PNG), or give a mask of it: in ComfyUI from a background-removal node, on the command line with "
    "--mask FILE."
)


def segment_subject(
    image: Tensor,  # (1, 3, H, W) in [0, 1]
    mask: Tensor | None,  # (1, 1, h, w) in [0, 1], either polarity
    alpha: Tensor | None,  # (1, 1, H, W) in [0, 1], 1 = opaque
    mask_marks: str = "auto",
) -> tuple[Tensor, bool, str]:  # subject (1, 1, H, W) soft, are colours at its edge pure?, the method used
    """Return the subject's soft mask from the best source available: the mask, else alpha, else a plain background."""
    if mask_marks not in MASK_MARKS:
        raise ValueError(f"mask_marks is {mask_marks!r}: use one of {', '.join(MASK_MARKS)}.")
    if mask is not None and not is_placeholder_mask(mask):
        subject, note = _from_mask(fit_to_image(mask, image, "mask"), mask_marks)
        if mask.shape[-2:] != image.shape[-2:]:
            note += f", resized from {_size(mask)} to {_size(image)}"
        return subject, False, note
    if alpha is not None and alpha.min() < OPAQUE:
        return fit_to_image(alpha, image, "alpha channel"), True, "found by its transparency"
    return _from_border(image), False, "cut from its plain background by the border's colour"


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


def resize(layer: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize by area average when it gets smaller, bilinearly when it gets larger."""
    if tuple(layer.shape[-2:]) == tuple(size):
        return layer
    if layer.shape[-2] >= size[0] and layer.shape[-1] >= size[1]:
        return functional.interpolate(layer, size=size, mode="area")
    return functional.interpolate(layer, size=size, mode="bilinear", align_corners=False)


def pad_to_square(layers: Tensor) -> Tensor:
    """Add zeros on both sides of the shorter axis; the subject stays in position and size."""
    height, width = layers.shape[-2:]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    return functional.pad(layers, (left, side - width - left, top, side - height - top))


def certain_pixels(subject: Tensor, pure_edges: bool) -> Tensor:
    """Mark pixels in the subject's own colour, which at a mask's edge is mixed with the background, with alpha not."""
    return (subject > (CERTAIN_ALPHA if pure_edges else CERTAIN_MASK)).float()


def border_pixels(layer: Tensor) -> Tensor:  # (1, C, H, W) -> (C, N)
    """Return the pixels along the four sides."""
    width = max(1, round(RING * min(layer.shape[-2:])))
    inner = torch.zeros(layer.shape[-2:], dtype=torch.bool)
    inner[width:-width, width:-width] = True
    return layer[0][:, ~inner.to(layer.device)]


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
        return subject, f"marked by the mask (1 = {marks}, as you chose)"
    doubt = "; it owns the border only just, so set mask_marks if that is wrong" if 0.35 < share < 0.65 else ""
    return subject, f"marked by the mask (1 taken as {marks}, because the border is background{doubt})"


def _from_border(image: Tensor) -> Tensor:
    """Keep all that a flood from the border in the border's own colour does not reach: white inside stays."""
    ring = border_pixels(image)
    colour = ring.median(dim=1).values
    if float(((ring - colour[:, None]).abs().amax(0) < PLAIN).float().mean()) < PLAIN_SHARE:
        raise ValueError(NO_SUBJECT)
    plain = (image[0] - colour[:, None, None]).abs().amax(0) < PLAIN
    inside = (~flood(plain)).float()[None, None]
    return functional.avg_pool2d(inside, 3, stride=1, padding=1, count_include_pad=False)


def flood(passable: Tensor) -> Tensor:  # (H, W) bool -> (H, W) bool
    """Mark passable pixels joined to the border by passable pixels (4 neighbours): whole runs, rows then columns."""
    reached = torch.zeros_like(passable)
    reached[[0, -1]], reached[:, [0, -1]] = passable[[0, -1]], passable[:, [0, -1]]
    before = -1
    while before != (before := int(reached.sum())):
        reached = _flood_rows(reached, passable)
        reached = _flood_rows(reached.T, passable.T).T
    return reached


def _flood_rows(reached: Tensor, passable: Tensor) -> Tensor:
    """Mark every horizontal run of passable pixels that holds a reached one."""
    starts = torch.ones_like(passable)
    starts[:, 1:] = passable[:, 1:] != passable[:, :-1]
    run = starts.flatten().cumsum(0) - 1
    hit = torch.zeros(int(run[-1]) + 1, dtype=torch.int32, device=run.device)
    hit.scatter_reduce_(0, run, reached.flatten().int(), reduce="amax")
    return (hit[run] > 0).view_as(passable) & passable


def fill_outwards(image: Tensor, known: Tensor) -> Tensor:  # (1, 3, H, W), (1, 1, H, W) in [0, 1] -> (1, 3, H, W)
    """Spread known colours into unknown pixels, so that no resizing mixes in the background.

    Push-pull: averages of known pixels on ever coarser levels fill the holes of the finer ones.
    """
    if min(image.shape[-2:]) < 2:
        return image
    weight = functional.avg_pool2d(known, 2, ceil_mode=True, count_include_pad=False)
    mean = functional.avg_pool2d(image * known, 2, ceil_mode=True, count_include_pad=False)
    coarse = fill_outwards(mean / weight.clamp(min=1e-6), (weight > 0).to(weight))
    coarse = functional.interpolate(coarse, size=image.shape[-2:], mode="bilinear", align_corners=False)
    return image * known + coarse * (1.0 - known)


def _size(layer: Tensor) -> str:
    return f"{layer.shape[-1]}x{layer.shape[-2]}"
