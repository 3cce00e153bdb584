"""report.json, and the same figures as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..evaluation.evaluate import NOTE, object_by_time
from .machine import machine, versions
from .prepare import PreparedRun

Figures = dict[str, float | None]
UNKNOWN = "No figures: what these priors should have made is not known. Look at contact.png and result.mp4."

COLUMNS = (  # figure, heading, format
    ("psnr_heldout", "PSNR", "{:.1f}"),
    ("psnr_heldout_256", "PSNR 256", "{:.1f}"),
    ("psnr_object", "object", "{:.1f}"),
    ("psnr_reference", "front t=0", "{:.1f}"),
    ("colour_error", "colour err", "{:.3f}"),
    ("iou", "IoU", "{:.2f}"),
    ("motion_corr", "path corr", "{:.3f}"),
    ("motion_amplitude", "path ampl", "{:.2f}"),
    ("detail", "detail", "{:.2f}"),
    ("detail_correlation", "det corr", "{:.2f}"),
    ("saturation", "saturat", "{:.2f}"),
)


@dataclass(frozen=True)
class StageReport:
    """One stage, done."""

    name: str
    steps: int
    seconds: float
    peak_memory_mb: float | None  # of the process, up to the end of this stage
    figures: Figures

    def line(self) -> str:
        memory = "" if self.peak_memory_mb is None else f", peak memory {self.peak_memory_mb:.0f} MB"
        done = f"{self.name}: {self.steps} steps in {self.seconds:.0f} s{memory}"
        if not self.figures:
            return done
        return f"{done}, {self.figures['psnr_heldout']:.1f} dB against the ground truth, from unseen cameras"


@dataclass(frozen=True)
class Report:
    """A whole run."""

    baseline: Figures | None  # the first stage's field, frozen at time 0
    stages: tuple[StageReport, ...]  # without figures where no answer is known


def report_dict(prepared: PreparedRun, report: Report) -> dict[str, Any]:
    """The content of report.json. Every stage also says what it gains over the frozen baseline: the figure for a
    motion whose silhouette stays where it is."""
    run = prepared.options
    stages = []
    for stage in report.stages:
        numbers = {"steps": stage.steps, "seconds": stage.seconds, "peak_memory_mb": stage.peak_memory_mb}
        if report.baseline is not None:
            gain = stage.figures["psnr_heldout"] - report.baseline["psnr_heldout"]
            numbers |= {**stage.figures, "gain_over_frozen": gain}
        stages.append({"name": stage.name, **numbers})
    return {
        "stages": stages,
        **_against_truth(prepared, report),
        "prompt": run.prompt,
        "understood": prepared.understood,
        "reference": run.reference.note if run.reference is not None else None,
        "seed": run.seed,
        "seconds": sum(stage.seconds for stage in report.stages),
        "losses": "losses.json",
        "config": {"preset": run.preset, "options": run_options(prepared), **asdict(prepared.settings)},
        "versions": versions(),
        "machine": machine(),
    }


def _against_truth(prepared: PreparedRun, report: Report) -> dict[str, Any]:
    """What the figures were measured against; with learned priors there is nothing."""
    if not prepared.answer_known:
        motion = prepared.priors.truth.motion if prepared.priors else "by models"
        return {"baseline": None, "note": UNKNOWN, "subject": "the picture", "motion": motion}
    truth = prepared.priors.truth
    return {
        "baseline": {"name": "frozen static field", **report.baseline},
        "note": NOTE,
        "subject": truth.subject,
        "motion": truth.motion,
        "motion_has_path": truth.motion_has_path,
    }


def run_options(prepared: PreparedRun) -> dict[str, Any]:
    """What was plugged in and left out."""
    run = prepared.options
    return {
        "skip": list(run.skip),
        "reference": run.with_reference,
        "image_prior": run.with_image,
        "view_prior": run.with_view,
        "view_prior_when_moving": run.with_view and run.view_when_moving,
        "refine_prior": run.refine,
        "sampling": prepared.settings.coarse.time.sampling,
        "reference_mode": prepared.settings.coarse.reference_mode,
        **({"model": run.model.name, "model_up": run.model_up} if run.model else {}),
        "steps_scale": run.steps_scale,
        "device": run.device,
    }


def table(rows: Sequence[tuple[str, Figures]]) -> str:
    """Names down, figures across; a dash where a figure means nothing."""
    heads = [heading for _, heading, _ in COLUMNS]
    first = max([len(name) for name, _ in rows] + [5])
    lines = [" " * first + "  " + "  ".join(heads)]
    for name, figures in rows:
        cells = [_cell(figures.get(key), form).rjust(len(head)) for key, head, form in COLUMNS]
        lines.append(name.ljust(first) + "  " + "  ".join(cells))
    return "\n".join(lines)


def curve_line(figures: Figures) -> str:
    """Return the subject's PSNR from time 0 to 1, its worst moment and its best."""
    curve = " ".join(f"{value:.1f}" for value in object_by_time(figures))
    worst, best = figures["psnr_object_worst"], figures["psnr_object_best"]
    return f"object from time 0 to 1: {curve} dB; worst moment {worst:.1f}, best {best:.1f}"


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None or value != value else form.format(value)


def summary(report: dict[str, Any]) -> str:
    """What the command line prints at the end."""
    if report["baseline"] is None:
        return f"stages {report['seconds']:.0f} s. {report['note']}"
    rows = [("frozen static", report["baseline"])] + [(stage["name"], stage) for stage in report["stages"]]
    memory = max((stage["peak_memory_mb"] or 0.0) for stage in report["stages"])
    return "\n".join(
        [
            f"{report['subject']}, {report['motion']}, seed {report['seed']}: against the ground truth, from cameras "
            "never trained on, white background (PSNR in dB)",
            table(rows),
            curve_line(report["stages"][-1]),
            f"last stage against the frozen static field: {report['stages'][-1]['gain_over_frozen']:+.1f} dB; "
            f"stages {report['seconds']:.0f} s, peak memory {memory:.0f} MB",
            f"machine: {report['machine']}, torch {report['versions'].get('torch', '?')}",
            report["note"],
        ]
    )
