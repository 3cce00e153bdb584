"""Response curves of exact, echoing and random priors, and what is said about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from a124core.prior_check.check import N_QUERIES, PriorCheck, check_priors
from a124core.prior_check.curve import CONTRASTS, LEVELS, ResponseCurve, noise_draws, rest
from a124core.prior_check.curve_advice import calibrate_curve, colour_warning, curve_notes, curve_warning
from a124core.prior_check.probe import Probe
from a124core.prior_check.respond import N_CURVE_QUERIES, curve_input, measure_curve, queried_scales
from a124core.prior_check.views import ProbeViews
from a124core.priors.defaults import RoleDefaults
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.diffusers.roles import RoleRequest, folder_guidance
from a124core.protocols import Guidance, Guidances, Prior, View
from a124core.reference.reference import Reference, make_reference
from benchmarks.echo_prior import EchoPrior
from tests.core import misfits as wrong
from tests.core.prior_check.discs import EXACT, SIZE, DiscPrior, disc, disc_views
from tests.tiny_folders import PROMPT, image


@dataclass(frozen=True)
class Rescaled(EchoPrior):
    """Guidance whose contrast is not linear in cfg, as with the patch RescaleCFG."""

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return replace(self, cfg=10.0 * float(np.log1p(self.cfg))).denoise_linear(x_t, sigma, view)

    def denoise_linear(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return super().denoise(x_t, sigma, view)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(*disc(1), mask_marks="subject")


def check(reference: Reference, role: str, prior: Prior, **numbers: float) -> PriorCheck:
    views = disc_views(reference)
    guidance = Guidance(prior, **{"weight": 1.0, "t_min": 0.02, "t_max": 0.98} | numbers)
    return check_priors(Guidances(**{role: guidance}), views, curve=True)


def curve_sentences(result: PriorCheck) -> str:
    return " ".join(s for s in result.warnings if "rests at" in s)


@pytest.mark.parametrize("role", ["image", "video", "refine"])
def test_an_exact_prior_holds_full_contrast_at_every_noise(reference: Reference, role: str) -> None:
    result = check(reference, role, EXACT[role])
    assert result.curves[role].response == pytest.approx(1.0, abs=1e-5)
    assert f"The {role} guidance is exact: it asks for its own answer at every noise." in result.notes
    assert curve_sentences(result) == "" and result.figures[role]["rest"] == pytest.approx(1.0)
    assert result.figures[role]["mends blur"] == pytest.approx(1.0)


@pytest.mark.parametrize(("heard", "cfg", "error"), [(0.02, 7.5, 0.0), (0.1, 2.0, 0.0), (0.02, 101.0, 0.0),
                                                      (0.1, 3.0, 0.3), (0.05, 1.0, 0.0)])
@pytest.mark.parametrize("role", ["image", "video"])
def test_an_echo_rests_where_it_must_and_the_recommended_cfg_is_right(
    reference: Reference, role: str, heard: float, cfg: float, error: float
) -> None:
    """Score distillation with an echo rests at cfg heard, whatever the noise, and at 1 with cfg 1 / heard."""
    torch.manual_seed(0)
    prior = EchoPrior(EXACT[role], heard, cfg, error=error)
    result = check(reference, role, prior)
    curve, guidance = result.curves[role], Guidance(prior, 1.0, 0.02, 0.98)
    assert curve.joint_rest(cfg, noise_draws(guidance)) == pytest.approx(cfg * heard, abs=0.1)
    best = calibrate_curve(curve, guidance, role)
    assert best.cfg == pytest.approx(1.0 / heard, rel=0.2)
    if not error:
        assert curve.rests(cfg) == pytest.approx([cfg * heard] * len(LEVELS), abs=0.02)
    said = curve_sentences(result)
    assert ("fades the scene" if cfg * heard < 1.0 else "over-saturates") in said
    assert f"At cfg {cfg:g} the {role}" in said
    calibrated = check(reference, role, best.apply(guidance).prior)
    assert curve_sentences(calibrated) == "" and calibrated.figures[role]["rest"] == pytest.approx(1.0, abs=0.1)


def test_another_cfg_follows_from_two(reference: Reference) -> None:
    prior = EchoPrior(EXACT["video"], 0.02, 7.5)
    curve = check(reference, "video", prior).curves["video"]
    other = check(reference, "video", prior.with_cfg(40.0)).curves["video"]
    assert curve.scales == (1.0, 7.5) and other.scales == (1.0, 40.0)
    assert curve.at(40.0) == pytest.approx(other.at(40.0), abs=1e-3)
    assert curve.contrasts == pytest.approx(CONTRASTS, abs=1e-5)
    assert queried_scales(None) == (1.0,) and queried_scales(1.0) == (2.0, 1.0)


def test_a_cfg_that_a_patch_bends_is_not_extrapolated(reference: Reference) -> None:
    result = check(reference, "video", Rescaled(EXACT["video"], 0.03, 7.5))
    assert not result.curves["video"].linear and "RescaleCFG" in result.report
    assert "Raise its cfg." in curve_sentences(result) and len(result.cfgs["video"]) == 1


def test_a_prior_without_cfg_has_one_curve(reference: Reference) -> None:
    class Fixed(wrong.Misfit):
        exact = False

    echo = EchoPrior(EXACT["image"], 0.1, 2.0)
    result = check(reference, "image", Fixed(echo, wrong.correct))
    assert result.curves["image"].scales == (1.0,) and result.curves["image"].response.shape == (1, len(LEVELS), 3)
    assert "no cfg that could be changed" in curve_sentences(result)
    assert calibrate_curve(result.curves["image"], Guidance(echo, 1.0, 0.02, 0.98), "image") is None


def line_curve(a: list[float], b: list[float], gain: float = 0.0, **options: object) -> ResponseCurve:
    """A curve g = a + b c at cfg 10, and lower by `gain` a unit of cfg below it."""
    c = np.array(CONTRASTS)
    own = np.array(a)[:, None] + np.array(b)[:, None] * c
    return ResponseCurve(c, (1.0, 10.0), np.stack([own - 9.0 * gain, own]), **options)


def test_no_cfg_helps_where_guidance_has_no_contrast() -> None:
    """As of a set whose unconditional knows the same scenes: more cfg turns the guess, and does not strengthen it."""
    guidance = Guidance(DiscPrior(), 1.0, 0.02, 0.98)
    curve = line_curve([0.1] * 5, [0.5] * 5, gain=-0.01)
    assert calibrate_curve(curve, guidance, "video") is None
    assert "No cfg from 2 to 300 mends it" in curve_warning("video", curve, guidance)


def test_a_noise_level_that_contradicts_the_others_is_left_out() -> None:
    """At low noise this prior asks for nothing at all, at the others for the true contrast at cfg 20."""
    guidance = Guidance(DiscPrior(), 1.0, 0.02, 0.98)
    curve = line_curve([-0.3, 0.25, 0.25, 0.25, 0.25], [0.5] * 5, gain=0.025)
    best = calibrate_curve(curve, guidance, "video")
    assert (best.t_min, best.t_max) == (0.2, 0.98) and best.cfg == pytest.approx(20.0, rel=0.1)
    assert curve_warning("video", curve, guidance).endswith("and t_min 0.2.")
    annealed = replace(guidance, t_max_end=0.1)
    assert best.apply(replace(annealed, prior=EchoPrior(DiscPrior(), 0.1, 2.0))).t_max_end == 0.2


def test_nothing_is_recommended_where_every_noise_level_contradicts_its_neighbour() -> None:
    """As of a set of too few steps: it rests at the truth on average, with levels at half and at twice its contrast."""
    guidance = Guidance(DiscPrior(), 1.0, 0.02, 0.98)
    curve = line_curve([-0.3, 0.8, -0.3, 0.8, -0.3], [0.5] * 5, gain=0.025)
    assert curve.cfg_for(1.0, noise_draws(guidance)) is not None
    assert calibrate_curve(curve, guidance, "video") is None


def test_rest_is_where_the_pull_vanishes() -> None:
    assert rest(0.25, 0.5) == 0.5 and rest(-0.1, 0.5) == 0.0
    assert rest(0.1, -0.2) == float("inf") and rest(-0.1, 0.0) == 0.0
    runaway = line_curve([0.3] * 5, [1.2] * 5)
    assert "grows without end" in curve_warning("image", runaway, Guidance(DiscPrior(), 1.0, 0.02, 0.98))


def test_noise_draws_weigh_as_score_distillation_does() -> None:
    guidance = Guidance(DiscPrior(), 1.0, 0.2, 0.6)
    draws = noise_draws(guidance)
    sigma = torch.from_numpy(np.interp(draws.level * 1000, np.arange(1000), DiscPrior.sigmas.numpy()))
    assert draws.weight == pytest.approx((sigma / (1 + sigma**2)).numpy(), rel=0.01)
    assert noise_draws(replace(guidance, form="clean")).weight == pytest.approx(1.0)
    annealed = noise_draws(replace(guidance, t_max_end=0.2)).level
    assert (draws.level.min(), draws.level.max()) == (0.2, 0.6) and annealed.mean() < draws.level.mean()


def test_an_exact_prior_of_another_scene_and_a_refine_prior_that_drifts_are_named() -> None:
    guidance = Guidance(DiscPrior(), 1.0, 0.02, 0.98)
    faded = line_curve([0.5] * 5, [0.0] * 5, exact=True)
    assert curve_notes("view", faded, guidance)[0].endswith("knows another one.")
    assert curve_notes("video", faded, guidance)[0].endswith("another one, or this one in motion or in other colours.")
    drifting = line_curve([0.5] * 5, [0.5] * 5, restored={"colours": -0.1})
    assert "further off" in colour_warning("refine", drifting) and colour_warning("video", drifting) is None
    assert "mends -10 % of wrong colours" in curve_notes("refine", drifting, guidance)[-1]


def test_the_plot_has_a_panel_for_each_cfg_and_progress_counts_the_queries(reference: Reference) -> None:
    calls: list[tuple] = []
    views = disc_views(reference)
    guidance = Guidance(EchoPrior(EXACT["video"], 0.02, 7.5), 1.0, 0.02, 0.98)
    result = check_priors(Guidances(video=guidance), views, curve=True, on_progress=lambda *c: calls.append(c))
    plot, total = result.curve_plot(), N_QUERIES + N_CURVE_QUERIES
    assert plot.shape[:2] == (1, 3) and plot.shape[3] > 1.8 * plot.shape[2] and plot.std() > 0.05
    assert calls[0][:2] == (0, total) and total - 10 <= calls[-1][0] <= total
    plain = check_priors(Guidances(video=guidance), views)
    assert not plain.curves and plain.warnings == [s for s in result.warnings if "rests at" not in s]
    assert torch.equal(plain.sheet(), result.sheet()) and plain.curve_plot().shape[:2] == (1, 3)


def test_a_front_alone_says_so_last_for_a_node_has_four_lines(reference: Reference) -> None:
    guidance = Guidance(EchoPrior(EXACT["video"], 0.02, 7.5), 1.0, 0.02, 0.98)
    result = check_priors(Guidances(video=guidance), ProbeViews(reference, None, SIZE), curve=True)
    assert "rests at" in result.report.splitlines()[0] and "Only the reference" in result.report.splitlines()[-1]


def test_an_empty_scene_has_no_curve(reference: Reference) -> None:
    white = ProbeViews(None, lambda cameras, time, size: (torch.ones(len(time), 3, size, size),
                                                         torch.zeros(len(time), 1, size, size)), SIZE)
    result = check_priors(Guidances(image=Guidance(DiscPrior(), 1.0, 0.02, 0.98)), white, curve=True)
    assert result.curves == {} and "field is empty" in result.report


def test_a_network_in_a_folder_is_measured(reference: Reference, tmp_path: Path) -> None:
    """Random weights are no denoiser, so the check would stop before: the curve itself must run and be finite."""
    numbers = RoleDefaults(7.5, weight=1.0, t_min=0.02, t_max=0.98, size=SIZE)
    guidance = folder_guidance(RoleRequest("image", image(tmp_path / "sd"), PROMPT, numbers), OffloadPolicy())
    calls: list[int] = []
    probe = Probe("image", guidance, torch.device("cpu"), 0, lambda: calls.append(1))
    items = list(ProbeViews(reference, None, SIZE).inputs("image", None))
    curve = measure_curve(probe, curve_input(items, "image"))
    assert np.isfinite(curve.response).all() and curve.linear and len(calls) == N_CURVE_QUERIES
    assert curve.scales == (1.0, 7.5) and guidance.prior.cfg == 7.5
