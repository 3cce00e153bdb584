"""Subjects before backgrounds that are not plain: found well or refused."""

from __future__ import annotations

import pytest
import torch

from a124core.reference.border import NoSubjectError, cut_from_border
from a124core.reference.reference import make_reference
from tests.core.reference.cutout_pictures import HARD, PICTURES, Scene, draw, overlap

ACCEPTED = 0.95  # IoU of nearly all
LEAST = 0.8  # of any that is accepted
torch.set_num_threads(1)


@pytest.mark.parametrize("scene", PICTURES, ids=lambda scene: scene.name)
def test_the_subject_is_found(scene: Scene) -> None:
    """All 24; the cup that is white on white is found without a part of its handle, which cannot be seen."""
    image, true = draw(scene)
    found, _ = cut_from_border(image)
    assert overlap(found, true) >= (0.9 if scene.name == "white on white" else ACCEPTED)


@pytest.mark.parametrize("scene", HARD, ids=lambda scene: scene.name)
def test_none_is_accepted_that_is_wrong(scene: Scene) -> None:
    image, true = draw(scene)
    try:
        found, _ = cut_from_border(image)
    except NoSubjectError:
        return
    assert overlap(found, true) >= LEAST


@pytest.mark.parametrize("name", ["cluttered background", "fills the picture", "no subject"])
def test_what_shows_no_subject_is_refused(name: str) -> None:
    image, _ = draw(next(scene for scene in HARD if scene.name == name))
    with pytest.raises(NoSubjectError, match="the subject cannot be found: .* --mask FILE"):
        cut_from_border(image)


def test_one_even_colour_is_said() -> None:
    with pytest.raises(ValueError, match="the picture is one even colour: no subject was found"):
        make_reference(torch.full((1, 3, 64, 64), 0.7))


def test_a_subject_cut_off_at_the_border_or_small_is_noted() -> None:
    notes = {scene.name: make_reference(draw(scene)[0]).note for scene in PICTURES if "cut off" in scene.name}
    assert all(f"it is {name} of the image" in note for name, note in notes.items()) and notes
    small = make_reference(draw(next(scene for scene in PICTURES if scene.name.startswith("1 %")))[0]).note
    assert "that is small: set recentre" in small


def striped_ball(shadow: bool, specks: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A striped ball on white, above a soft shadow that touches it, and specks; the image and the ball's mask."""
    y, x = torch.meshgrid(*(torch.arange(320) + 0.5,) * 2, indexing="ij")
    image = torch.ones(3, 320, 320)
    if shadow:
        spread = ((x - 160) / 70) ** 2 + ((y - 236) / 14) ** 2
        image = image * (1 - 0.3 * (-spread.square() * 0.7).exp())
    ball = (x - 160) ** 2 + (y - 160) ** 2 < 80**2
    stripes = torch.stack((0.8 + 0 * x, 0.4 + 0.3 * (x / 9).sin(), 0.2 + 0 * x))
    image = torch.where(ball, stripes, image)
    for k in range(specks):
        image[:, 20:24, 40 + 40 * k : 44 + 40 * k] = 0.2
    return image[None], ball[None, None]


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("specks", [0, 1, 3])
def test_a_shadow_and_specks_are_dropped(shadow: bool, specks: int) -> None:
    image, ball = striped_ball(shadow, specks)
    reference = make_reference(image)
    assert overlap(reference.mask, ball) > 0.98
    assert float(reference.mask[:, :, :40].max()) == 0
    if not shadow:
        count = {0: ".", 1: ", without a speck beside it.", 3: ", without 3 specks beside it."}[specks]
        assert reference.note.endswith(f"border's colour{count}")


def test_specks_of_a_mask_from_elsewhere_are_said() -> None:
    image, ball = striped_ball(False, 0)
    mask = ball.float()
    mask[:, :, 20:24, 40:44] = 1
    reference = make_reference(image, mask, mask_marks="subject")
    assert torch.equal(reference.mask, mask) and "beside it is a speck: erase what does not belong" in reference.note
    assert "speck" not in make_reference(image, ball.float(), mask_marks="subject").note
