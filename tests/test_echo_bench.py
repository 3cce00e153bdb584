"""The bench of issue 16: what an echo rests at, what sizes do to weights, and when a row holds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.defaults import RELEASED
from a124core.priors.sds import sds
from a124core.protocols import View
from a124core.stages.presets import preset
from benchmarks.echo_figures import faults
from benchmarks.echo_prior import EchoPrior
from benchmarks.echo_scene import ELEMENTS, bench_settings, bench_weight, parse_setting
from tests.fakes import PixelPrior

SIZE = 16
VIEW = View(make_cameras(0.0, [10.0]), reference_camera(), torch.ones(1), torch.full((3,), 0.25))


@dataclass
class Known(PixelPrior):
    """Answers with one image at time 1, with another at time 0."""

    def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
        return answer(float(view.time)).to(x_t)


def answer(time: float) -> torch.Tensor:
    rows = torch.linspace(0, 1, SIZE)
    return (0.25 + (rows[:, None] - time * rows).abs()).expand(1, 3, SIZE, SIZE)


def pull(prior: EchoPrior, x0: torch.Tensor, sigma: float) -> torch.Tensor:
    """The mean gradient of score distillation: what is left without noise."""
    x0 = x0.clone().requires_grad_(True)
    loss = sds(prior, x0, VIEW, torch.tensor([sigma]), torch.zeros_like(x0))
    return torch.autograd.grad(loss.sum(), x0)[0]


@pytest.mark.parametrize("gain", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("sigma", [0.2, 1.0, 5.0])
def test_an_echo_rests_at_its_gain_whatever_the_noise(gain, sigma):
    prior = EchoPrior(Known(), gain / 100.0, 100.0)
    truth = answer(1.0)
    at_rest = 0.25 + gain * (truth - 0.25)
    assert pull(prior, at_rest, sigma).abs().max() < 1e-5
    assert pull(prior, truth, sigma).abs().max() > 1e-3 or gain == 1.0


def test_a_still_echo_answers_with_the_first_frame():
    prior = EchoPrior(Known(), 1.0, 1.0, still=True)
    assert pull(prior, answer(0.0), 1.0).abs().max() < 1e-5 < pull(prior, answer(1.0), 1.0).abs().max()


def test_an_echo_may_keep_a_share_of_its_condition():
    condition = torch.rand(1, 3, SIZE, SIZE)
    prior, view = EchoPrior(Known(), 1.0, 1.0, condition=0.25), VIEW.with_condition(condition)
    at_rest, sigma = 0.75 * answer(1.0) + 0.25 * condition, torch.tensor([1.0])
    torch.testing.assert_close(prior.denoise(at_rest, sigma, view), at_rest)


def test_scales_without_guidance_are_the_estimates_alone():
    prior = EchoPrior(Known(), 0.01, 100.0)
    x, sigma = torch.rand(1, 3, SIZE, SIZE), torch.tensor([1.0])
    guided, cond, uncond = (prior.with_cfg(scale).denoise(x, sigma, VIEW) for scale in (100.0, 1.0, 0.0))
    torch.testing.assert_close(guided, uncond + 100.0 * (cond - uncond), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("role", list(ELEMENTS))
def test_a_weight_keeps_its_sum(role):
    """The same error in each element weighs as much as it does over the published latents."""
    elements = 3 * (64 if role == "refine" else 32) ** 2
    assert bench_weight(role, RELEASED[role].weight, 32) * elements == pytest.approx(
        RELEASED[role].weight * ELEMENTS[role]
    )


@pytest.mark.parametrize("name", ["demo", "draft", "released", "paper"])
def test_bench_size_keeps_ratios_and_rates(name):
    bench, own = bench_settings(name, 32, 400), preset(name)
    for stage in ("static", "coarse", "fine"):
        cut, full = getattr(bench, stage), getattr(own, stage)
        assert cut.losses == full.losses and cut.optim == full.optim and cut.reference_mode == full.reference_mode
        assert cut.steps <= 400 and cut.render.size == 32
    assert bench.coarse.step_offset == bench.static.steps and bench.coarse.time.frames == 8
    assert bench.coarse.time.start_rate == own.coarse.time.start_rate


def test_a_setting_is_read():
    setting = parse_setting("1.5:video=0.6:pose=8:drift")
    assert (setting.gain, setting.roles, setting.pose, setting.drift) == (1.5, {"video": 0.6}, 8.0, True)
    assert parse_setting("exact").gain is None
    with pytest.raises(SystemExit, match="no colour"):
        parse_setting("1:colour")


def test_a_row_holds_only_with_front_silhouette_and_motion():
    static = {"front_picture": 30.0, "iou": 0.9}
    good = {"front_picture": 29.6, "iou": 0.9, "motion_corr": 0.95, "motion_amplitude": 0.8}
    assert faults(good, static) == []
    assert faults(good | {"front_picture": 29.4}, static) == ["front"]
    assert faults(good | {"iou": 0.89}, static) == ["IoU"]
    assert faults(good | {"motion_amplitude": 0.1}, static) == ["motion"]
    assert faults(good | {"motion_corr": None, "motion_amplitude": None}, static) == []
