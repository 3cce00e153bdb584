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
