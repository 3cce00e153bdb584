"""Temporal balanced sampling against exact enumeration and the published histogram."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from a124core.stages.clip_times import ClipTimes, sample_clip_times
from a124core.stages.config import TimeConfig

DRAWS = 30_000
BALANCED = "3.63 4.50 5.44 6.37 6.90 7.30 7.70 7.92 7.78 7.78 7.33 6.98 6.30 5.59 4.53 3.94"  # per cent, 16 equal bins
RANDOM = "1.43 3.70 5.29 6.51 7.42 8.09 8.53 8.75 8.74 8.58 8.12 7.48 6.57 5.37 3.79 1.64"
EDGES = [tick / 256 for tick in range(0, 257, 16)]


def draw(cfg: TimeConfig, count: int = DRAWS, seed: int = 0) -> list[ClipTimes]:
    rng = torch.Generator().manual_seed(seed)
    return [sample_clip_times(cfg, rng) for _ in range(count)]


def enumerate_clips(cfg: TimeConfig) -> Counter:
    """Every (ticks, flag) with its exact probability, by the rule written out in plain loops."""
    clips: Counter = Counter()
    strides = Counter(u // cfg.frames for u in range(cfg.frames, cfg.ticks + 1))
    forced = Fraction(cfg.start_rate).limit_denominator(1000) if cfg.sampling == "balanced" else Fraction(0)
    for stride, count in strides.items():
        last_start = cfg.ticks - cfg.frames * stride
        starts = [(0, True, forced)]
        starts += [(s, False, (1 - forced) / (last_start + 1)) for s in range(last_start + 1)]
        for start, flag, chance in starts:
            p = Fraction(count, strides.total()) * chance / 2
            ticks = [start + stride * i for i in range(cfg.frames)]
            clips[tuple(ticks), flag] += p
            clips[tuple(cfg.ticks - t for t in reversed(ticks)), False] += p
    return clips


def exact_histogram(cfg: TimeConfig) -> list[float]:
    bins = [Fraction(0)] * 16
    for (ticks, _), p in enumerate_clips(cfg).items():
        for tick in ticks:
            bins[min(tick * 16 // cfg.ticks, 15)] += p / cfg.frames
    return [100 * float(b) for b in bins]


def histogram(clips: list[ClipTimes]) -> list[float]:
    times = torch.cat([c.times for c in clips])
    bins = torch.bucketize(times, torch.tensor(EDGES[1:-1]), right=True)
    return (100 * torch.bincount(bins, minlength=16) / len(times)).tolist()


@pytest.fixture(scope="module")
def balanced() -> list[ClipTimes]:
    return draw(TimeConfig())


@pytest.mark.parametrize(("sampling", "published"), [("balanced", BALANCED), ("random", RANDOM)])
def test_histogram_is_the_published_one(sampling, published):
    cfg = TimeConfig(sampling=sampling)
    published = [float(v) for v in published.split()]
    assert exact_histogram(cfg) == pytest.approx(published, abs=0.006)
    assert histogram(draw(cfg)) == pytest.approx(published, abs=0.3)  # a clip's frames fall together: std 0.06


def test_published_shares_of_starts_and_ends(balanced):
    exact = enumerate_clips(TimeConfig())
    assert exact.total() == 1
    flagged = sum(p for (_, flag), p in exact.items() if flag)
    first = sum(p for (ticks, _), p in exact.items() if ticks[0] == 0)
    last = sum(p for (ticks, _), p in exact.items() if ticks[-1] == 256)
    assert flagged == Fraction(1, 10)
    assert float(first) == pytest.approx(0.107, abs=5e-4) and last == first
    assert sum(c.starts_at_zero for c in balanced) / DRAWS == pytest.approx(0.1, abs=0.006)
    assert sum(c.ticks[0] == 0 for c in balanced) / DRAWS == pytest.approx(0.107, abs=0.006)
    assert sum(c.ticks[-1] == 256 for c in balanced) / DRAWS == pytest.approx(0.107, abs=0.006)


def test_stride_probabilities(balanced):
    counts = Counter(c.ticks[1] - c.ticks[0] for c in balanced)
    assert set(counts) == set(range(1, 17))
    for stride in range(1, 16):
        assert counts[stride] / DRAWS == pytest.approx(16 / 241, abs=0.006)
    assert counts[16] / DRAWS == pytest.approx(1 / 241, abs=0.0015)


def test_clips_are_even_ascending_and_within_the_axis(balanced):
    for clip in balanced[:2_000]:
        steps = {b - a for a, b in zip(clip.ticks, clip.ticks[1:], strict=False)}
        assert len(clip.ticks) == 16 and len(steps) == 1 and min(steps) >= 1
        assert 0 <= clip.ticks[0] and clip.ticks[-1] <= 256
        assert not (clip.ticks[0] == 0 and clip.ticks[-1] == 256)
        assert clip.times.tolist() == [t / 256 for t in clip.ticks]
        assert clip.ticks[0] == 0 or not clip.starts_at_zero


def test_random_is_never_flagged_and_rarely_starts_at_zero():
    clips = draw(TimeConfig(sampling="random"))
    assert not any(c.starts_at_zero for c in clips)
    assert sum(c.ticks[0] == 0 for c in clips) / DRAWS == pytest.approx(0.009, abs=0.002)


@pytest.mark.parametrize("cfg", [TimeConfig("never-zero"), TimeConfig("never-zero", ticks=32, frames=8)])
def test_never_zero_shows_neither_end(cfg):
    clips = draw(cfg, 5_000)
    assert min(c.ticks[0] for c in clips) > 0 and max(c.ticks[-1] for c in clips) < cfg.ticks
    assert not any(c.starts_at_zero for c in clips)
    assert {c.ticks[1] - c.ticks[0] for c in clips} >= {1}


@pytest.mark.parametrize(
    "cfg",
    [
        TimeConfig(ticks=32, frames=8, start_rate=0.3),
        TimeConfig(ticks=10, frames=3),
        TimeConfig(ticks=4, frames=4, start_rate=1.0),
    ],
)
def test_other_axes_follow_the_same_rule(cfg):
    exact, count = enumerate_clips(cfg), 20_000
    found = Counter((tuple(c.ticks), c.starts_at_zero) for c in draw(cfg, count))
    assert set(found) == {clip for clip, p in exact.items() if p}
    for clip, p in exact.items():
        assert found[clip] / count == pytest.approx(float(p), abs=0.015)


@pytest.mark.parametrize("cfg", [TimeConfig("stratified", 64, 4, 0.15), TimeConfig("stratified", 64, 8, 0.1)])
def test_stratified_looks_at_all_times_alike(cfg):
    def least(sampling: str) -> float:
        clips = draw(replace(cfg, sampling=sampling), 5_000)
        at = torch.cat([c.times for c in clips]) * 32  # on 33 time grids, between two of which each look is shared
        looks = torch.zeros(34).index_add(0, at.long(), 1 - at.frac()).index_add(0, at.long() + 1, at.frac())[:33]
        assert sum(c.starts_at_zero for c in clips) / 5_000 == pytest.approx(cfg.start_rate / 2, abs=0.015)
        return float(looks.min() / looks.mean())

    assert least("stratified") > 0.75 > 0.65 > least("balanced")


def test_stratified_clips_stay_within_the_axis():
    clips = draw(TimeConfig("stratified", 64, 6, 0.3), 2_000)
    assert {c.ticks[1] - c.ticks[0] for c in clips} >= {1, 10}
    assert min(c.ticks[0] for c in clips) == 0 and max(c.ticks[-1] for c in clips) == 64
    assert {c.ticks[0] for c in clips} >= set(range(15))


def test_same_seed_same_clips():
    a, b = draw(TimeConfig(), 50, seed=3), draw(TimeConfig(), 50, seed=3)
    assert [c.ticks for c in a] == [c.ticks for c in b]


def test_switching_the_sampling_moves_no_other_draw():
    """balanced and random differ in the forced starts only, so that an ablation compares like with like."""
    pairs = zip(draw(TimeConfig(), 300), draw(TimeConfig(sampling="random"), 300), strict=True)
    for one, other in pairs:
        assert one.ticks[1] - one.ticks[0] == other.ticks[1] - other.ticks[0]
        assert one.ticks == other.ticks or one.ticks[0] == 0 or one.ticks[-1] == 256
