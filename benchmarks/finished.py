"""Finished images of a field of the demo, with empty space skipped and without:
python -m benchmarks.finished output/demo/field.safetensors"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras, orbit
from a124core.cli.main import DEMO_SIZE
from a124core.cli.outputs import SHEET_SIZE, SHEET_TIMES, SHEET_VIEWS
from a124core.cli.prepare import PreparedRun, RunOptions, prepare
from a124core.cli.run import eval_set_of
from a124core.evaluation.evaluate import evaluate, field_renderer
from a124core.export.checkpoint import read_field
from a124core.field.field4d import Field4D
from a124core.priors.builtin import example_image
from a124core.protocols import Cameras
from a124core.reference.reference import make_reference
from a124core.render import clip as clip_module

from .measure import clock_for

LEVEL = 1 / 255


@contextmanager
def with_training_cells() -> Iterator[None]:
    """Sample all cells that training kept."""
    with patch.object(clip_module, "is_worthwhile", lambda *_: False):
        yield


def demo_scene(about: dict[str, str]) -> PreparedRun:  # what the demo wrote into the file
    """The built-in scene that the field learned."""
    image, mask = example_image(about["subject"], DEMO_SIZE)
    reference = make_reference(image, mask, mask_marks="subject")
    return prepare(RunOptions(reference, about["prompt"], about["motion"], about["subject"], preset="demo"))


def film(field: Field4D, camera: Cameras) -> Tensor:
    """render --frames 16, without the file."""
    cameras = orbit(16, 10.0, float(camera.radius), float(camera.fovy))
    options = clip_module.ImageOptions(256, normals=False)
    return clip_module.render_clip(field, cameras, torch.linspace(0.0, 1.0, 16), options).image


def sheet(field: Field4D, camera: Cameras) -> Tensor:
    """The result's rows of contact.png."""
    draw, time = field_renderer(field), torch.linspace(0.0, 1.0, SHEET_TIMES)
    radius, fovy = float(camera.radius), float(camera.fovy)
    rows = (make_cameras(e + float(camera.elevation), [a] * SHEET_TIMES, radius, fovy) for _, e, a in SHEET_VIEWS)
    return torch.cat([draw(cameras, time, SHEET_SIZE)[0] for cameras in rows])


def table(field: Field4D, scene: PreparedRun) -> Iterator[str]:
    """Time each task without and with, and compare the images."""
    clock, eval_set = clock_for("cpu"), eval_set_of(scene)
    tasks: dict[str, Callable[[], Tensor | dict]] = {
        "film, 16 frames of 256 px": lambda: film(field, scene.camera),
        "contact sheet, 18 images": lambda: sheet(field, scene.camera),
        "evaluation": lambda: evaluate(field_renderer(field), eval_set),
    }
    film(field, scene.camera)  # warms up
    for name, task in tasks.items():
        began = clock()
        with with_training_cells():
            old = task()
        between = clock()
        new = task()
        ended = clock()
        line = f"{name}: {between - began:.2f} s without, {ended - between:.2f} s with"
        if isinstance(new, Tensor):
            difference = (new - old).abs().amax(dim=1)
            count = int((difference > LEVEL).sum())
            line += f"; {count} of {difference.numel()} pixels differ by more than a level of 255"
            line += f", the most {float(difference.max()) / LEVEL:.2f}"
        else:
            most = max(abs(new[key] - old[key]) for key in new if new[key] is not None)
            line += f"; no figure differs by more than {most:.1g}"
        yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("field", help="field.safetensors of a demo")
    field, about = read_field(parser.parse_args().field)
    for line in table(field, demo_scene(about)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
