"""Cutting the subject out, and a reference at other sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from a124core.reference.border import flood
from a124core.reference.reference import make_reference

RED = (0.8, 0.2, 0.1)
SIDE = 96


def disc(height: int = SIDE, width: int = SIDE, radius: float = 0.3) -> Tensor:  # (1, 1, H, W)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (radius * min(height, width)) ** 2
    return inside.float()[None, None]


def painted(mask: Tensor, behind: tuple[float, float, float] = (0.9, 0.9, 0.9)) -> Tensor:
    front, back = (torch.tensor(c).view(1, 3, 1, 1) for c in (RED, behind))
    return front * mask + back * (1 - mask)


def busy(height: int = SIDE, width: int = SIDE) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("marks", ["auto", "subject", "background"])
@pytest.mark.parametrize("inverted", [False, True])
def test_polarity(marks: str, inverted: bool) -> None:
    mask = 1 - disc() if inverted else disc()
    reference = make_reference(busy(), mask, mask_marks=marks)
    expected = disc() if marks == "auto" else mask if marks == "subject" else 1 - mask
    assert torch.equal(reference.mask, expected)
    assert ("background" if inverted else "subject") in reference.note or marks != "auto"


def test_the_hosts_image_without_alpha_has_no_mask() -> None:
    reference = make_reference(painted(disc()), torch.zeros(1, 64, 64))
    assert "plain background" in reference.note
    assert (reference.mask - disc()).abs().mean() < 0.02


def test_mask_goes_before_alpha_and_alpha_before_the_border() -> None:
    small, large = disc(radius=0.2), disc(radius=0.4)
    assert torch.equal(make_reference(painted(large), small, alpha=large).mask, small)
    assert torch.equal(make_reference(painted(large), alpha=small).mask, small)
    assert torch.equal(make_reference(torch.cat((painted(large), small), 1)).mask, small)
    opaque = make_reference(painted(large), alpha=torch.ones(1, 1, SIDE, SIDE))
    assert "plain background" in opaque.note


def test_white_inside_the_object_stays() -> None:
    hole = disc(radius=0.1)
    image = painted(disc() - hole, behind=(1.0, 1.0, 1.0))
    assert make_reference(image).mask[0, 0, SIDE // 2, SIDE // 2] == 1


def test_flood_is_what_a_stack_of_neighbours_reaches(rng: torch.Generator) -> None:
    passable = torch.rand(23, 31, generator=rng) < 0.62
    expected = torch.zeros_like(passable)
    stack = [(y, x) for y in range(23) for x in range(31) if y in (0, 22) or x in (0, 30)]
    while stack:
        y, x = stack.pop()
        if 0 <= y < 23 and 0 <= x < 31 and passable[y, x] and not expected[y, x]:
            expected[y, x] = True
            stack += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    assert torch.equal(flood(passable), expected)


def test_pads_to_a_centred_square_with_zeros_and_keeps_position_and_size() -> None:
    mask = torch.zeros(1, 1, 40, 80)
    mask[..., 5:20, 60:70] = 1
    reference = make_reference(busy(40, 80), mask)
    assert reference.mask.shape[-2:] == reference.image.shape[-2:] == (80, 80)
    assert torch.equal(reference.mask[..., 20:60, :], mask)
    assert reference.mask[..., :20, :].sum() == 0


def test_recentred_subject_fills_the_frame() -> None:
    mask = torch.zeros(1, 1, 100, 100)
    mask[..., 10:30, 60:100] = 1  # 40 wide, touches the side
    mask = make_reference(busy(100, 100), mask, mask_marks="subject", recentre=True).mask
    side = mask.shape[-1]
    rows, columns = (torch.nonzero((mask[0, 0] > 0.5).any(d)).flatten() for d in (1, 0))
    assert side == 50 and len(columns) == 40
    assert abs(int(columns[0] + columns[-1]) - (side - 1)) <= 1 and abs(int(rows[0] + rows[-1]) - (side - 1)) <= 1


def test_no_background_bleeds_into_a_smaller_composite() -> None:
    """Black behind the cut-out, white under it: no dark fringe at any size."""
    reference = make_reference(painted(disc(), behind=(0.0, 0.0, 0.0)), disc())
    for size in (13, 48, SIDE, 150):
        image, mask = reference.composite(size), reference.mask_at(size)
        expected = torch.tensor(RED).view(1, 3, 1, 1) * mask + 1 - mask
        assert torch.allclose(image, expected, atol=1e-4)


def test_hidden_colours_of_transparent_pixels_do_not_matter() -> None:
    a, b = (make_reference(painted(disc(), behind=c), alpha=disc()) for c in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    assert torch.allclose(a.image, b.image)
    assert torch.allclose(a.image[0, :, 0, 0], torch.tensor(RED), atol=1e-4)


def test_depth_is_stretched_inside_the_subject() -> None:
    depth = torch.linspace(0.2, 0.4, SIDE).expand(1, 3, SIDE, SIDE)
    reference = make_reference(busy(), disc(), depth=depth)
    inside = reference.mask > 0.5
    assert reference.depth[inside].min() == 0 and reference.depth[inside].max() == 1
    assert reference.depth[~inside].abs().sum() == 0
    assert reference.depth_at(24).shape == (1, 1, 24, 24)
    flat = make_reference(busy(), disc(), depth=torch.full((1, 1, SIDE, SIDE), 0.5))
    assert flat.depth is None and "flat" in flat.note


def test_targets_are_the_composite_the_mask_and_the_depth_at_a_size() -> None:
    reference = make_reference(busy(), disc(), depth=torch.linspace(0.2, 0.4, SIDE).expand(1, 3, SIDE, SIDE))
    targets = reference.at(24, "cpu")
    assert torch.equal(targets.image, reference.composite(24)) and torch.equal(targets.mask, reference.mask_at(24))
    assert torch.equal(targets.depth, reference.depth_at(24))
    assert make_reference(busy(), disc()).at(24, "cpu").depth is None


def test_conversions_are_noted() -> None:
    reference = make_reference(busy(1200, 1600), disc(300, 400))
    assert reference.image.shape[-1] == 1024
    assert "reduced from 1600x1200" in reference.note and "resized" in reference.note
    batch = make_reference(busy().expand(3, -1, -1, -1), disc())
    assert "first of 3" in batch.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": torch.zeros(1, 1, SIDE, SIDE)}, "empty"),
        ({"mask": torch.ones(1, 1, SIDE, SIDE)}, "full"),
        ({"mask": disc(50, 96)}, "another shape"),
        ({"mask": disc(radius=0.01)}, "covers"),
        ({"mask": None}, "--mask"),
        ({"mask": disc().fill_(float("nan"))}, "NaN"),
        ({"image": torch.full((1, 3, SIDE, SIDE), float("inf"))}, "NaN"),
        ({"image": torch.rand(1, 3, 1, 1), "mask": None}, "1x1"),
        ({"image": torch.rand(1, 2, SIDE, SIDE)}, "shape"),
        ({"mask_marks": "white"}, "mask_marks"),
        ({"depth": torch.rand(1, 1, 30, 90)}, "depth map is 90x30"),
    ],
)
def test_refusals_say_what_to_do(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_reference(**{"image": busy(), "mask": disc(), **change})


def rectangle(top: int, bottom: int, left: int, right: int) -> Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., top:bottom, left:right] = 1
    return mask


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (rectangle(40, 50, 40, 50), "that is small: set recentre to show it larger"),
        (rectangle(20, SIDE, 0, SIDE), "cut off at the bottom, left and right of the image"),
        (rectangle(20, 60, 0, 60), "cut off at the left of the image"),
        (rectangle(10, 90, 10, 90), "that is large"),
    ],
)
def test_poor_framing_is_noted_with_what_helps(mask: Tensor, words: str) -> None:
    assert words in make_reference(busy(), mask, mask_marks="subject").note
    assert words not in make_reference(busy(), disc()).note


def test_recentring_is_not_advised_twice() -> None:
    mask = rectangle(40, 50, 40, 50)
    assert "small" not in make_reference(busy(), mask, mask_marks="subject", recentre=True).note
    cut = make_reference(busy(), rectangle(20, SIDE, 0, SIDE), mask_marks="subject", recentre=True).note
    assert "cut off" in cut and "leaves space" not in cut


def test_thin_lines_are_noted() -> None:
    lines = torch.zeros(1, 1, 512, 512)
    lines[..., 100:400, 250:253] = lines[..., 200:203, 150:350] = 1
    assert "lines are thinner than a pixel of a render of 64 x 64" in make_reference(busy(512, 512), lines).note
    assert "thinner" not in make_reference(busy(512, 512), disc(512, 512, 0.1)).note
