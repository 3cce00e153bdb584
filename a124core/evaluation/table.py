"""Scores as a table for people, and as rows for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from .scores import SceneScores

COLUMNS = {  # figure -> heading, format; + higher is better, - lower is
    "clip_r": ("CLIP-R +", "{:.4f}"),
    "clip_t": ("CLIP-T +", "{:.4f}"),
    "clip_i": ("CLIP-I +", "{:.4f}"),
    "clip_f": ("CLIP-F +", "{:.4f}"),
    "bank_r": ("R +", "{:.3f}"),
    "bank_t": ("T +", "{:.3f}"),
    "bank_i": ("I +", "{:.3f}"),
    "bank_f": ("F +", "{:.3f}"),
    "psnr_heldout": ("PSNR +", "{:.1f}"),
    "ssim_heldout": ("SSIM +", "{:.3f}"),
    "psnr_object": ("object +", "{:.1f}"),
    "colour_error": ("colour -", "{:.3f}"),
    "iou": ("IoU +", "{:.3f}"),
    "motion_corr": ("path corr. +", "{:.3f}"),
    "motion_amplitude": ("path ampl.", "{:.2f}"),
    "motion": ("motion", "{:.4f}"),
    "flicker": ("flicker -", "{:.4f}"),
    "janus": ("Janus -", "{:.3f}"),
    "janus_truth": ("its truth's", "{:.3f}"),
    "cd_3d": ("CD-3D -", "{:.4f}"),
    "cd_4d": ("CD-4D -", "{:.4f}"),
    "cd_m": ("CD-M -", "{:.4f}"),
}
GROUPS = (  # title, figures: one table each, so that lines stay short
    ("CLIP", ("clip_r", "clip_t", "clip_i", "clip_f")),
    ("Built-in priors, without any CLIP", ("bank_r", "bank_t", "bank_i", "bank_f")),
    ("Held out: cameras never trained on", (
        "psnr_heldout", "ssim_heldout", "psnr_object", "colour_error", "iou", "motion_corr", "motion_amplitude",
    )),
    ("The film itself", ("motion", "flicker", "janus", "janus_truth")),
    ("Geometry", ("cd_3d", "cd_4d", "cd_m")),
)
MEAN = "mean"


def figure_names(scores: Sequence[SceneScores]) -> list[str]:
    """Return the figures that any scene has, in the order of the columns."""
    return [name for name in COLUMNS if any(name in scene.figures for scene in scores)]


def means(scores: Sequence[SceneScores]) -> dict[str, float | None]:
    """Return the mean of each figure over the scenes that have it."""
    values = {n: [s.figures[n] for s in scores if s.figures.get(n) is not None] for n in figure_names(scores)}
    return {name: fmean(each) if each else None for name, each in values.items()}


def by_variant(scores: Sequence[SceneScores]) -> dict[str, list[SceneScores]]:
    """Return the scenes of each compared system; all under "" where they are of none."""
    groups: dict[str, list[SceneScores]] = {}
    for scene in scores:
        groups.setdefault(scene.variant, []).append(scene)
    return groups


def markdown(scores: Sequence[SceneScores]) -> str:
    """Return a table for each group of figures, + for higher is better, - for lower, and the notes."""
    rows = [(scene.name, scene.figures) for scene in scores]
    if len(scores) > 1:
        rows += [(f"{MEAN}, {name}" if name else MEAN, means(group)) for name, group in by_variant(scores).items()]
    names, lines = figure_names(scores), []
    for title, members in GROUPS:
        columns = [name for name in members if name in names]
        if columns:
            lines += [f"{title}:", "", *_table(columns, rows), ""]
    lines += ["+ higher is better, - lower is better.", ""]
    for note, scenes in _shared_notes(scores).items():
        lines.append(f"- {note}" if len(scenes) == len(scores) else f"- {', '.join(scenes)}: {note}")
    return "\n".join(lines) + "\n"


def _table(columns: Sequence[str], rows: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return the lines of one table, its columns of even width: it is read as it is."""
    cells = [["scene", *(COLUMNS[name][0] for name in columns)]]
    for title, figures in rows:
        cells.append([title.replace("|", "/"), *(_cell(name, figures.get(name)) for name in columns)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [" | ".join(map(str.ljust, row, widths)) for row in cells]
    lines = [f"| {row} |" for row in padded]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _cell(name: str, value: float | None) -> str:
    return "-" if value is None or value != value else COLUMNS[name][1].format(value)


def _shared_notes(scores: Sequence[SceneScores]) -> dict[str, list[str]]:
    """Return each note once, with the scenes that have it."""
    notes: dict[str, list[str]] = {}
    for scene in scores:
        for note in scene.notes:
            notes.setdefault(note, []).append(scene.name)
    return notes


def to_csv(scores: Sequence[SceneScores]) -> str:
    """Return a line for each scene, numbers in full; empty where a figure means nothing."""
    names, text = figure_names(scores), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["scene", "variant", "caption", *names])
    for scene in scores:
        numbers = [_number(scene.figures.get(name)) for name in names]
        writer.writerow([scene.name, scene.variant, scene.caption, *numbers])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None or value != value else repr(float(value))


def to_dict(scores: Sequence[SceneScores]) -> dict[str, Any]:
    """Return everything: figures, curves and notes of each scene, and the means, of all and of each variant."""
    variants = {name: means(group) for name, group in by_variant(scores).items() if name}
    return {"scenes": [vars(scene) for scene in scores], "mean": means(scores), "variants": variants}
