"""Temporal balanced sampling: at which scene times a clip is rendered."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import TimeConfig


@dataclass(frozen=True)
class ClipTimes:
    """F scene times in ascending order."""

    ticks: list[int]  # on the discrete time axis 0 .. cfg.ticks
    times: Tensor  # (F,) ticks / cfg.ticks, scene time in [0, 1]
    starts_at_zero: bool  # was the clip made to start at 0? A start that happens to be 0 does not count


def _draw(low: int, high: int, rng: torch.Generator) -> int:
    """Uniform integer, both ends included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


def sample_clip_times(cfg: TimeConfig, rng: torch.Generator) -> ClipTimes:
    """Draw stride, start and direction of a clip (release; the paper's alpha is start_rate / 2 at either end).

    u uniform in {frames .. ticks}, stride = u // frames. With start_rate the clip starts at 0 and is flagged, else
    at s uniform in {0 .. ticks - frames * stride}. A fair coin then mirrors it in time and takes the flag away.
    A mirrored clip is still played forwards: it ends at 1 where the other would start at 0.
    "random" forces no start; "never-zero" also keeps s from being 0, for which it gives up the one longest stride
    that would leave no other start. "stratified" takes the longest stride where no start is forced, from any start
    that fits: the others look at the middle up to twice as often as at times near either end.
    """
    avoid = cfg.sampling == "never-zero"
    u = _draw(cfg.frames, cfg.ticks - avoid, rng)
    stride = u // cfg.frames
    start = _draw(int(avoid), cfg.ticks - cfg.frames * stride, rng)
    forced, mirrored = torch.rand(2, generator=rng) < torch.tensor([cfg.start_rate, 0.5])
    forced = bool(forced) and cfg.sampling in ("balanced", "stratified")
    if cfg.sampling == "stratified" and not forced:
        stride = cfg.ticks // cfg.frames
        start = _draw(0, cfg.ticks - (cfg.frames - 1) * stride, rng)
    ticks = [(0 if forced else start) + stride * i for i in range(cfg.frames)]
    if mirrored:
        ticks = [cfg.ticks - tick for tick in reversed(ticks)]
    times = torch.tensor(ticks, dtype=torch.float32) / cfg.ticks
    return ClipTimes(ticks, times, forced and not bool(mirrored))
