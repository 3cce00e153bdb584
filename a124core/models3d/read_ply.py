"""The header of a PLY file, checked against the file's size before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..utils.text import quote_value

ADVICE = "give a model as .glb, .obj, .ply, .splat or .spz"
MAX_HEADER = 2**16  # bytes
MAX_ROWS = 20_000_000  # of an element
TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}
GAUSSIAN_COLUMNS = (
    "x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2",
    "rot_3",
)


@dataclass(frozen=True)
class PlyElement:
    """Rows of one kind; lists among the columns make rows of unknown length."""

    name: str
    count: int
    columns: tuple[tuple[str, str], ...]  # name and numpy type; "list" for lists


@dataclass(frozen=True)
class PlyHeader:
    """What a PLY file says that it holds."""

    path: Path
    binary: bool  # little-endian
    elements: tuple[PlyElement, ...]
    start: int  # byte at which the data begin

    @property
    def has_gaussians(self) -> bool:
        names = {name for name, _ in self.elements[0].columns}
        return self.elements[0].name == "vertex" and {"scale_0", "rot_0", "opacity"} <= names

    def vertices(self) -> np.ndarray:
        """Read the first element, of which no column is a list, as a structured array."""
        element = self.elements[0]
        if not self.binary or any(kind == "list" for _, kind in element.columns):
            raise ValueError(f"{self.path} holds Gaussians that are not binary, little-endian rows: {ADVICE}.")
        dtype = np.dtype([(name, f"<{kind}") for name, kind in element.columns])
        return np.fromfile(self.path, dtype, element.count, offset=self.start)


def read_ply_header(path: Path) -> PlyHeader:
    """Read the header; ValueError unless the file is long enough for the rows that it announces."""
    with path.open("rb") as file:
        text = file.read(MAX_HEADER)
    end = text.find(b"end_header")
    line_end = text.find(b"\n", end)
    if not text.startswith(b"ply") or end < 0 or line_end < 0:
        raise ValueError(f"{path} is no PLY file: {ADVICE}.")
    lines = [line.split() for line in text[:end].decode("ascii", "replace").splitlines()[1:]]
    formats = [line[1] for line in lines if len(line) > 1 and line[0] == "format"]
    if formats not in (["ascii"], ["binary_little_endian"]):
        raise ValueError(f"{path} is a PLY file of an unknown format: save it as binary, little-endian.")
    header = PlyHeader(path, formats != ["ascii"], _elements(path, lines), line_end + 1)
    needed = sum(element.count * max(1, _row_bytes(element, header.binary)) for element in header.elements)
    if path.stat().st_size < header.start + needed:
        raise ValueError(f"{path} is shorter than its header says: the file is incomplete, copy it again.")
    return header


def _elements(path: Path, lines: list[list[str]]) -> tuple[PlyElement, ...]:
    elements: list[PlyElement] = []
    for line in lines:
        if line[:1] == ["element"] and len(line) == 3:
            if not line[2].isdigit() or len(line[2]) > 9 or int(line[2]) > MAX_ROWS:
                raise ValueError(f"{path} has {quote_value(line[2])} rows, at most {MAX_ROWS} are read: reduce it.")
            elements.append(PlyElement(line[1], int(line[2]), ()))
        elif line[:1] == ["property"] and len(line) >= 3 and elements:
            kind = "list" if line[1] == "list" else TYPES.get(line[1])
            last = elements[-1]
            if kind is None or any(name == line[-1] for name, _ in last.columns):
                raise ValueError(f"{path} has a column {quote_value(line[-1])} that cannot be read: export it again.")
            elements[-1] = PlyElement(last.name, last.count, (*last.columns, (line[-1], kind)))
    if not elements:
        raise ValueError(f"{path} is a PLY file without elements: {ADVICE}.")
    return tuple(elements)


def _row_bytes(element: PlyElement, binary: bool) -> int:
    """Return the fewest bytes of a row: a list has at least its count, a number in text a digit and a space."""
    if not binary:
        return 2 * len(element.columns)
    return sum(1 if kind == "list" else np.dtype(kind).itemsize for _, kind in element.columns)
