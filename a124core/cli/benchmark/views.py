"""What people compare methods by: two views of each at six times, as in the paper's figures 4, 5 and 7."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...cameras.rig import make_cameras
from ...evaluation.evaluate import Renderer, field_renderer
from ...export.images.sheets import draw_contact_sheet, side_by_side, write_image, write_png
from ...protocols import Cameras
from ...reference.layers import resize
from ...reference.read_image import read_image
from ..outputs import SHEET_VIEWS
from ..run import Outcome

VIEWS = SHEET_VIEWS[:2]  # name, elevation, azimuth
TIMES, SIZE = 6, 128  # images of each view, pixels a side
FILE, REFERENCE = "views.png", "reference.png"  # in a run's folder


def write_views(folder: Path, outcome: Outcome) -> None:
    """Write the views of a run, one below the other, and its picture on white."""
    options = outcome.prepared.options
    rows = view_rows(field_renderer(outcome.field, options.device), outcome.prepared.camera)
    write_image(folder / FILE, torch.cat([side_by_side(*row.split(1)) for row in rows], dim=2))
    write_image(folder / REFERENCE, options.reference.composite(2 * SIZE))


def view_rows(result: Renderer, reference: Cameras) -> list[Tensor]:  # of each view (TIMES, 3, SIZE, SIZE)
    """Render every view at times from 0 to 1."""
    time = torch.linspace(0.0, 1.0, TIMES)
    elevation, azimuth, radius, fovy = (float(value) for value in vars(reference).values())
    cameras = [make_cameras(elevation + e, [azimuth + a] * TIMES, radius, fovy) for _, e, a in VIEWS]
    return [result(camera, time, SIZE)[0] for camera in cameras]


def write_sheet(path: Path, title: str, folders: dict[str, Path]) -> None:  # folders: of a run of each method
    """Write the contact sheet of a scene: every view of each method, under the picture."""
    image = read_image(next(iter(folders.values())) / REFERENCE)[0]
    rows, labels = [resize(image, (SIZE, SIZE))], ["picture"]
    for name, folder in folders.items():
        rows += _read_views(folder / FILE)
        labels += [f"{name}, {view}" for view, *_ in VIEWS]
    path.parent.mkdir(parents=True, exist_ok=True)
    times = [f"time {k / (TIMES - 1):.1f}" for k in range(TIMES)]
    write_png(path, draw_contact_sheet(rows, labels, times, title))


def _read_views(path: Path) -> list[Tensor]:  # of each view (TIMES, 3, SIZE, SIZE)
    image = read_image(path)[0]
    if image.shape[-2:] != (len(VIEWS) * SIZE, TIMES * SIZE):
        raise ValueError(f"{path} has another size than this version writes: delete its folder and run again.")
    return [torch.cat(row.split(SIZE, dim=3)) for row in image.split(SIZE, dim=2)]
