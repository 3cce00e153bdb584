"""CD-3D, CD-4D and CD-M on points whose distances are known, and the alignment before them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a124core.evaluation import align as aligning
from a124core.evaluation.align import Transform, align, cube_rotations, rotation_from
from a124core.evaluation.chamfer import chamfer, motion_chamfer, moving_distances


def cloud(count: int = 120) -> np.ndarray:
    """An uneven box of points: none of its turns looks like another."""
    rng = np.random.default_rng(0)
    points = rng.random((count, 3)) * (1.0, 0.6, 0.3) - 0.3
    return np.concatenate((points, rng.random((count // 4, 3)) * 0.15 + (0.6, 0.3, 0.0)))


def moving(step: float = 0.05, frames: int = 4) -> np.ndarray:  # (T, N, 3), each frame a step further along x
    return np.stack([cloud() + (step * k, 0.0, 0.0) for k in range(frames)])


def test_chamfer_by_hand() -> None:
    a, b = np.array([[0.0, 0, 0], [3.0, 0, 0]]), np.array([[0.0, 1.0, 0]])
    assert chamfer(a, b) == pytest.approx(1.0 + (1.0 + 10**0.5) / 2)
    assert chamfer(a, a) == 0.0


def test_a_still_scene_has_the_truths_motion_as_cd_m() -> None:
    truth = moving()
    still = np.repeat(truth[:1], len(truth), axis=0)
    travelled = np.linalg.norm(truth - truth[:1], axis=-1).mean()  # 0, 1, 2 and 3 steps: 1.5 of them
    assert travelled == pytest.approx(1.5 * 0.05)
    assert motion_chamfer(still, truth) == pytest.approx(2 * travelled)  # both ways are added
    assert motion_chamfer(truth, truth) == 0.0


def test_cd_m_sees_points_that_change_places_where_cd_3d_sees_nothing() -> None:
    truth = np.array([[[0.0, 0, 0], [1.0, 0, 0]], [[0.0, 0, 0], [1.0, 0, 0]]])
    swapped = np.stack((truth[0], truth[1, ::-1]))
    distances = moving_distances(list(swapped), swapped, truth, aligned=False)
    assert distances["cd_3d"] == distances["cd_4d"] == 0.0
    assert distances["cd_m"] == pytest.approx(2 * 0.5)  # off by 1 in one of two frames, both ways
    assert moving_distances(list(swapped), None, truth, aligned=False)["cd_m"] is None


def test_a_constant_shift_costs_the_same_in_each_frame() -> None:
    truth = moving()
    distances = moving_distances(list(truth + (0.0, 0.0, 2.0)), truth + (0.0, 0.0, 2.0), truth, aligned=False)
    assert distances["cd_4d_by_time"] == pytest.approx([distances["cd_4d"]] * 4)
    assert distances["cd_m"] == pytest.approx(4.0, abs=0.5)  # some 2 units to the nearest, both ways


def test_the_number_of_frames_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="the result has 3 frames, the truth 4"):
        moving_distances(list(moving()[:3]), None, moving(), aligned=False)


def test_rotations() -> None:
    turns = cube_rotations()
    assert len(turns) == 24 and torch.allclose(torch.linalg.det(turns), torch.ones(24))
    assert len({tuple(turn.flatten().tolist()) for turn in turns}) == 24
    random = rotation_from(torch.randn(5, 6, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(random @ random.mT, torch.eye(3).expand(5, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(random), torch.ones(5))


def test_alignment_finds_a_known_turn_shift_and_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligning, "N_POINTS", 80)
    truth = cloud(70)
    turn = cube_rotations()[7].double().numpy()
    misplaced = Transform(np.array([1.15, 0.9, 1.05]), turn, np.array([0.1, -0.05, 0.08]))(truth)
    assert chamfer(misplaced, truth) > 0.3
    found = align(misplaced, truth, steps=120)
    assert chamfer(found(misplaced), truth) < 0.03


def test_cd_3d_is_aligned_in_each_frame_and_cd_4d_in_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligning, "N_POINTS", 60)
    monkeypatch.setattr("a124core.evaluation.chamfer.align", lambda result, truth: align(result, truth, steps=60))
    truth = moving(0.15, frames=2)
    still = np.repeat(truth[:1], 2, axis=0)
    distances = moving_distances(list(still), still, truth, aligned=True)
    assert distances["cd_3d"] < 0.03 < 0.1 < distances["cd_4d_by_time"][1]
    assert distances["cd_m"] == pytest.approx(0.15, abs=0.03)  # half the frames are 0.15 off, both ways
