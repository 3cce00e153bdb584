"""By how much the exported files of two folders differ: meshes, pictures, films, the viewer's scene, JSON."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from .result_bytes import REPORT, plain_bytes, tensors, without_chance

PLACE, TEXT, INDEX = "place", "text", "index"  # what the name of a value begins with, where it is no plain number
SCENE = re.compile(r'(<script type="text/plain" id="scene">)([^<]*)')
LAYOUT = re.compile(r"\.(offset|bytes|byteOffset|byteLength)$")  # follow from what is compared anyway
GLTF_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
PLY_TYPES = {"float": "<f4", "uchar": "u1", "int": "<i4", "uint": "<u4", "double": "<f8"}
SAFE_TYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "u1"}

Values = dict[str, Any]  # name -> array or text
Named = dict[str, Path]  # path below the folder -> file


@dataclass(frozen=True)
class Difference:
    """The worst of the files of one kind in one export."""

    group: str
    differing: int
    files: int
    largest: float  # inf: something is missing, or has another shape
    unit: str
    location: str

    def line(self) -> str:
        """A row of a Markdown table."""
        amount = "cannot be compared" if self.largest == math.inf else f"{self.largest:.3g} {self.unit}"
        return f"| {self.group} | {self.differing} of {self.files} | {amount} | {self.location} |"


def compared(a: Path, b: Path) -> list[Difference]:
    """Groups of files in two folders, those alone in which bytes differ."""
    first, second = files_of(a), files_of(b)
    groups: dict[str, list[str]] = {}
    for name in sorted({*first, *second}):
        groups.setdefault(group_of(name), []).append(name)
    differences = [_worst(group, names, first, second) for group, names in groups.items()]
    return [difference for difference in differences if difference is not None]


def files_of(folder: Path) -> Named:
    """What is in a folder of exports, without the log of how it was made."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file for name, file in files.items() if name != "log.txt"}


def group_of(name: str) -> str:
    """A file in a folder of files alike counts with them; of names with a number, what stands before it."""
    path = Path(name)
    stem = re.sub(r"\d+", "*", path.stem)
    return (path.parent / f"{stem}{path.suffix}").as_posix()


def _worst(group: str, names: list[str], first: Named, second: Named) -> Difference | None:
    differing = []
    for name in names:
        if name not in first or name not in second:
            differing.append((math.inf, f"{name} is missing", ""))
        elif plain_bytes(first[name]) != plain_bytes(second[name]):
            differing.append((*difference(first[name], second[name]), name))
    if not differing:
        return None
    largest, location, name = max(differing, key=lambda entry: entry[0])
    return Difference(group, len(differing), len(names), largest, unit_of(group), f"{name} {location}".strip())


def difference(a: Path, b: Path) -> tuple[float, str]:  # largest, where
    """Of two files of one kind. Texts that differ count as nothing, and are named."""
    read = READERS.get(a.suffix.lower(), (read_bytes, ""))[0]
    try:
        old, new = read(a), read(b)
    except (ValueError, KeyError, IndexError, OSError, struct.error, zlib.error) as error:
        return math.inf, f"({type(error).__name__}: {error})"
    size = extent([value for name, value in old.items() if name.startswith(PLACE)])
    largest, location, texts = 0.0, "", 0
    for name in [name for name in old if name in new]:
        value = old[name]
        if isinstance(value, str) or isinstance(new[name], str):
            texts += not isinstance(new[name], str) or value != new[name]
            continue
        away = distance(name, value, new[name]) / (size if name.startswith(PLACE) else 1.0)
        largest, location = max((largest, location), (away, name))
    alone = sorted(set(old) ^ set(new))
    if alone:
        return math.inf, f"(only one has {', '.join(alone[:3])}; what both have: {largest:.3g} {location})"
    return largest, f"{location}{f' ({texts} texts differ)' if texts else ''}"


