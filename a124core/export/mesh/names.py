"""File names that work on every system."""

from __future__ import annotations

from pathlib import Path

FORBIDDEN = '<>:"|?*'  # on Windows; a drive's colon is never in a path's last part
RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10))}


def checked(path: str | Path, suffixes: tuple[str, ...] = ()) -> Path:
    """The path, if its last part is a name that Windows takes too and ends in one of the suffixes (none: a folder)."""
    path = Path(path)
    name, example = path.name, f"scene{suffixes[0] if suffixes else ''}"
    if not name or ".." in path.parts:
        raise ValueError(f"{str(path)!r} is no plain file name: leave out '..' and give a name such as {example!r}.")
    if any(c in FORBIDDEN or ord(c) < 32 for c in name) or name[-1] in " .":
        raise ValueError(f"{name!r} is no name on Windows ({FORBIDDEN} or its end): use letters, as {example!r}.")
    if name.split(".")[0].strip().lower() in RESERVED:
        raise ValueError(f"{name!r} is a device on Windows: choose another name, such as {example!r}.")
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(f"{name!r} ends in {path.suffix!r}: this format needs {' or '.join(suffixes)}.")
    return path
