"""The figures of a field on the bench, and whether it is worth more than the still field it began with."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.cli.prepare import PreparedRun
from a124core.evaluation import metrics
from a124core.evaluation.evaluate import EvalSet, Renderer, evaluate, field_renderer, static_baseline
from a124core.export.images.sheets import draw_contact_sheet
from a124core.field.field4d import Field4D
from a124core.protocols import Cameras

FRONT = 64  # pixels
FRONT_LOSS = 0.5  # dB that the front at time 0 may lose
IOU_LOSS = 0.005  # rounding
PATH, AMPLITUDE = 0.7, 0.3  # least correlation and extent of a path that is a motion

Row = dict[str, Any]
COLUMNS = {
    "scene": ("scene", ""),
    "preset": ("preset", ""),
    "setting": ("priors", ""),
    "variant": ("variant", ""),
    "stage": ("stage", ""),
    "psnr_heldout": ("held-out", ".1f"),
    "psnr_object": ("object", ".1f"),
    "front_picture": ("front / picture", ".1f"),
    "front_static": ("front / static", ".1f"),
    "iou": ("IoU", ".3f"),
    "motion_corr": ("path corr.", ".2f"),
    "motion_amplitude": ("ampl.", ".2f"),
    "contrast": ("contrast", ".2f"),
    "colour_error": ("colour", ".3f"),
    "seconds": ("CPU s", ".0f"),
    "holds": ("holds", ""),
}


def figures(field: Field4D, scene: PreparedRun, exam: EvalSet, still_front: Tensor | None) -> Row:
    """Measure a field; still_front is the static stage's front (1, 3, FRONT, FRONT), None for that stage itself."""
    result = field_renderer(field)
    result = _rendered_once(static_baseline(result) if field.table.shape[0] == 1 else result)
    row: Row = evaluate(result, exam)
    image = exam.heldout.render(result)[0]
    front, truth = front_of(field, scene), scene.priors.truth.render(scene.camera, torch.zeros(1), FRONT)[0]
    row["contrast"] = contrast(image, exam.heldout.image)
    row["front_picture"] = float(metrics.psnr(front, truth))
    row["front_static"] = None if still_front is None else float(metrics.psnr(front, still_front))
    return row


def _rendered_once(result: Renderer) -> Renderer:
    """Keep what was rendered: the sets of views differ in size or number."""
    images: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def render(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        if (size, len(time)) not in images:
            images[size, len(time)] = result(cameras, time, size)
        return images[size, len(time)]

    return render


def front_of(field: Field4D, scene: PreparedRun) -> Tensor:  # (1, 3, FRONT, FRONT)
    """Render the reference's view at time 0."""
    return field_renderer(field)(scene.camera, torch.zeros(1), FRONT)[0]


def contrast(image: Tensor, truth: Tensor) -> float:
    """Compare two sets of pictures on white: a ghost of the same area has less than 1."""
    ours, theirs = ((1.0 - x).square().mean().sqrt() for x in (image, truth))
    return float(ours / theirs)


def contact_sheet(field: Field4D, scene: PreparedRun) -> Image.Image:
    """Draw truth over result, from the front and from the right, at four times."""
    times = torch.linspace(0.0, 1.0, 4)
    camera, rows, labels = scene.camera, [], []
    for name, turn in (("front", 0.0), ("right", 70.0)):
        azimuth = [float(camera.azimuth) + turn] * len(times)
        cameras = make_cameras(float(camera.elevation), azimuth, float(camera.radius), float(camera.fovy))
        for source, render in (("truth", scene.priors.truth.render), ("result", field_renderer(field))):
            rows.append(render(cameras, times, 2 * FRONT)[0])
            labels.append(f"{source}, {name}")
    return draw_contact_sheet(rows, labels, [f"time {t:.1f}" for t in times.tolist()], scene.options.prompt)


def faults(row: Row, static: Row) -> list[str]:
    """Name what a moving field lost against the still one."""
    lost = []
    if row["front_picture"] < static["front_picture"] - FRONT_LOSS:
        lost.append("front")
    if row["iou"] < static["iou"] - IOU_LOSS:
        lost.append("IoU")
    if row["motion_corr"] is not None and (row["motion_corr"] < PATH or row["motion_amplitude"] < AMPLITUDE):
        lost.append("motion")
    return lost


def table_head() -> str:
    return "| " + " | ".join(head for head, _ in COLUMNS.values()) + " |\n" + "|---" * len(COLUMNS) + "|"


def table_line(row: Row) -> str:
    cells = (("-" if row.get(key) is None else f"{row[key]:{form}}") for key, (_, form) in COLUMNS.items())
    return "| " + " | ".join(cells) + " |"
