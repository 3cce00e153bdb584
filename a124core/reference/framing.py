"""Notes on a subject that will give a poor scene: too small, too large, cut off by the border, or of thin lines."""

from __future__ import annotations

from torch import Tensor

from .layers import resize
from .leftovers import find_specks

SMALL = 0.03  # of the square
LARGE = 0.45  # of the square: leaves little space for a motion
TOUCHING = 0.02  # share of a border that the subject must cover to touch it
DEMO_SIDE = 64  # pixels of the smallest renders, the demo's
SOLID = 0.25  # share of the subject that pixels of that size must show more than half covered


def framing_notes(image_mask: Tensor, square_mask: Tensor, share: float, recentred: bool) -> list[str]:
    """Return notes with advice for the subject in the image (1, 1, H, W) and as it is framed (1, 1, S, S)."""
    notes = []
    if share > LARGE:
        notes.append("that is large: a motion may leave the image, a third or less is best")
    if share < SMALL and not recentred:
        notes.append("that is small: set recentre to show it larger")
    if sides := _touched_sides(image_mask):
        space = "" if recentred else "; recentre leaves space around it"
        notes.append(f"it is cut off at the {_listed(sides)} of the image, so take one that shows all of it{space}")
    if specks := len(find_specks(image_mask)):
        notes.append(f"beside it {'is a speck' if specks == 1 else f'are {specks} specks'}: erase what does not belong")
    if _is_thin(square_mask):
        notes.append(
            f"its lines are thinner than a pixel of a render of {DEMO_SIDE} x {DEMO_SIDE} and may vanish: draw them "
            "thicker, or fill the figure"
        )
    return notes


def _touched_sides(mask: Tensor) -> list[str]:
    lines = {"top": mask[0, 0, 0], "bottom": mask[0, 0, -1], "left": mask[0, 0, :, 0], "right": mask[0, 0, :, -1]}
    return [name for name, line in lines.items() if float((line > 0.5).float().mean()) >= TOUCHING]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is_thin(mask: Tensor) -> bool:
    """Return whether hardly anything of the subject fills a pixel of the smallest renders."""
    coverage = resize(mask, (DEMO_SIDE, DEMO_SIDE))
    return float(coverage[coverage > 0.5].sum()) < SOLID * float(coverage.sum())
