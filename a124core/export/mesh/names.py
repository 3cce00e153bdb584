"""Where a mesh may be written."""

from __future__ import annotations

from pathlib import Path

from ...utils.validate import plain_name


def checked(path: str | Path, suffixes: tuple[str, ...] = ()) -> Path:
    """The path, if its last part is a name that every system takes and ends in one of the suffixes (none: a folder)."""
    path = Path(path)
    if ".." in path.parts:
        raise ValueError(f"{str(path)!r} is no plain file name: leave out '..'.")
    plain_name(path.name)
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(f"the name {path.name!r} does not end in {' or '.join(suffixes)}: rename it.")
    return path
