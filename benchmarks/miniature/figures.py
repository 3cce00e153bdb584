"""Contact sheets of the form of the paper's: two views of each variant at six times, for one subject each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from a124core.cli.benchmark.plan import Task
from a124core.cli.benchmark.views import write_sheet
from a124core.utils.files import atomic_write

from .subjects import CAPTIONS

QUALITY = 85  # of JPEG


@dataclass(frozen=True)
class Sheet:
    """What one image compares."""

    name: str
    title: str
    subject: str
    variants: tuple[str, ...]

    @property
    def file(self) -> str:
        return f"miniature-{self.name}.jpg"


SHEETS = (
    Sheet("baselines", "Baselines of table 1", "fox", ("full", "zero123-v", "realfusion-v")),
    Sheet("priors", "Figure 6: 3D prior and temporal sampling", "elephant",
          ("full", "no-view-prior", "random-sampling", "never-starting-at-0")),
    Sheet("refinement", "Figure 7: semantic refinement", "bear", ("full", "no-refinement", "x4-upscaler")),
    Sheet("condition", "Figure 8: condition and backbone", "goose", ("full", "current-condition", "hexplane")),
)


def write_figures(folder: Path, tasks: Iterable[Task], seed: int) -> list[Sheet]:
    """Write every sheet whose runs of this seed are finished; return those that are there."""
    runs = {(task.scene, task.variant): task.folder for task in tasks if task.seed == seed and task.is_finished}
    ready = [sheet for sheet in SHEETS if all((sheet.subject, name) in runs for name in sheet.variants)]
    for sheet in ready:
        _write(folder / sheet.file, sheet, {name: runs[sheet.subject, name] for name in sheet.variants})
    return ready


def _write(path: Path, sheet: Sheet, folders: dict[str, Path]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        drawn = Path(temporary) / "sheet.png"
        write_sheet(drawn, f"{sheet.subject}: {CAPTIONS[sheet.subject]}", folders)
        with Image.open(drawn) as image, atomic_write(path) as target:
            image.convert("RGB").save(target, format="JPEG", quality=QUALITY)
