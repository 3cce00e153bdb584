"""An image carried along with a motion that a blurred, faded one shows."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.evaluation.metrics import colour_error, psnr_inside
from a124core.losses import blur, gaussian_kernel
from a124core.priors.builtin import make_priors
from a124core.priors.carried import TRUST, affine_move, carried

SIDE = 96


@pytest.fixture(scope="module")
def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The swaying robot from all sides: at time 0, at others, and its mask there."""
    truth = make_priors(None, "a robot sways", image_size=16).truth
    cameras = make_cameras([15.0, 40.0, 0.0, 25.0, -10.0, 60.0], [20.0, 75.0, 130.0, 180.0, -120.0, -50.0])
    moved, mask = truth.render(cameras, torch.tensor([0.1, 0.3, 0.5, 0.7, 0.85, 1.0]), SIDE, (0.3, 0.7, 0.6))
    return truth.render(cameras, torch.zeros(6), SIDE, (0.3, 0.7, 0.6))[0], moved, mask


def test_the_detail_of_the_source_improves_a_blurred_condition(scene: tuple[torch.Tensor, ...]) -> None:
    source, moved, mask = scene
    condition = 0.9 * blur(moved, gaussian_kernel(9, 2.0)) + 0.1 * moved.mean((2, 3), keepdim=True)
    result = carried(source, condition)
    after, before = (psnr_inside(image, moved, mask).mean() for image in (result, condition))
    assert after > before + 1.8
    assert colour_error(result, moved, mask).mean() < 0.95 * colour_error(condition, moved, mask).mean()


def test_what_is_carried_lies_where_the_condition_shows_it(scene: tuple[torch.Tensor, ...]) -> None:
    """Without the condition's share, which lies there anyway; sway is periodic, so two of the times are at rest."""
    source, moved, mask = scene
    condition = 0.9 * blur(moved, gaussian_kernel(9, 2.0)) + 0.1 * moved.mean((2, 3), keepdim=True)
    alone = (carried(source, condition) - (1.0 - TRUST) * condition) / TRUST
    moves = (moved - source).abs().mean((1, 2, 3)) > 1e-3
    after, still = (psnr_inside(image, moved, mask)[moves] for image in (alone, source))
    assert int(moves.sum()) == 4
    assert (after > still + 2.3).all() and (after - still).mean() > 3.8


def test_a_move_of_the_whole_is_found(scene: tuple[torch.Tensor, ...]) -> None:
    source = scene[0][:1]
    theta = torch.tensor([[[0.98, -0.15, 0.06], [0.15, 0.98, -0.05]]])
    grid = torch.nn.functional.affine_grid(theta, [1, 3, SIDE, SIDE], align_corners=False)
    turned = torch.nn.functional.grid_sample(source, grid, padding_mode="border", align_corners=False)
    assert (affine_move(source, turned) - theta).abs().max() < 0.06


def test_what_stands_still_or_shows_nothing_stays(scene: tuple[torch.Tensor, ...]) -> None:
    source = scene[0]
    assert (carried(source, source) - source).abs().max() < 0.02
    empty = torch.full_like(source, 0.5)
    assert (carried(empty, empty) - empty).abs().max() < 1e-5
