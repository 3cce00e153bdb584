"""The files of a finished run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..cameras.rig import make_cameras, orbit
from ..evaluation.evaluate import Renderer, field_renderer
from ..export.checkpoint import save_field
from ..export.images.sheets import draw_contact_sheet, side_by_side, write_png
from ..export.images.video import write_video
from ..field.field4d import Field4D
from ..protocols import Cameras
from ..stages.clip_times import sample_clip_times
from ..stages.config import TimeConfig
from ..utils.files import write_json
from .prepare import PreparedRun
from .progress import Losses

IMAGES = ("contact.png", "losses.png", "times.png")  # among the results
FILM_FRAMES, FILM_FPS, FILM_SIZE = 32, 16, 256
SHEET_TIMES, SHEET_SIZE = 6, 128
SHEET_VIEWS = (("front", 0.0, 0.0), ("right, above", 25.0, 60.0), ("back", 0.0, 180.0))  # name, elevation, azimuth
TIMES_CLIPS = 2000  # clips drawn for times.png


def write_results(folder: Path, prepared: PreparedRun, field: Field4D, losses: Losses, report: dict[str, Any]) -> None:
    """Everything, into an empty folder; the caller moves it in place."""
    result = field_renderer(field, prepared.options.device)
    save_field(folder / "field.safetensors", field, saved_notes(prepared, report))
    write_json(folder / "losses.json", losses)
    write_overview_film(folder / "result.mp4", result, prepared.camera)
    write_contact(folder / "contact.png", result, prepared)
    write_plots(folder, losses, prepared.settings.coarse.time)
    write_json(folder / "report.json", report)


def saved_notes(prepared: PreparedRun, report: dict[str, Any]) -> dict[str, Any]:
    """Return what is saved with a field: what it shows and, so that `evaluate` compares with the same truth, from where
    the picture was taken and how the motion is done."""
    manner = prepared.options.manner
    return {
        "prompt": prepared.options.prompt,
        "motion": report["motion"],
        "subject": report["subject"],
        "seed": report["seed"],
        "camera": [float(value) for value in vars(prepared.camera).values()],  # elevation, azimuth, radius, fovy
        "strength": manner.strength,
        "speed": manner.speed,
        "answer_known": prepared.answer_known,
    }


def write_overview_film(path: Path, result: Renderer, reference: Cameras) -> None:
    """The reference view and, at its right, one walk around while the scene plays once."""
    time = torch.linspace(0.0, 1.0, FILM_FRAMES)
    elevation, azimuth, radius, fovy = (float(v) for v in vars(reference).values())
    static = make_cameras(elevation, [azimuth] * FILM_FRAMES, radius, fovy)
    around = orbit(FILM_FRAMES, elevation + 10.0, radius, fovy, azimuth)
    write_video(path, side_by_side(*(result(cameras, time, FILM_SIZE)[0] for cameras in (static, around))), FILM_FPS)


def write_contact(path: Path, result: Renderer, prepared: PreparedRun) -> None:
    """Truth over result, three cameras, six times; the result alone where no truth is known."""
    reference = prepared.camera
    renderers = {} if not prepared.answer_known else {"truth": prepared.priors.truth.render}
    time = torch.linspace(0.0, 1.0, SHEET_TIMES)
    rows: list[Tensor] = []
    labels: list[str] = []
    for name, elevation, azimuth in SHEET_VIEWS:
        azimuths = [float(reference.azimuth) + azimuth] * SHEET_TIMES
        tilted = float(reference.elevation) + elevation
        cameras = make_cameras(tilted, azimuths, float(reference.radius), float(reference.fovy))
        for source, render in (renderers | {"result": result}).items():
            rows.append(render(cameras, time, SHEET_SIZE)[0])
            labels.append(f"{source}, {name}")
    write_png(path, draw_contact_sheet(rows, labels, [f"time {t:.1f}" for t in time.tolist()], prepared.options.prompt))


def write_plots(folder: Path, losses: Losses, times: TimeConfig) -> None:
    """losses.png and times.png, where matplotlib is installed."""
    try:
        from ..export.images.plots import write_loss_plot, write_times_plot

        write_loss_plot(folder / "losses.png", losses)
        write_times_plot(folder / "times.png", sample_clip_starts(times))
    except ImportError:
        return


def sample_clip_starts(config: TimeConfig, clips: int = TIMES_CLIPS) -> dict[str, Tensor]:
    """Scene times of many clips under random and under balanced sampling (figure 3 of the paper)."""
    samples = {}
    for sampling in ("random", "balanced"):
        rng = torch.Generator().manual_seed(0)
        samples[sampling] = torch.stack(
            [sample_clip_times(replace(config, sampling=sampling), rng).times for _ in range(clips)]
        )
    return samples
