"""Evaluation, with discs rendered by a formula as truth and as results."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import angle_between, reference_camera
from a124core.evaluation import evaluate as evaluation
from a124core.evaluation.evaluate import Renderer, build_eval_set, evaluate, heldout_cameras, static_baseline
from a124core.priors.builtin.bank import camera_lattice
from a124core.protocols import Cameras


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "LARGE", 64)


def disc(colour: tuple[float, float, float] = (0.8, 0.3, 0.2), rise: float = 0.4, radius: float = 0.4) -> Renderer:
    """A disc that goes up by `rise` of half the picture, and turns a bright side with the azimuth."""

    def render(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        axis = (torch.arange(size) + 0.5) * 2 / size - 1
        y, x = torch.meshgrid(-axis, axis, indexing="ij")
        up = (rise * torch.sin(3.0 * time)).view(-1, 1, 1)
        mask = (((x**2 + (y - up) ** 2) < radius**2).float())[:, None]
        shade = (0.8 + 0.2 * torch.cos(torch.deg2rad(cameras.azimuth))).view(-1, 1, 1, 1)
        front = torch.tensor(colour).view(1, 3, 1, 1) * shade
        return front * mask + 1 - mask, mask

    return render


@pytest.fixture(scope="module")
def eval_set() -> evaluation.EvalSet:
    return build_eval_set(disc(), reference_camera(), camera_lattice(reference_camera()), 32, 48)


def test_heldout_cameras_stay_away_from_training() -> None:
    for reference in (reference_camera(), reference_camera(10.0, 30.0, 2.0, 45.0)):
        trained = camera_lattice(reference)
        cameras = heldout_cameras(reference, trained)
        assert len(cameras) == 8
        gaps = torch.stack([angle_between(cameras, trained[k : k + 1]) for k in range(len(trained))]).amin(0)
        assert gaps.min() > 7.0  # degrees; the lattice's own cameras are about 20 apart
        apart = torch.stack([angle_between(cameras, cameras[k : k + 1]) for k in range(8)]) + 360 * torch.eye(8)
        assert apart.min() > 30.0
        assert angle_between(cameras, reference).max() > 120.0  # the back is covered
        assert torch.equal(cameras.azimuth, heldout_cameras(reference, trained).azimuth)  # fixed
        assert (cameras.radius == reference.radius).all() and (cameras.fovy == reference.fovy).all()


def test_the_truth_passes(eval_set: evaluation.EvalSet) -> None:
    metrics = evaluate(disc(), eval_set)
    best = {"psnr_heldout": 100, "psnr_heldout_256": 100, "psnr_object": 100, "psnr_reference": 100, "iou": 1,
            "colour_error": 0, "motion_corr": 1, "motion_amplitude": 1, "detail": 1, "detail_correlation": 1,
            "saturation": 1, "psnr_object_worst": 100, "psnr_object_time_0": 100, "psnr_object_time_7": 100}
    assert {name: round(metrics[name], 3) for name in best} == best


def test_each_fault_shows_in_its_own_metric(eval_set: evaluation.EvalSet) -> None:
    truth = evaluate(disc(), eval_set)
    colour = evaluate(disc(colour=(0.7, 0.4, 0.3)), eval_set)
    assert 0.07 < colour["colour_error"] < 0.11 and colour["iou"] == 1 and colour["motion_corr"] > 0.999
    assert colour["saturation"] < 0.9
    slow = evaluate(disc(rise=0.2), eval_set)
    assert slow["motion_corr"] > 0.99 and slow["motion_amplitude"] == pytest.approx(0.5, abs=0.03)
    still = evaluate(static_baseline(disc()), eval_set)
    assert still["motion_amplitude"] == 0 and still["psnr_first"] == truth["psnr_first"] and still["psnr_heldout"] < 25


def test_a_bad_moment_shows_at_its_time(eval_set: evaluation.EvalSet) -> None:
    def faded(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        image, mask = disc()(cameras, time, size)
        bad = ((time * 7).round() == 3).view(-1, 1, 1, 1)
        return torch.where(bad, image * 0.9 + 0.1 * (1 - mask), image), mask

    figures = evaluate(faded, eval_set)
    curve = evaluation.object_by_time(figures)
    assert len(curve) == 8
    assert figures["psnr_object_worst"] == curve[3] < 40 and sorted(curve)[1] > 99 < figures["psnr_object_best"]
    assert figures["psnr_object"] == pytest.approx(sum(curve) / 8, abs=1e-3)


def test_a_still_truth_has_no_path() -> None:
    eval_set = build_eval_set(disc(rise=0.0), reference_camera(), None, 24, 24)
    metrics = evaluate(disc(), eval_set)
    assert metrics["motion_corr"] is None and metrics["motion_amplitude"] is None


def test_every_camera_and_time_is_evaluated(eval_set: evaluation.EvalSet) -> None:
    assert len(eval_set.heldout.cameras) == 64
    assert eval_set.heldout.time.unique().tolist() == pytest.approx([k / 7 for k in range(8)])
    large = eval_set.large
    assert len(large.cameras) == 16 and large.time.unique().numel() == 8
    assert len(torch.stack((large.cameras.azimuth, large.cameras.elevation)).unique(dim=1).T) == 8
