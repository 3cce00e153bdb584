"""Curves: losses of a run, and which scene times clips are sampled at (the paper's figure 3)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...utils.files import atomic_write

PLOTTED_CLIPS = 40  # clips drawn as dots in the times plot
BINS = 16  # of the histogram; 256 ticks make 16 in each


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """Return a figure that needs no screen; matplotlib is imported here because nothing else needs it."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns of where it keeps its fonts
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _save(figure: Any, path: str | Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def smoothed(values: Sequence[float], share: float = 0.05) -> list[float]:
    """Return an exponential mean over about this share of the curve; gaps (NaN) keep the last value."""
    rate = 1.0 / max(1.0, share * len(values))
    level, curve = None, []
    for value in values:
        if value == value:
            level = value if level is None else level + rate * (value - level)
        curve.append(float("nan") if level is None else level)
    return curve


def write_loss_plot(
    path: str | Path,
    losses: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]],  # stage -> term -> (step, value)
) -> None:
    """Plot one panel per stage, one smoothed curve per term, absolute values on a logarithmic axis."""
    figure, axes = _figure(1, max(1, len(losses)), (5.0 * max(1, len(losses)), 3.6))
    for axis, (stage, terms) in zip(axes[0], losses.items(), strict=False):
        for name, points in terms.items():
            values = smoothed([abs(value) for _, value in points])
            if any(value > 0 for value in values):
                axis.plot([step for step, _ in points], values, label=name, linewidth=1.0)
        axis.set(title=stage, xlabel="step", yscale="log")
        if axis.lines:
            axis.legend(fontsize=7)
    _save(figure, path)


def time_histogram(times: Tensor) -> tuple[list[float], list[float]]:  # centres, shares that add up to 1
    """Count how often each time was sampled: one by one where there are few, else in BINS equal bins."""
    centres, counts = times.flatten().float().unique(return_counts=True)
    if len(centres) > 2 * BINS + 1:
        counts = torch.histc(times.flatten().float(), BINS, 0.0, 1.0)
        centres = (torch.arange(BINS) + 0.5) / BINS
    return centres.tolist(), (counts / max(1, times.numel())).tolist()


def write_times_plot(
    path: str | Path,
    samples: Mapping[str, Tensor],  # name of the sampling -> (clips, frames) scene times in [0, 1]
) -> None:
    """Plot the frames of some clips at the left, and at the right how often each time was sampled, against uniform."""
    figure, axes = _figure(max(1, len(samples)), 2, (9.0, 2.6 * max(1, len(samples))))
    for (dots, bars), (name, times) in zip(axes, samples.items(), strict=True):
        first = times[:PLOTTED_CLIPS]
        rows = torch.arange(first.shape[0])[:, None].expand_as(first)
        dots.scatter(first.flatten().tolist(), rows.flatten().tolist(), s=4)
        dots.set(title=f"{name}: {first.shape[0]} clips", xlabel="scene time", ylabel="clip", xlim=(-0.02, 1.02))
        centres, shares = time_histogram(times)
        bars.bar(centres, [100.0 * share for share in shares], width=0.9 / len(centres))
        bars.axhline(100.0 / len(centres), color="black", linewidth=0.8, linestyle=":")
        starts = 100.0 * float((times[:, 0] == 0).float().mean()) if times.numel() else 0.0
        bars.set(title=f"share of frames, %; {starts:.1f} % of clips start at 0", xlabel="scene time")
    _save(figure, path)
