"""Guidances that request it get the cfg and the noise range with which the scene keeps its contrast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from a124core.prior_check.calibrate import calibrate, scene_views
from a124core.prior_check.respond import N_CURVE_QUERIES
from a124core.priors.checked import PriorMemoryError
from a124core.protocols import Guidance, Guidances, ModelPrior
from benchmarks.echo_prior import EchoPrior
from tests.core.prior_check.discs import EXACT, disc_views

VIEWS = disc_views(None)


def guidance(prior: object, **options: object) -> Guidance:
    return Guidance(prior, **{"weight": 2.0, "t_min": 0.02, "t_max": 0.98, "calibrate": True} | options)


@pytest.mark.parametrize(("role", "heard", "cfg"), [("video", 0.02, 7.5), ("image", 0.02, 101.0), ("view", 0.1, 3.0)])
def test_an_echo_gets_the_cfg_with_which_it_rests_at_the_truth(role: str, heard: float, cfg: float) -> None:
    before = guidance(EchoPrior(EXACT[role], heard, cfg), t_max_end=0.5)
    chosen = calibrate(Guidances(**{role: before}), VIEWS)
    after = getattr(chosen.apply(Guidances(**{role: before})), role)
    assert after.prior.cfg == pytest.approx(1.0 / heard, rel=0.2) and before.prior.cfg == cfg
    assert replace(after, prior=before.prior) == before  # no noise level contradicts, so the range stays
    assert chosen.notes == [
        f"The {role} guidance is calibrated: cfg {after.prior.cfg:g} in place of {cfg:g}, noise 0.02 to 0.98, so that "
        "it keeps the contrast of the scene."
    ]


def test_exact_ones_and_those_that_do_not_request_it_are_left_alone() -> None:
    guidances = Guidances(image=guidance(EXACT["image"]), video=guidance(EchoPrior(EXACT["video"], 0.1, 2.0),
                                                                        calibrate=False))
    chosen = calibrate(guidances, VIEWS)
    assert chosen.apply(guidances) == guidances
    assert chosen.notes == ["The image guidance is exact, so calibrate leaves it as it is."]


def test_a_prior_that_no_cfg_mends_keeps_its_own() -> None:
    """An echo that hears nothing."""
    guidances = Guidances(video=guidance(EchoPrior(EXACT["video"], 0.0, 7.5)))
    chosen = calibrate(guidances, VIEWS)
    assert chosen.by_role == {} and "no cfg from 2 to 300" in chosen.notes[0] and "stays 7.5" in chosen.notes[0]


def test_progress_counts_the_queries_and_the_same_seed_chooses_the_same() -> None:
    calls: list[tuple] = []
    guidances = Guidances(video=guidance(EchoPrior(EXACT["video"], 0.03, 7.5)))
    first = calibrate(guidances, VIEWS, on_progress=lambda *call: calls.append(call))
    assert [call[0] for call in calls] == list(range(N_CURVE_QUERIES))
    assert calls[0][1:] == (N_CURVE_QUERIES, "calibrating the video guidance")
    assert calibrate(guidances, VIEWS).by_role == first.by_role


def test_without_a_scene_the_cfg_stays() -> None:
    """As a static stage from a sentence alone."""
    guidances = Guidances(image=guidance(EchoPrior(EXACT["image"], 0.02, 101.0)))
    chosen = calibrate(guidances, scene_views(None, None, 64, "cpu"))
    assert chosen.apply(guidances) == guidances
    assert chosen.notes[0].startswith("Not calibrated: calibrate needs a reference") and "101" in chosen.notes[0]


def test_a_prior_that_fails_is_named_as_in_a_stage() -> None:
    class Failing(EchoPrior):
        def denoise(self, *args: object) -> object:
            raise MemoryError("30 GB")

    with pytest.raises(PriorMemoryError, match=r"the video prior \(Failing\) is out of memory"):
        calibrate(Guidances(video=guidance(Failing(EXACT["video"], 0.03, 7.5))), VIEWS)


@dataclass(frozen=True)
class OpenedPrior(EchoPrior, ModelPrior):
    """As one over a host's model: what the first query opens is shared with later copies, and not with earlier ones."""

    state: tuple = ()

    def denoise(self, *args: object) -> object:
        if not self.state:
            object.__setattr__(self, "state", (self.cfg,))
        return super().denoise(*args)


def test_the_prior_itself_is_opened_first_so_that_closing_it_closes_all() -> None:
    prior = OpenedPrior(EXACT["video"], 0.03, 7.5)
    calibrate(Guidances(video=guidance(prior)), VIEWS)
    assert prior.state == (7.5,)
