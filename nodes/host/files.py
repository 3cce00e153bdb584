"""Which files a widget's text names, by size and time: a result depends on what is in them, not on their names.

Names mean something only to whoever reads them, so every file that could be meant is looked at: one too many costs a
run that begins anew, one too few brings back the result of another model.
"""

from __future__ import annotations

import re
import sys
from itertools import islice
from pathlib import Path

from .folders import output_folder

LONGEST = 500  # of a text that may be a path
PLACE = re.compile(r" \[(input|output|temp)\]$")  # the host's mark behind a name
WORD = re.compile(r"embedding:([^\s,:()<\[\]]+)")  # as prompts name a learned word
WORD_ENDS = ("", ".safetensors", ".pt", ".bin")
FILES = 1000  # of a folder (a diffusers model has some twenty) that are looked at


def file_stamps(text: str) -> list[tuple[int, int]]:
    """Size and mtime (ns) of all input, output and model files and folders, absolute paths and learned words named."""
    words = [f"{word}{end}" for word in WORD.findall(text) for end in WORD_ENDS]
    found = [root / word for root in _models("embeddings") for word in words]
    if 0 < len(text) <= LONGEST and "\n" not in text:
        name = PLACE.sub("", text)
        found += [root / name for root in _written()]
        roots = _read()
        places = dict.fromkeys(root / name for root in roots)  # one, for an absolute path
        found += [path for place in places for path in _with_folder(place, roots)]
    return [stamp for path in dict.fromkeys(found) for stamp in _stamp(path)]


def _with_folder(path: Path, roots: list[Path]) -> list[Path]:
    """The path itself or, of a folder, what is in it; / or .. are no model and no pictures."""
    try:
        if path in roots or ".." in path.parts or len(path.parts) < 3 or not path.is_dir():
            return [path]
        return sorted(islice(path.rglob("*"), FILES))
    except (OSError, ValueError):  # no name for a path at all
        return []


def _stamp(path: Path) -> list[tuple[int, int]]:
    try:
        return [(path.stat().st_size, path.stat().st_mtime_ns)] if path.is_file() else []
    except (OSError, ValueError):
        return []


def _written() -> list[Path]:
    """Where files are looked for and folders are not: those grow while we run."""
    paths = sys.modules.get("folder_paths")
    others = [] if paths is None else [paths.get_output_directory(), paths.get_temp_directory()]
    return [output_folder(), *map(Path, others)]


def _read() -> list[Path]:
    """The host's folders for inputs and models; none without a host."""
    paths = sys.modules.get("folder_paths")
    if paths is None:
        return []
    kinds = [kind for kind in list(paths.folder_names_and_paths) if kind != "custom_nodes"]
    return [Path(paths.get_input_directory()), *(root for kind in kinds for root in _models(kind))]


def _models(kind: str) -> list[Path]:
    paths = sys.modules.get("folder_paths")
    return [] if paths is None else [Path(folder) for folder in paths.get_folder_paths(kind)]
