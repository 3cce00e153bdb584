"""What leans and is alike on both sides of its axis moves as one piece; everything else bends."""

import pytest
import torch

from a124core.priors.builtin.motions import MOTION_TABLE, move
from a124core.priors.builtin.puppet.inflate import inflate
from a124core.priors.builtin.puppet.stiffness import is_stiff
from a124core.priors.builtin.subject import Subject
from a124core.reference.reference import make_reference
from benchmarks.drawings import TUNED_ON, silhouettes

LUTE = [(0.3, 0.7, 0.14, 0.14), (0.42, 0.58, 0.1, 0.1), (0.05, [(0.42, 0.58), (0.8, 0.2)])]
FLOWER = [(0.04, [(0.5, 0.9), (0.5, 0.3)]), (0.5, 0.25, 0.12, 0.12)]


@pytest.mark.parametrize(("strokes", "expected"), [
    (LUTE, True), (silhouettes.PENCIL, True), (FLOWER, False), (silhouettes.CAR, False), (silhouettes.DOG, False),
    (silhouettes.PERSON, False), (silhouettes.BLOB, False), ([], False),
])
def test_leaning_symmetric_things_are_stiff(strokes: list, expected: bool) -> None:
    assert is_stiff(silhouettes.silhouette(strokes)) == expected


def test_a_drawn_guitar_is_stiff_and_a_cactus_is_not() -> None:
    assert is_stiff(TUNED_ON["guitar"].reference().mask) and not is_stiff(TUNED_ON["cactus"].reference().mask)


def subject(strokes: list) -> Subject:
    image = torch.full((1, 3, 256, 256), 0.5)
    return inflate(make_reference(image, silhouettes.silhouette(strokes), mask_marks="subject"))


@pytest.mark.parametrize("motion", [name for name in MOTION_TABLE if name not in ("jump", "bounce", "squash", "dance")])
def test_no_motion_bends_a_stiff_thing(motion: str) -> None:
    own = subject(LUTE)
    surfels = own.surfels(0.06)
    moved = move(motion, surfels, torch.tensor([0.3]), own.skeleton).points[0]
    assert (torch.pdist(moved) - torch.pdist(surfels.points)).abs().max() < 1e-4
    assert (moved - surfels.points).norm(dim=1).max() > 0.01


def test_sway_bends_a_flower() -> None:
    own = subject(FLOWER)
    surfels = own.surfels(0.06)
    moved = move("sway", surfels, torch.tensor([0.3]), own.skeleton).points[0]
    assert (torch.pdist(moved) - torch.pdist(surfels.points)).abs().max() > 0.01
