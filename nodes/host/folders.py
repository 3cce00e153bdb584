"""The host's input, output and model folders."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ...a124core.utils.text import quote_value
from .runtime import host_module


def output_folder() -> Path:
    """Return our part of the host's output folder, ./output/animate124 without a host; it is not created here."""
    paths = host_module("folder_paths")
    return Path(paths.get_output_directory() if paths is not None else "output") / "animate124"


def output_relative_path(path: Path) -> str:
    """Return a path as the host's own nodes take it: relative to its output folder, with forward slashes."""
    return path.relative_to(output_folder().resolve().parent).as_posix()


def output_reference(path: Path) -> dict[str, str]:
    """Return how the host's /view names a file in our output folder."""
    relative = PurePosixPath(output_relative_path(path))
    return {"filename": relative.name, "subfolder": str(relative.parent), "type": "output"}


def ui_3d(path: Path) -> dict[str, list[dict[str, str]]]:
    """Return what the host shows as a 3D result; nothing for a folder."""
    return {} if path.is_dir() else {"3d": [output_reference(path)]}


def resolve_user_file(text: str) -> Path:
    """Return the file that a widget names, in the host's input folder or in our output folder and nowhere else."""
    paths = host_module("folder_paths")
    roots = [output_folder()] if paths is None else [Path(paths.get_input_directory()), output_folder()]
    for root in (root.resolve() for root in roots):
        try:
            path = (root / text).resolve()
            if root in path.parents and path.is_file():
                return path
        except (OSError, ValueError):  # too long, or a character that no path has
            break
    raise ValueError(f"{quote_value(text)} is neither in the input folder nor in {roots[-1]}: put the file there.")


def model_roots(kind: str) -> list[Path]:
    """Return the host's folders for one kind of model; none without a host, or for a kind that it does not know."""
    paths = host_module("folder_paths")
    known = paths is not None and kind in paths.folder_names_and_paths
    return [Path(folder) for folder in paths.get_folder_paths(kind)] if known else []
