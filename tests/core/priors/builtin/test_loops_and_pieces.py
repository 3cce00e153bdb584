"""Limbs that touch the body are free, rings stay closed; several things move as wholes; a limbless body spreads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a124core.cameras.rig import reference_camera
from a124core.priors.builtin.motions import MOTION_TABLE, move
from a124core.priors.builtin.puppet.inflate import inflate
from a124core.priors.builtin.puppet.loops import open_loops
from a124core.priors.builtin.puppet.parts import describe_parts, part_skeleton
from a124core.priors.builtin.puppet.pieces import fit_similarity
from a124core.reference.reference import make_reference
from benchmarks.drawings import silhouettes

HAND_ON_HIP = [  # a person whose left hand lies on the hip and whose right arm hangs free
    (0.21, [(0.5, 0.38), (0.5, 0.56)]), (0.08, [(0.5, 0.3), (0.5, 0.22)]), (0.5, 0.18, 0.08, 0.09),
    (0.06, [(0.42, 0.34), (0.22, 0.44), (0.41, 0.6)]), (0.07, [(0.62, 0.36), (0.75, 0.47), (0.8, 0.6)]),
    (0.09, [(0.43, 0.58), (0.41, 0.88)]), (0.09, [(0.57, 0.58), (0.59, 0.88)]),
]
CUP = [(0.34, [(0.42, 0.4), (0.42, 0.66)]), (0.05, [(0.56, 0.36), (0.78, 0.38), (0.78, 0.62), (0.56, 0.64)])]
POINTS = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * 0.2


def test_a_hand_on_a_hip_makes_a_limb() -> None:
    parts = part_skeleton(silhouettes.silhouette(HAND_ON_HIP), reference_camera(), POINTS)
    assert None not in (parts.roles.head, parts.roles.left, parts.roles.right)
    left = parts.joints[parts.roles.left]
    assert left[1] > 0 and left[0] < 0  # the joint is the shoulder, not the hand


@pytest.mark.parametrize("mask", [silhouettes.ring(), silhouettes.silhouette(CUP)], ids=["ring", "cup"])
def test_rings_and_handles_stay_closed(mask: torch.Tensor) -> None:
    parts = part_skeleton(mask, reference_camera(), POINTS)
    assert parts is None or parts.roles.waver is None


def test_a_thin_bow_is_cut_at_its_lower_end() -> None:
    y, x = np.mgrid[:60, :60]
    body = (x - 22) ** 2 / 14**2 + (y - 30) ** 2 / 26**2 < 1
    far = np.hypot(x - 36, y - 30)
    inside = body | ((far < 16) & (far > 11) & (x > 30))
    cut = inside & ~open_loops(inside, np.array([22.0, 30.0]), 14.0)
    assert 4 <= cut.sum() <= 14 and np.argwhere(cut)[:, 0].mean() > 36


def test_a_similarity_is_found_again() -> None:
    rng = torch.Generator().manual_seed(3)
    rest = torch.randn(8, 3, generator=rng)
    rotation = torch.linalg.qr(torch.randn(2, 3, 3, generator=rng))[0]
    rotation *= torch.det(rotation)[:, None, None]
    moved = 0.8 * rest @ rotation.transpose(1, 2) + torch.tensor([1.0, 2.0, 3.0])
    scale, turned, offset = fit_similarity(rest, moved)
    assert (scale - 0.8).abs().max() < 1e-5 and (turned - rotation).abs().max() < 1e-5
    assert (offset - torch.tensor([1.0, 2.0, 3.0])).abs().max() < 1e-5


def test_two_things_move_as_wholes_each_at_its_time() -> None:
    image = 0.2 + 0.6 * torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    mask = silhouettes.silhouette(silhouettes.TWO)
    own = inflate(make_reference(image, mask, mask_marks="subject"))
    pieces = own.skeleton.pieces
    assert len(pieces) == 2 and "2 pieces" in describe_parts(own.skeleton.parts, len(pieces))
    surfels = own.surfels(0.05)
    index, time = pieces.index_of(surfels.points), torch.tensor([0.0, 0.3, 1.0])
    for motion in MOTION_TABLE:
        points = move(motion, surfels, time, own.skeleton).points
        assert (points[[0, 2]] - surfels.points).abs().max() < 1e-4, motion
        for k in range(2):
            rest, moved = torch.pdist(surfels.points[index == k]), torch.pdist(points[1, index == k])
            ratio = (moved / rest)[rest > 0.05]
            assert (ratio - ratio.median()).abs().max() < 1e-3, motion
    jump = move("jump", surfels, torch.tensor([0.3]), own.skeleton).points[0, :, 1] - surfels.points[:, 1]
    assert abs(jump[index == 0].mean() - jump[index == 1].mean()) > 0.01


def test_a_body_without_limbs_walks_unbent_and_flies_with_its_sides() -> None:
    image = 0.2 + 0.6 * torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    own = inflate(make_reference(image, silhouettes.silhouette(silhouettes.BLOB), mask_marks="subject"))
    surfels = own.surfels(0.06)
    rest = torch.pdist(surfels.points)
    walk = move("walk", surfels, torch.tensor([0.12]), own.skeleton).points[0]
    assert (torch.pdist(walk) - rest).abs().max() < 1e-4
    fly = move("fly", surfels, torch.tensor([0.417]), own.skeleton).points[0]
    width = [points[:, 0].max() - points[:, 0].min() for points in (surfels.points, fly)]
    assert width[1] > 1.1 * width[0]
