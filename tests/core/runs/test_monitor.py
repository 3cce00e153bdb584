"""When snapshots are saved: soon, often, and never at the cost of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from a124core.runs import monitor
from a124core.runs.monitor import Intervals, RunMonitor

HOUR = 3600.0


@dataclass
class Quiet:
    problems: list[str] = field(default_factory=list)

    def on_step(self, step: object) -> None: ...

    def on_preview(self, step: object) -> None: ...

    def on_problem(self, message: str) -> None:
        self.problems.append(message)


def saved_at(
    monkeypatch: pytest.MonkeyPatch, cost: float, size: int, seconds: float, step_seconds: float = 1.0
) -> list[float]:
    """Return the seconds at which saves of a run began, by a clock that is set by hand."""
    clock, times = SimpleNamespace(now=0.0), []
    monkeypatch.setattr(monitor.time, "monotonic", lambda: clock.now)

    def save(step: object) -> int:
        times.append(clock.now)
        clock.now += cost
        return size

    watch, k = RunMonitor(Quiet(), save), 0
    while clock.now < seconds:
        clock.now, k = clock.now + step_seconds, k + 1
        watch.on_step(SimpleNamespace(step=k, steps=10**9, notes=()))
    return times


def test_the_first_comes_after_20_seconds_and_others_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert saved_at(monkeypatch, 0.1, 10**6, 150.0)[:3] == pytest.approx([20.0, 80.1, 140.2], abs=1.1)


@pytest.mark.parametrize(("cost", "size"), [(0.05, 10**6), (2.5, 1_400_000_000), (30.0, 1_400_000_000), (8.0, 10**8)])
def test_saving_takes_at_most_3_percent_and_20_gb_an_hour(
    monkeypatch: pytest.MonkeyPatch, cost: float, size: int
) -> None:
    """The first save is a matter of the start: nobody knows what it takes before."""
    times = saved_at(monkeypatch, cost, size, 5 * HOUR)[1:]
    span = times[-1] - times[0]
    assert (len(times) - 1) * cost <= 0.03 * span
    assert (len(times) - 1) * size <= 20e9 * span / HOUR
    longest = max(60.0, cost / 0.03, size / 20e9 * HOUR) + 2.0
    assert max(b - a for a, b in zip(times, times[1:], strict=False)) <= longest + cost


def test_whatever_a_save_raises_ends_no_run() -> None:
    front = Quiet()
    for error in (OSError("full"), MemoryError("none left"), KeyError("odd")):

        def save(step: object, error: Exception = error) -> int:
            raise error

        watch = RunMonitor(front, save, Intervals(0.0, 0.0))
        watch.on_step(SimpleNamespace(step=1, steps=5, notes=()))
    assert [message.startswith("Snapshot not saved, the run goes on: ") for message in front.problems] == [True] * 3


def test_a_crash_saves_the_last_whole_step() -> None:
    saved = []
    watch = RunMonitor(Quiet(), lambda step: saved.append(step.step) or 1)
    with pytest.raises(KeyError), watch.saving_on_error():
        watch.on_step(SimpleNamespace(step=1, steps=5, notes=()))
        raise KeyError("a prior's own")
    assert saved == [1]
