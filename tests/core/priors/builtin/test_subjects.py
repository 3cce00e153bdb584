"""Subjects: size in the picture, drift, solidity, fronts that differ from backs."""

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.priors.builtin import SUBJECTS, example_image
from a124core.priors.builtin.scenes import STILL, Look, draw, subject_named

AROUND = make_cameras([0.0, 0.0, 0.0, 0.0, 36.0, -18.0], [0.0, 90.0, 180.0, 270.0, 40.0, 200.0])


def still(name, palette="reference", size=48):
    return draw(Look(subject_named(name), palette, STILL), AROUND, torch.zeros(len(AROUND)), size)


@pytest.mark.parametrize("name", SUBJECTS)
def test_fills_15_to_35_percent(name):
    assert 0.15 <= float(still(name)[0, 3].mean()) <= 0.35


@pytest.mark.parametrize("name", SUBJECTS)
def test_drift_is_fixed_between_10_and_16_percent(name):
    a, b = still(name), still(name, "drifted")
    inside = a[:, 3:] == 1
    change = ((a - b)[:, :3].abs() * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3)) / 3
    assert 0.10 <= float(change[0]) <= 0.16  # the reference view
    assert 0.10 <= float(change.mean()) <= 0.16
    assert torch.equal(a[:, 3], b[:, 3])


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_speckles(name):
    """No pixel far clearer than all of its four neighbours: the outline is solid."""
    alpha = torch.nn.functional.pad(still(name, size=96)[:, 3], (1, 1, 1, 1))
    sides = torch.stack((alpha[:, :-2, 1:-1], alpha[:, 2:, 1:-1], alpha[:, 1:-1, :-2], alpha[:, 1:-1, 2:])).amin(0)
    assert (sides - alpha[:, 1:-1, 1:-1]).max() < 0.5


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_back_is_not_the_front(name):
    pictures = still(name)
    front, back = pictures[0], pictures[2].flip(-1)
    both = (front[3] == 1) & (back[3] == 1)
    assert (front[:3] - back[:3]).abs().mean(0)[both].mean() > 0.03


def test_example_picture_is_the_reference_view():
    image, mask = example_image("duck", 64)
    assert image.shape == (1, 3, 64, 64) and mask.shape == (1, 1, 64, 64)
    assert image.min() >= 0 and image.max() <= 1
    layers = draw(Look(subject_named("duck"), "reference", STILL), make_cameras(0.0, 0.0), torch.zeros(1), 64)
    assert torch.allclose(image * mask, layers[:, :3], atol=1e-5)


def test_an_unknown_subject_names_the_known_ones():
    with pytest.raises(ValueError, match="snowman"):
        example_image("unicorn")
