"""Holes and floor shadows of subjects that are cut out of a plain white background."""

from __future__ import annotations

import torch
from torch import Tensor

from a124core.reference.border import cut_from_border

SIDE = 256


def grid() -> tuple[Tensor, Tensor]:
    return torch.meshgrid(*(torch.arange(SIDE) - SIDE / 2 + 0.5,) * 2, indexing="ij")


def disc(x: float, y: float, radius: float, squeeze: float = 1.0) -> Tensor:
    """Cover (SIDE, SIDE) of a disc, or of an ellipse lower than wide."""
    rows, columns = grid()
    r = ((columns - x) ** 2 + ((rows - y) / squeeze) ** 2).sqrt()
    return ((radius - r) * squeeze + 0.5).clamp(0, 1)


def painted(layers: list[tuple[Tensor, tuple[float, float, float], float]]) -> Tensor:
    """Paint covers on white, each with a colour and with so much texture."""
    rng = torch.Generator().manual_seed(0)
    image = torch.ones(3, SIDE, SIDE)
    for cover, colour, texture in layers:
        paint = torch.tensor(colour)[:, None, None] * (1 + texture * torch.randn(1, SIDE, SIDE, generator=rng))
        image = torch.lerp(image, paint.clamp(0, 1), cover[None])
    return image[None]


def white_at(image: Tensor, x: float, y: float, radius: float) -> Tensor:
    """Paint a spotless white disc."""
    return torch.lerp(image, torch.tensor(1.0), disc(x, y, radius)[None, None])


BROWN, WHITE = (0.6, 0.4, 0.2), (1.0, 1.0, 1.0)


def test_the_opening_of_a_shaded_ring_is_a_hole() -> None:
    image = white_at(painted([(disc(0, 0, 90), BROWN, 0.08)]), 10, 5, 30)
    mask, note = cut_from_border(image)
    assert mask[0, 0, 133, 138] == 0 and mask[0, 0, 60, 128] == 1 and "with a hole" in note


def test_the_opening_of_a_flat_even_ring_is_a_hole() -> None:
    mask, note = cut_from_border(white_at(painted([(disc(0, 0, 90), BROWN, 0)]), 0, 0, 50))
    assert mask[0, 0, 128, 128] == 0 and "with a hole" in note


def test_a_white_belly_stays_and_is_said() -> None:
    """Flat, below a head: as white as the background, but the body around it is no even ring."""
    image = painted([(disc(0, 30, 60), BROWN, 0), (disc(0, -50, 50), BROWN, 0)])
    mask, note = cut_from_border(white_at(image, 0, 40, 35))
    assert mask[0, 0, 168, 128] == 1 and "inside it kept" in note and "hole that" not in note


def test_a_textured_white_belly_and_eyes_stay() -> None:
    image = painted([(disc(0, 0, 90), BROWN, 0.08), (disc(0, 40, 35), (0.95, 0.95, 0.95), 0.08)])
    for x in (-30, 30):
        image = white_at(image, x, -30, 14)
        image = torch.lerp(image, torch.tensor(0.0), disc(x, -30, 6)[None, None])
    mask, note = cut_from_border(image)
    assert mask[0, 0, 168, 128] == 1 and mask[0, 0, 90, 98] == 1 and "hole" not in note


def test_an_outlined_drawing_stays_whole() -> None:
    """A white face with a black outline and eyes."""
    image = painted([(disc(0, 0, 90), (0.0, 0.0, 0.0), 0), (disc(0, 0, 84), WHITE, 0)])
    for x in (-30, 30):
        image = torch.lerp(image, torch.tensor(0.0), disc(x, -20, 9)[None, None])
    mask, _ = cut_from_border(image)
    assert mask[0, 0, 128, 128] == 1


def test_an_even_shadow_on_the_floor_is_dropped_and_said() -> None:
    grey = (0.75, 0.75, 0.75)
    image = painted([(disc(0, 92, 80, 0.14), grey, 0), (disc(0, 20, 66), BROWN, 0)])
    mask, note = cut_from_border(image)
    assert mask[0, 0, 220, 70] == 0 and mask[0, 0, 148, 128] == 1 and "without the even shadow on the floor" in note


def test_a_grey_base_is_no_shadow() -> None:
    base = torch.zeros(SIDE, SIDE)
    base[206:226, 60:196] = 1
    mask, note = cut_from_border(painted([(base, (0.75, 0.75, 0.75), 0), (disc(0, 20, 66), BROWN, 0)]))
    assert mask[0, 0, 216, 70] == 1 and "shadow" not in note
