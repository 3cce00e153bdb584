"""Priors that misbehave and fields that are lost: what is said, what is kept, and how a stage goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from a124core.priors.checked import BROKEN_SHARE, PATIENCE, PriorError, PriorMemoryError
from a124core.protocols import FieldLostError, Guidances, Prior, Step, View
from a124core.runs.monitor import Intervals, RunMonitor
from a124core.runs.store import RunStore
from a124core.stages import loop
from a124core.stages.config import OptimConfig
from a124core.stages.health import CHECK_EVERY, LARGEST
from a124core.stages.snapshot import Snapshot
from a124core.utils.device import is_out_of_memory
from tests.core.stages.ball import FIELD, STATIC, VIEWS, Ball, viewed_by
from tests.stage_runs import run_stage

NOTICED = 50  # steps within which a lost field is noticed: the promise
Answer = Callable[[Tensor], object]  # the right answer -> the one that is given


class Foreign(Ball):
    """Another pack's prior, which answers rightly until `right` answers are given."""

    def __init__(self, answer: Answer, right: int = 2) -> None:
        super().__init__()
        self.answer, self.left = answer, right

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> object:
        self.left -= 1
        correct = super().denoise(x_t, sigma, view)
        return correct if self.left >= 0 else self.answer(correct)


class WronglyEncoded(Ball):
    """Another pack's prior with an encoder of its own."""

    def __init__(self, encode: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.encode_fn = encode

    def encode(self, image: Tensor) -> object:
        return self.encode_fn(image)


def raising(error: BaseException) -> Answer:
    def answer(correct: Tensor) -> Tensor:
        raise error

    return answer


def one_good_number(correct: Tensor) -> Tensor:
    broken = torch.full(correct.shape, torch.nan)
    broken.view(-1)[5] = 0.5
    return broken


class Screen:
    """A front end that remembers what it was told."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.steps: list[int] = []

    def on_step(self, step: Step) -> None:
        self.steps.append(step.step)

    def on_preview(self, step: Step) -> None:
        pass

    def on_problem(self, message: str) -> None:
        self.problems.append(message)


def watched_run(prior: Prior, store: RunStore, steps: int = 60, **config: object) -> Screen:
    """A static stage as front ends run it; what it raises is in `error` of the screen."""
    screen = Screen()
    monitor = RunMonitor(screen, lambda step: store.save(step.snapshot()), Intervals(snapshot=1e9, preview=1e9))
    screen.error = None
    try:
        with monitor.saving_on_error(FieldLostError):
            options = replace(STATIC, steps=steps, **config)
            run_stage("static", options, viewed_by(prior), FIELD, on_step=monitor.on_step)
    except Exception as error:
        screen.error = error
    return screen


FAULTS: dict[str, tuple[Answer, str]] = {
    "None": (lambda x: None, "returned NoneType from denoise"),
    "a number": (lambda x: 0.5, "returned float from denoise"),
    "a scalar": (lambda x: x.mean(), r"answered with \(\)"),
    "integers": (lambda x: x.long(), "returned torch.int64"),
    "another size": (lambda x: x[..., ::2], r"answered with \(1, 3, 16, 8\)"),
    "no batch": (lambda x: x[0], r"answered with \(3, 16, 16\)"),
    "a tuple": (lambda x: (x,), "returned tuple"),
    "no finite number": (lambda x: torch.full_like(x, torch.inf), "gave no finite number at noise .* bf16"),
    "KeyError": (raising(KeyError("c_concat")), "failed in denoise.*KeyError: 'c_concat'"),
    "TypeError": (raising(TypeError("bad operand")), "failed in denoise.*TypeError: bad operand"),
    "RuntimeError": (raising(RuntimeError("size mismatch\nat dim 1.")), "RuntimeError: size mismatch at dim 1"),
    "MemoryError": (raising(MemoryError()), r"is out of memory \(MemoryError\)"),
    "CUDA": (raising(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried 2 GiB.")), "is out of memory.*2 GiB"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_prior_that_fails_is_named_and_the_last_step_kept(name: str, tmp_path) -> None:
    answer, fault = FAULTS[name]
    store = RunStore(tmp_path)
    screen = watched_run(Foreign(answer), store)
    assert isinstance(screen.error, PriorError) and screen.steps == [1, 2] and store.newest().step == 2
    with pytest.raises(PriorError, match=r"^the view prior \(Foreign\) .*" + fault):
        raise screen.error
    assert "\n" not in str(screen.error) and str(screen.error).endswith(".")
    no_memory = name in ("MemoryError", "CUDA")
    assert is_out_of_memory(screen.error) == isinstance(screen.error, PriorMemoryError) == no_memory
    assert isinstance(screen.error, torch.cuda.OutOfMemoryError) == no_memory


@pytest.mark.parametrize(
    ("encode", "fault"),
    [
        (lambda image: None, "returned NoneType from encode"),
        (lambda image: image.detach(), "without a gradient"),
        (lambda image: image.mean(), r"encoded 1 images as \(\)"),
        (lambda image: image.repeat(3, 1, 1, 1), r"encoded 1 images as \(3, 3, 16, 16\)"),
        (raising(KeyError("vae")), "failed in encode.*KeyError: 'vae'"),
    ],
)
def test_an_encoder_that_fails_is_named(encode: Callable[[Tensor], object], fault: str, tmp_path) -> None:
    error = watched_run(WronglyEncoded(encode), RunStore(tmp_path)).error
    with pytest.raises(PriorError, match=r"^the view prior \(WronglyEncoded\) .*" + fault):
        raise error


@pytest.mark.parametrize("sigmas", [None, 3.0, torch.tensor([0.1, torch.nan]), torch.tensor(1.0), torch.zeros(0)])
def test_noise_levels_that_cannot_be_used_are_refused_before_the_first_step(sigmas: object, tmp_path) -> None:
    prior = Ball()
    prior.sigmas = sigmas
    screen = watched_run(prior, RunStore(tmp_path))
    assert isinstance(screen.error, PriorError) and "the view prior (Ball)" in str(screen.error) and not screen.steps


@pytest.mark.parametrize(("answer", "what"), [(one_good_number, "100 % of"), (torch.zeros_like, "all are 0")])
def test_broken_answers_are_told_once_and_stop_the_stage_when_they_last(answer: Answer, what: str, tmp_path) -> None:
    store = RunStore(tmp_path)
    screen = watched_run(Foreign(answer), store)
    (told,) = screen.problems
    assert told.startswith("the view prior (Foreign) gave a broken answer") and what in told
    assert isinstance(screen.error, PriorError) and f"{PATIENCE} times in a row" in str(screen.error)
    assert len(screen.steps) == 2 + PATIENCE - 1 and store.newest().step == screen.steps[-1]


def test_broken_answers_that_do_not_last_are_survived(tmp_path) -> None:
    class Unlucky(Foreign):
        calls = 0

        def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
            self.calls += 1
            self.left = 1 if self.calls % PATIENCE == 0 else 0
            return super().denoise(x_t, sigma, view)

    class Sparse(Ball):
        def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
            correct = super().denoise(x_t, sigma, view)
            correct[0, 0, 0, : int(BROKEN_SHARE * correct.numel())] = torch.nan
            return correct

    assert watched_run(Sparse(), RunStore(tmp_path)).problems == []
    assert watched_run(Unlucky(one_good_number), RunStore(tmp_path)).error is None


def test_a_prior_through_which_no_gradient_comes_stops_the_stage(tmp_path) -> None:
    screen = watched_run(WronglyEncoded(lambda image: image * 0.0 + 0.3), RunStore(tmp_path))
    assert len(screen.problems) == 1 and "gradient of 0" in screen.problems[0]
    assert isinstance(screen.error, PriorError) and len(screen.steps) == PATIENCE - 1


def test_a_guidance_of_weight_0_may_be_silent() -> None:
    run_stage("static", replace(STATIC, steps=PATIENCE + 2), Guidances(view=replace(VIEWS.view, weight=0.0)), FIELD)


def test_a_hosts_cancel_inside_a_prior_stays_what_it_is(tmp_path) -> None:
    class Cancelled(Exception):
        pass

    assert type(watched_run(Foreign(raising(Cancelled())), RunStore(tmp_path)).error) is Cancelled


EXPLODING = [(1000.0, 1000.0), (10.0, 1.0), (0.1, 100.0)]


@pytest.mark.parametrize(("grid_lr", "mlp_lr"), EXPLODING)
def test_learning_rates_that_explode_are_lowered_once_and_then_refused(grid_lr: float, mlp_lr: float, tmp_path) -> None:
    screen = watched_run(Ball(), RunStore(tmp_path), optim=OptimConfig(grid_lr=grid_lr, mlp_lr=mlp_lr))
    (told,) = screen.problems
    assert "the stage goes on after step 0 with a tenth of its learning rates" in told
    back = screen.steps.index(1, 1)  # a second first step
    assert back <= NOTICED and screen.steps == [*range(1, back + 1), *range(1, len(screen.steps) - back + 1)]
    if screen.error is not None:
        assert isinstance(screen.error, FieldLostError) and "also with a tenth" in str(screen.error)
        assert "lower the guidance weights" in str(screen.error)


@pytest.mark.parametrize("blow_up", [torch.nan, 1e3 * LARGEST])
def test_numbers_that_blow_up_late_go_back_to_the_snapshot_on_disk(
    blow_up: float, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And from there to the field of a run that had these learning rates from there."""
    store, steps, rates = RunStore(tmp_path), [], {}

    def step_with_accident(optimiser, field, config, step) -> None:
        adam_step(optimiser, field, config, step)
        rates[step] = optimiser.param_groups[0]["lr"]
        if step == 33 and not any(s.notes for s in steps):
            field.table.data[0, 0] = blow_up

    def on_step(step: Step) -> None:
        steps.append(step)
        if step.step in (25, 31):
            store.save(step.snapshot())
        if step.step == 34 and blow_up > 0 and not any(s.notes for s in steps):
            with pytest.raises(RuntimeError):
                step.snapshot()

    adam_step = loop.adam_step
    monkeypatch.setattr(loop, "adam_step", step_with_accident)
    field = run_stage(
        "static", STATIC, VIEWS, FIELD, on_step=on_step, saved=lambda step: store.newest(lambda s: s.step <= step)
    )
    (told,) = (note for step in steps for note in step.notes)
    back = next(k for k, step in enumerate(steps) if step.notes)
    assert steps[back].step == 32 and steps[back - 1].step <= 33 + CHECK_EVERY and "after step 31" in told
    assert steps[-1].step == STATIC.steps and field.table.isfinite().all() and field.table.abs().max() < 100
    assert rates[60] == pytest.approx(0.1 * STATIC.optim.grid_lr * STATIC.optim.lr_end)
    with pytest.raises(RuntimeError):  # of a step that is no more
        steps[back - 1].snapshot()


def test_lowered_learning_rates_survive_a_snapshot(tmp_path) -> None:
    """A resumed run ends with the same field."""
    store, notes = RunStore(tmp_path), []
    config = replace(STATIC, steps=30, optim=OptimConfig(grid_lr=0.1, mlp_lr=1.0))

    def on_step(step: Step) -> None:
        notes.extend(step.notes)
        if notes and step.step == 3:
            store.save(step.snapshot())

    whole = run_stage("static", config, VIEWS, FIELD, on_step=on_step)
    resumed = run_stage("static", config, VIEWS, FIELD, resume=store.newest())
    assert len(notes) == 1 and torch.equal(whole.table, resumed.table)


def test_a_snapshot_without_learning_rates_is_of_an_earlier_release(tmp_path) -> None:
    taken: list[Snapshot] = []
    config = replace(STATIC, steps=3)
    whole = run_stage("static", config, VIEWS, FIELD, on_step=lambda step: taken.append(step.snapshot()))
    earlier = replace(taken[0], meta={name: value for name, value in taken[0].meta.items() if name != "rates"})
    assert torch.equal(run_stage("static", config, VIEWS, FIELD, resume=earlier).table, whole.table)
