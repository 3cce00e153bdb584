"""Which files a widget's text names, by their content: a result depends on what is in them, not on names and times.

Only the node that reads a name knows its folder, so every file that it may mean is taken: one too many restarts a run,
one too few returns the result of another model.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import islice
from pathlib import Path

from .embeddings import HOST_NAME
from .folders import model_roots, output_folder
from .runtime import host_module

NEVER_SAME = float("nan")  # from IS_CHANGED: the host runs the node each time
MAX_LENGTH = 500  # of a text that may be a path
ANNOTATION = re.compile(r" \[(input|output|temp)\]$")  # the host's mark behind a name
EMBEDDING_SUFFIXES = ("", ".safetensors", ".pt", ".bin")
MAX_FILES = 1000  # of a folder (a diffusers model has some twenty)
HASHED = 64 * 2**20  # bytes up to which a file is read, as a picture or a clip; of gigabytes of a model the time counts
Stamp = tuple[int, int | str]


def file_stamps(text: str) -> list[Stamp]:
    """Return the size and SHA-256 of every input, output or model file, folder or embedding that a text may name; of a
    file larger than HASHED its mtime (ns) in place of the hash."""
    names = [f"{name}{suffix}" for name in HOST_NAME.findall(text) for suffix in EMBEDDING_SUFFIXES]
    paths = [root / name for root in model_roots("embeddings") for name in names]
    if 0 < len(text) <= MAX_LENGTH and "\n" not in text:
        name, roots = ANNOTATION.sub("", text), _input_roots()
        paths += [root / name for root in _output_roots()]
        candidates = dict.fromkeys(root / name for root in roots)  # one, for an absolute path
        paths += [path for candidate in candidates for path in _with_content(candidate, roots)]
    return [stamp for path in dict.fromkeys(paths) for stamp in _stamp(path)]


def _with_content(path: Path, roots: list[Path]) -> list[Path]:
    """Return the path itself or, of a folder, its files; / or .. name no model and no images."""
    try:
        if path in roots or ".." in path.parts or len(path.parts) < 3 or not path.is_dir():
            return [path]
        return sorted(islice(path.rglob("*"), MAX_FILES))
    except (OSError, ValueError):  # no name for a path at all
        return []


def _stamp(path: Path) -> list[Stamp]:
    try:
        if not path.is_file():
            return []
        size, time = path.stat().st_size, path.stat().st_mtime_ns
        return [(size, time if size > HASHED else _content_hash(path, size, time))]
    except (OSError, ValueError):
        return []


@lru_cache(maxsize=4 * MAX_FILES)
def _content_hash(path: Path, size: int, time: int) -> str:
    """Read a file once for each size and time that it has."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _output_roots() -> list[Path]:
    """Folders whose files count and whose subfolders do not: those grow during a run."""
    paths = host_module("folder_paths")
    others = [] if paths is None else [paths.get_output_directory(), paths.get_temp_directory()]
    return [output_folder(), *map(Path, others)]


def _input_roots() -> list[Path]:
    """Return the host's folders for inputs and models; none without a host."""
    paths = host_module("folder_paths")
    if paths is None:
        return []
    kinds = [kind for kind in list(paths.folder_names_and_paths) if kind != "custom_nodes"]
    return [Path(paths.get_input_directory()), *(root for kind in kinds for root in model_roots(kind))]