def distance(name: str, a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of two arrays; of faces and the like any is too large."""
    if a.shape != b.shape:
        return math.inf
    away = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))
    return math.inf if math.isnan(away) or (away and name.startswith(INDEX)) else away


def extent(points: list[np.ndarray]) -> float:
    """The longest side of what the points fill; 1 if there are none."""
    filled = [p.reshape(-1, p.shape[-1]).astype(np.float64) for p in points if p.size]
    sides = [float((p.max(0) - p.min(0)).max()) for p in filled]
    return max(sides, default=1.0) or 1.0


def unit_of(name: str) -> str:
    return READERS.get(Path(name).suffix.lower(), (None, "of 255"))[1]


def read_bytes(path: Path) -> Values:
    return {"bytes": np.frombuffer(path.read_bytes(), np.uint8)}


def read_json(path: Path) -> Values:
    values = json.loads(path.read_text(encoding="utf-8"))
    return flattened(without_chance(values) if path.name == REPORT else values)


def flattened(values: Any, name: str = "") -> Values:
    """Every number and text of a JSON value under its path."""
    if isinstance(values, (dict, list)):
        inner = values.items() if isinstance(values, dict) else enumerate(values)
        each = [flattened(value, f"{name}.{key}") for key, value in inner]
        return {path: value for entries in each for path, value in entries.items() if not LAYOUT.search(path)}
    return {name: str(values) if isinstance(values, (str, type(None))) else np.array(values, np.float64)}


def read_image(source: Path | BytesIO) -> Values:
    """Every frame in levels of 255; 16 bits are brought to them."""
    from PIL import Image, ImageSequence

    with Image.open(source) as opened:
        frames = [f if f.mode.startswith("I") else f.convert("RGBA") for f in ImageSequence.Iterator(opened)]
        values = [np.asarray(frame) for frame in frames]
    return {f"frame {k}": v / 257.0 if v.dtype.itemsize > 1 else v for k, v in enumerate(values)}


def read_film(path: Path) -> Values:
    import av

    with av.open(str(path)) as film:
        return {f"frame {k}": frame.to_ndarray(format="rgb24") for k, frame in enumerate(film.decode(video=0))}


def read_page(path: Path) -> Values:
    """The viewer's page: its text, and the scene inside it."""
    page = path.read_text(encoding="utf-8")
    match = SCENE.search(page)
    if match is None:
        return read_bytes(path)
    return {TEXT: SCENE.sub(r"\1", page), **unpacked(base64.b64decode(match[2]))}


def unpacked(packed: bytes) -> Values:
    """docs/viewer-format.md: eight letters, version, length of the header, header, frames."""
    _, length = struct.unpack_from("<II", packed, 8)
    header = json.loads(packed[16 : 16 + length])
    values = flattened(header, "header")
    for k, entry in enumerate(header["frames"]):
        begin = 16 + length + entry["offset"]
        steps = np.frombuffer(zlib.decompress(packed[begin : begin + entry["bytes"]]), np.uint8)
        values[f"frame {k}"] = steps.reshape(-1, header["size"][0]).cumsum(1, dtype=np.uint8)
    return values


def read_glb(path: Path) -> Values:
    """Accessors in their order, pictures, and the document."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document, buffer = json.loads(data[20 : 20 + length]), data[28 + length :]
    points = _places(document)
    values = flattened({key: value for key, value in document.items() if key not in ("accessors", "bufferViews")})
    for k, accessor in enumerate(document.get("accessors", [])):
        kind = PLACE if k in points else INDEX if _is_index(document, accessor) else "values"
        values[f"{kind} {k}"] = _accessed(document, accessor, buffer)
    for k, image in enumerate(document.get("images", [])):
        view = document["bufferViews"][image["bufferView"]]
        encoded = buffer[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        values |= {f"image {k} {name}": f / 255.0 for name, f in read_image(BytesIO(encoded)).items()}
    return values


def _places(document: dict[str, Any]) -> set[int]:
    primitives = [p for mesh in document.get("meshes", []) for p in mesh["primitives"]]
    groups = [group for p in primitives for group in (p["attributes"], *p.get("targets", []))]
    return {group["POSITION"] for group in groups if "POSITION" in group}


def _is_index(document: dict[str, Any], accessor: dict[str, Any]) -> bool:
    return document["bufferViews"][accessor["bufferView"]].get("target") == 34963


def _accessed(document: dict[str, Any], accessor: dict[str, Any], buffer: bytes) -> np.ndarray:  # (N, C)
    view = document["bufferViews"][accessor["bufferView"]]
    kind, columns = np.dtype(GLTF_TYPES[accessor["componentType"]]), COLUMNS[accessor["type"]]
    stride = view.get("byteStride", kind.itemsize * columns)
    begin = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.ndarray((accessor["count"], columns), kind, buffer, begin, (stride, kind.itemsize))
    return values / np.iinfo(kind).max if accessor.get("normalized") else values


def read_ply(path: Path) -> Values:
    """Binary PLY: points with what belongs to them, and triangles."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = [line.split() for line in head.decode().splitlines()]
    counts = {line[1]: int(line[2]) for line in lines if line[0] == "element"}
    rows = np.dtype([(line[2], PLY_TYPES[line[1]]) for line in lines if line[0] == "property" and line[1] != "list"])
    points = np.frombuffer(body, rows, counts["vertex"])
    values: Values = {PLACE: np.stack([points[axis] for axis in "xyz"], 1)}
    for name in rows.names[3:]:
        values[name] = points[name] / 255.0 if rows[name] == np.uint8 else points[name]
    return {**values, INDEX: np.frombuffer(body, np.uint8, offset=rows.itemsize * len(points))}


def read_obj(path: Path) -> Values:
    """v x y z r g b, vn, f; other lines are text."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    points = np.array([line[1:] for line in lines if line[:1] == ["v"]], np.float64)
    normals = np.array([line[1:] for line in lines if line[:1] == ["vn"]], np.float64)
    faces = [re.findall(r"\d+", " ".join(line[1:])) for line in lines if line[:1] == ["f"]]
    other = "\n".join(" ".join(line) for line in lines if line and line[0] not in ("v", "vn", "f"))
    return {PLACE: points[:, :3], "colours": points[:, 3:], "normals": normals, INDEX: np.array(faces, np.int64),
            TEXT: other}


def read_usd(path: Path) -> Values:
    """Every attribute of every prim, at each of its times."""
    from pxr import Usd

    values, stage = {}, Usd.Stage.Open(str(path))
    for prim in stage.Traverse():
        for attribute in prim.GetAttributes():
            for time in attribute.GetTimeSamples() or [Usd.TimeCode.Default()]:
                values |= _attribute(f"{attribute.GetPath()} {time}", attribute.Get(time))
    return values


def _attribute(name: str, value: Any) -> Values:
    try:
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError):
        return {f"{TEXT} {name}": str(value)}
    kind = PLACE if ".points " in name else INDEX if ".faceVertex" in name else "values"
    return {f"{kind} {name}": np.nan_to_num(numbers)}  # NaN: nothing is said


def read_field(path: Path) -> Values:
    """Tensors in an order that no name has part in."""
    ordered = enumerate(sorted((shape, dtype, data) for _, dtype, shape, data in tensors(path)))
    return {f"tensor {k} {shape}": np.frombuffer(data, SAFE_TYPES[dtype]) for k, (shape, dtype, data) in ordered}


LEVELS, SHARE, NUMBER = "of 255", "of the size, or of 1", "(numbers)"
READERS: dict[str, tuple[Callable[[Path], Values], str]] = {
    ".json": (read_json, NUMBER),
    ".safetensors": (read_field, NUMBER),
    **dict.fromkeys((".png", ".gif", ".webp", ".jpg"), (read_image, LEVELS)),
    **dict.fromkeys((".mp4", ".webm"), (read_film, LEVELS)),
    ".html": (read_page, LEVELS),
    ".glb": (read_glb, SHARE),
    ".ply": (read_ply, SHARE),
    ".obj": (read_obj, SHARE),
    **dict.fromkeys((".usd", ".usda", ".usdc"), (read_usd, SHARE)),
}
