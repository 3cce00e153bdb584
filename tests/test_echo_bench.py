"""The bench of issue 16: what an echo rests at, what sizes do to weights, and when a row holds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.defaults import RELEASED
from a124core.priors.sds import sds
from a124core.protocols import View
from a124core.stages.presets import preset
from benchmarks.echo_figures import faults
from benchmarks.echo_prior import EchoPrior
from benchmarks.echo_scene import ELEMENTS, bench_numbers, bench_settings, bench_weight, parse_setting
from benchmarks.scores import SCORES, Query
from tests.fakes import PixelPrior

ROOT = Path(__file__).resolve().parents[1]
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


def test_draft_repairs_on_the_bench_as_strongly_as_with_its_own_size():
    """Its weight of 4 is of a quarter of the latents that released's 1 is of."""
    draft, released = (bench_numbers("refine", name, 32, True).weight for name in ("draft", "released"))
    assert draft == released > 0


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


# Other scores, on bare pixels


def query(prior: EchoPrior, x0: torch.Tensor, timestep: int = 500) -> Query:
    """Without noise: what is left of it in the mean."""
    return Query(prior, x0, VIEW, timestep, torch.zeros_like(x0))


@pytest.mark.parametrize("gain", [0.5, 1.0])
def test_targets_of_several_steps_rest_where_those_of_one_do(gain):
    prior = EchoPrior(Known(), gain / 100.0, 100.0)
    truth, at_rest = answer(1.0), 0.25 + gain * (answer(1.0) - 0.25)
    assert SCORES["several-steps"](query(prior, at_rest)).abs().max() < 1e-4
    assert gain == 1.0 or SCORES["several-steps"](query(prior, truth)).abs().max() > 0.05


@pytest.mark.parametrize("name", ["csd", "nfsd"])
def test_what_the_condition_adds_does_not_hear_what_is_there(name):
    """So nothing rests: the same pull on an empty image, on the truth and beyond it."""
    prior = EchoPrior(Known(), 0.01, 100.0)
    pulls = [SCORES[name](query(prior, 0.25 + c * (answer(1.0) - 0.25))) for c in (0.0, 1.0, 2.0)]
    torch.testing.assert_close(pulls[0], pulls[1], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(pulls[0], pulls[2], atol=1e-4, rtol=1e-3)
    assert float((pulls[0] * (answer(1.0) - 0.25)).sum()) < 0  # downhill is towards the truth


def test_little_noise_counts_as_what_the_prior_knows_without_a_condition():
    prior = EchoPrior(Known(), 0.01, 100.0)
    few, many = (query(prior, answer(1.0), timestep) for timestep in (100, 300))
    added = SCORES["nfsd"](few) - SCORES["csd"](few)
    torch.testing.assert_close(added, few.noised - few.answer(few.noised, 100, 0.0), atol=1e-5, rtol=1e-3)
    assert torch.equal(SCORES["nfsd"](many), SCORES["csd"](many))


def test_inverted_noise_is_deterministic_and_pulls_towards_the_condition():
    """An interval of a prior that hears nothing is next to no pull."""
    empty = torch.full((1, 3, SIZE, SIZE), 0.25)
    hearing, deaf = (SCORES["ism"](query(EchoPrior(Known(), heard, 100.0), empty)) for heard in (0.01, 0.0))
    assert deaf.abs().max() < 1e-5 < 1e-2 < hearing.abs().max()
    assert float((hearing * (answer(1.0) - 0.25)).sum()) < 0


def test_rescaling_changes_nothing_at_the_conditional_estimate():
    x0 = torch.rand(1, 3, SIZE, SIZE)
    for cfg, same in ((1.0, True), (10.0, False)):
        asked = query(EchoPrior(Known(), 0.5, cfg), x0)
        plain = x0 - asked.answer(asked.noised, asked.timestep)
        assert torch.allclose(SCORES["rescaled"](asked), plain, atol=1e-4) == same


@pytest.mark.slow
def test_the_whole_bench_is_one_command_that_ends_with_its_minutes(tmp_path):
    command = [sys.executable, "-m", "benchmarks.echo", "--presets", "demo", "--settings", "1.0", "--steps", "2",
               "--stages", "coarse", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    control, field = done.stdout.split("\n\n")[:2]
    assert "| robot sway | demo | 1.0 | - | 21." in control and field.count("| robot sway | demo | 1.0 | - |") == 2
    assert re.search(r"0 of 1 moving stages hold\. \d+ minutes, 1 rows at a time\.", done.stdout)
    record = json.loads((tmp_path / "echo.json").read_text(encoding="utf-8"))
    assert [row["stage"] for row in record["rows"]] == ["static", "coarse"] and record["minutes"] > 0
    assert (tmp_path / "robot-sway_demo_1.0.png").is_file()


def test_scores_need_bare_pixels(tmp_path):
    command = [sys.executable, "-m", "benchmarks.echo", "--variants", "csd", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "csd: these need --no-field" in done.stderr
