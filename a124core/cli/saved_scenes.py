"""The scenes that `evaluate` measures: saved fields, folders of finished runs, and the results of a benchmark."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..cameras.rig import make_cameras
from ..export.checkpoint import read_field
from ..priors.builtin import AS_USUAL, Manner
from ..protocols import Cameras
from ..utils.json_files import read_json
from ..utils.text import first_line
from .info import FIELD

BENCHMARK = "benchmark.json"  # in the folder of a benchmark, which names its runs
RUN = re.compile(r"(.+)-seed(-?\d+)-[0-9a-f]{10}")  # the folder of a benchmark's run, in that of its scene


@dataclass(frozen=True)
class SavedScene:
    """A field on disk and what was saved with it."""

    name: str
    path: Path
    prompt: str
    motion: str
    subject: str
    camera: Cameras  # 1, which its picture was taken from
    manner: Manner = AS_USUAL
    answer_known: bool = True  # by the built-in priors: False where a clip or another model drove it
    reference_name: str = ""  # its name among captions and pictures: its own, or of a benchmark's run that of the scene
    variant: str = ""  # of a benchmark's run


def find_scenes(paths: list[Path]) -> list[SavedScene]:
    """Return the fields that paths mean; refuse none, doubled names, and files that are no field."""
    scenes = [scene for path in paths for scene in _scenes(path)]
    if not scenes:
        raise ValueError("no scenes came: name saved fields (.safetensors) or folders of finished runs.")
    names = [scene.name for scene in scenes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two scenes are called {twice[0]}: rename one's file or folder.")
    return scenes


def _scenes(path: Path) -> list[SavedScene]:
    if not path.is_dir():
        return [_saved_scene(path)]
    if (path / FIELD).is_file():
        return [_saved_scene(path / FIELD)]
    if (path / BENCHMARK).is_file():
        return _benchmark(path)
    inside = sorted(folder / FIELD for folder in path.iterdir() if (folder / FIELD).is_file())
    if not inside:
        raise ValueError(f"{path} holds no {FIELD}, nor do its folders: give folders of finished runs.")
    return [_saved_scene(file) for file in inside]


def _benchmark(path: Path) -> list[SavedScene]:
    """Return the runs of a benchmark's table, each with the whole caption, whatever its variant made of it."""
    values = read_json(path / BENCHMARK, advice := "give the folder of a benchmark, or folders of its runs")
    try:
        runs = [(path / run["folder"] / FIELD, str(values["scenes"][run["scene"]])) for run in values["runs"]]
    except (KeyError, TypeError):
        raise ValueError(f"{path / BENCHMARK} is no list of a benchmark's runs: {advice}.") from None
    return [replace(_saved_scene(file), prompt=caption) for file, caption in runs]


def _saved_scene(path: Path) -> SavedScene:
    field, extra = read_field(path)
    prompt, motion, subject = (str(extra.get(key) or "") for key in ("prompt", "motion", "subject"))
    try:
        camera = make_cameras(*extra.get("camera", (0.0, field.front)))
        manner = Manner(extra.get("strength", AS_USUAL.strength), extra.get("speed", AS_USUAL.speed))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} has notes that cannot be used ({first_line(error)}): make it again.") from None
    name, reference_name, variant = _names(path)
    known = extra.get("answer_known") is not False
    return SavedScene(name, path, prompt, motion, subject, camera, manner, known, reference_name, variant)


def _names(path: Path) -> tuple[str, str, str]:
    """Return the name of a scene, that of its picture, and its variant if it is a benchmark's run."""
    if path.name != FIELD:
        return path.stem, path.stem, ""
    folder = path.resolve().parent
    run = RUN.fullmatch(folder.name)
    if run is None or folder.parent.parent.name != "runs":
        return folder.name, folder.name, ""
    return f"{folder.parent.name} ({run[1]}, seed {run[2]})", folder.parent.name, run[1]
