"""A back without its front's face: where eyes are, which regions are markings, and that stripes go on."""

import numpy as np
import pytest
import torch

from a124core.priors.builtin.puppet.details import find_details
from a124core.priors.builtin.puppet.face import find_face
from a124core.priors.builtin.puppet.inpaint import inpaint
from a124core.priors.builtin.puppet.markings import find_markings
from benchmarks.drawings import TUNED_ON

SIDE = 256
DOWN, RIGHT = np.mgrid[:SIDE, :SIDE] + 0.5


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    return ((RIGHT - x) / rx) ** 2 + ((DOWN - y) / ry) ** 2 < 1


def painted(*layers: tuple[np.ndarray, tuple[float, float, float]]) -> np.ndarray:
    image = np.ones((SIDE, SIDE, 3), np.float32)
    for region, colour in layers:
        image[region] = colour
    return image


BODY, COAT, PALE = ellipse(128, 128, 80, 110), (0.6, 0.4, 0.2), (0.95, 0.9, 0.85)


def drawn(name: str) -> tuple[np.ndarray, np.ndarray]:
    reference = TUNED_ON[name].reference()
    image, mask = reference.composite(SIDE)[0].permute(1, 2, 0).numpy(), reference.mask_at(SIDE)[0, 0].numpy()
    return image, mask > 0.5


@pytest.mark.parametrize(("spots", "is_face"), [
    ([(80, 100, 90), (80, 156, 90)], True),
    ([(80, 100, 90), (80, 156, 300)], False),  # not alike
    ([(80, 100, 90), (110, 156, 90)], False),  # not level
    ([(80, 60, 90), (80, 110, 90)], False),  # not in the middle
    ([(190, 100, 90), (190, 156, 90)], False),  # low: wheels
    ([(80, 128, 90)], False),
])
def test_two_eyes_are_a_face(spots: list[tuple[int, int, int]], is_face: bool) -> None:
    face = find_face(BODY, np.array(spots, dtype=float))
    assert (face is not None) == is_face
    if face is not None:
        assert face.middle == (80.0, 128.0) and face.distance == 56.0
        assert face.holds(150, 128) and not face.holds(220, 128) and not face.holds(80, 250)


def test_a_belly_is_a_marking_and_stripes_and_spots_are_not() -> None:
    belly = ellipse(128, 150, 35, 45)
    stripes = (abs((DOWN % 40) - 20) < 4) & BODY & ~ellipse(128, 150, 45, 55)
    image = painted((BODY, COAT), (stripes, (0.1, 0.1, 0.1)), (belly, PALE))
    marked = find_markings(image, BODY)
    assert marked[belly].mean() > 0.98 and marked[BODY & ~ellipse(128, 150, 44, 54)].mean() < 0.02
    spots = [(ellipse(x, y, 9, 9), PALE) for x in (90, 128, 166) for y in (70, 110, 150, 190)]
    assert not find_markings(painted((BODY, COAT), *spots), BODY).any()


def test_what_reaches_the_outline_is_the_coats() -> None:
    leg = (abs(RIGHT - 128) < 30) & (DOWN > 120) & BODY
    assert not find_markings(painted((BODY, COAT), (leg, PALE)), BODY).any()


def test_stripes_go_on_in_what_is_filled() -> None:
    stripes = np.where((DOWN // 8 % 2 == 0)[..., None], (0.2, 0.2, 0.2), (0.8, 0.6, 0.2)).astype(np.float32)
    region = ellipse(128, 128, 22, 30)
    filled = inpaint(np.where(region[..., None], 1.0, stripes).astype(np.float32), region, BODY & ~region)
    even = np.abs(stripes - stripes[BODY].mean(0))[region].mean()  # how far off a fill of one colour is
    assert np.abs(filled - stripes)[region].mean() < 0.5 * even
    assert np.array_equal(filled[~region], stripes[~region])


def test_a_region_without_a_source_is_filled_smoothly() -> None:
    inside = ellipse(128, 128, 30, 4)
    region = inside & (RIGHT > 120) & (RIGHT < 140)
    filled = inpaint(painted((inside, COAT), (region, PALE)), region, inside & ~region)
    assert np.abs(filled[region] - np.array(COAT)).max() < 0.05


def test_a_front_view_loses_its_belly_and_a_side_view_keeps_windows_and_hubs() -> None:
    image, inside = drawn("wolf")
    details = find_details(image, inside)
    breast, muzzle, flank = details[135:150, 120:136], details[85:100, 110:146], details[160:180, 84:92]
    assert breast.all() and muzzle.all() and not flank.any()
    assert not find_details(*drawn("car")).any()


def test_a_shirt_keeps_its_stripes_and_a_guitar_its_pegs() -> None:
    image, inside = drawn("person")
    details = find_details(image, inside)
    assert details[56:62, 117:121].all() and not details[104:].any()
    details = find_details(*drawn("guitar"))
    assert details[166, 92] and details[22:40, 205:230].mean() < 0.2


def test_filling_is_the_same_every_time() -> None:
    image, inside = drawn("wolf")
    region = ellipse(128, 150, 12, 14)
    first, second = (torch.from_numpy(inpaint(image, region, inside & ~region)) for _ in range(2))
    assert torch.equal(first, second)
