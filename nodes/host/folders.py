"""Files in the host's input and output folders."""

from __future__ import annotations

from pathlib import Path

from .runtime import host_module


def output_folder() -> Path:
    """Our part of the host's output folder; ./output/animate124 without a host. Not created here."""
    paths = host_module("folder_paths")
    return Path(paths.get_output_directory() if paths is not None else "output") / "animate124"


def output_reference(path: Path) -> dict[str, str]:
    """How the host's /view names a file below our output folder."""
    below = path.relative_to(output_folder().resolve().parent)
    return {"filename": below.name, "subfolder": below.parent.as_posix(), "type": "output"}


def resolve_user_file(text: str) -> Path:
    """A file that a widget names, in the host's input folder or in our output folder; nowhere else is looked."""
    paths = host_module("folder_paths")
    roots = [output_folder()] if paths is None else [Path(paths.get_input_directory()), output_folder()]
    for root in (root.resolve() for root in roots):
        path = (root / text).resolve()
        if root in path.parents and path.is_file():
            return path
    raise ValueError(f"{text!r} is neither in the input folder nor in {roots[-1]}: put the file there.")


def output_relative_path(path: Path) -> str:
    """The path as the host's own nodes want it: below its output folder, with forward slashes."""
    return path.relative_to(output_folder().resolve().parent).as_posix()


def ui_3d(path: Path) -> dict[str, list[dict[str, str]]]:
    """What the host shows as a 3D result; nothing for a folder."""
    if path.is_dir():
        return {}
    return {"3d": [output_reference(path)]}
