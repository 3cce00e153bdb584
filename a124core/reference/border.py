"""Cut the subject out of an image alone: the border shows what is background."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .layers import border_pixels, resize

PLAIN = 0.08  # colours this close (largest channel difference) to the border's colour are background
PLAIN_SHARE = 0.8  # share of the border that must have that colour; the rest may be subject that touches it
CHECKED_SIDE = 512  # pixels, at which an outline is checked
SHARP_SHARE = 0.8  # of the outline; one that is blurred in more of it is a shadow's or a gradient's
EVEN = 0.03  # colours of most of a plain background are this close to the border's
EVEN_SHARE = 0.75
ONE_COLOUR = 0.03  # largest difference in a channel that an image without any subject has
NO_SUBJECT = "the image has no mask, no transparency and no even background, so the subject cannot be found"
ADVICE = (
    "cut it out (a transparent PNG), or give a mask of it: in ComfyUI from a background-removal node, on the command "
    "line with --mask FILE"
)


class NoSubjectError(ValueError):
    """No subject can be told from the background without a mask."""

    def __init__(self, advice: str = ADVICE) -> None:
        super().__init__(f"{NO_SUBJECT}: {advice}.")


def cut_from_border(image: Tensor) -> tuple[Tensor, str]:  # (1, 3, H, W) in [0, 1] -> (1, 1, H, W), the method used
    """Return the subject's soft mask: from a plain background if there is one, else from one that varies smoothly."""
    spread = image.amax(dim=(-2, -1)) - image.amin(dim=(-2, -1))
    if spread.max() < ONE_COLOUR:
        raise ValueError("the picture is one even colour: no subject was found.")
    plain = _cut_from_plain(image)
    note = "cut from its plain background by the border's colour"
    if plain is not None and _is_sharp(image, plain):
        return _tidied(image, plain, note)
    from .uneven import cut_from_uneven  # which loads scipy

    uneven = cut_from_uneven(image)
    if uneven is not None:
        return uneven, "cut from its uneven background by how colours change along the border"
    if plain is not None and _is_even(image, plain):
        return _tidied(image, plain, note)
    raise NoSubjectError


def _cut_from_plain(image: Tensor) -> Tensor | None:
    """Keep all that a flood from the border in the border's own colour does not reach: white inside stays."""
    ring = border_pixels(image)
    colour = ring.median(dim=1).values
    if float(((ring - colour[:, None]).abs().amax(0) < PLAIN).float().mean()) < PLAIN_SHARE:
        return None
    plain = (image[0] - colour[:, None, None]).abs().amax(0) < PLAIN
    return _soft((~flood(plain)).float()[None, None])


def _soft(inside: Tensor) -> Tensor:
    """Average a mask (1, 1, H, W) of 0 and 1 over 3 x 3 pixels."""
    return functional.avg_pool2d(inside, 3, stride=1, padding=1, count_include_pad=False)


def _tidied(image: Tensor, subject: Tensor, note: str) -> tuple[Tensor, str]:
    """Return a soft mask without holes, floor shadow and specks, and the note with what was dropped."""
    from .holes import without_holes
    from .leftovers import without_specks
    from .shadow import without_shadow

    whole = (subject > 0.5).float()
    clean, opened = without_holes(image, whole, PLAIN)
    clean, shadow = without_shadow(image, clean)
    clean, dropped = without_specks(clean)
    return (subject if clean.equal(whole) else _soft(clean)), note + opened + shadow + dropped


def _distance(image: Tensor) -> Tensor:  # (1, 3, H, W) -> (1, 1, H, W)
    """Return each pixel's largest channel difference from the border's colour."""
    colour = border_pixels(image).median(dim=1).values
    return (image - colour[None, :, None, None]).abs().amax(dim=1, keepdim=True)


def _is_sharp(image: Tensor, subject: Tensor) -> bool:
    """Return whether the image has an edge along the subject's outline."""
    from .edge import sharp_share

    scale = CHECKED_SIDE / max(image.shape[-2:])
    size = tuple(max(1, round(n * min(scale, 1.0))) for n in image.shape[-2:])
    distance, mask = (resize(layer, size)[0, 0].numpy() for layer in (_distance(image), subject))
    return sharp_share(distance, mask > 0.5) >= SHARP_SHARE


def _is_even(image: Tensor, subject: Tensor) -> bool:
    """Return whether what is not subject hardly varies, so that a blurred outline is the subject's own."""
    return float((_distance(image)[subject < 0.5] < EVEN).float().mean()) >= EVEN_SHARE


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
