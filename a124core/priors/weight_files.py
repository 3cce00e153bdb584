"""Read weights from foreign files: tensors alone, no code in them is run, and their sizes are checked before."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..utils.safetensors_layout import read_layout
from ..utils.text import first_line
from .pickle_layout import PickleLayout, read_pickle_layout
from .pickle_values import NUMBER_TYPES, SHELLS, DamagedPickleError, UnsafePickleError

SAFE_TORCH = "2.6"  # before it, weights_only did not keep its promise (CVE-2025-32434)
SAFETENSORS = (".safetensors", ".sft")
ZIP_START = b"PK\x03\x04"
OLD_START = (0x1950A86A20F9469CFC6C, 1001)  # two pickles at the start of files before torch 1.6
MAX_PICKLE = 64 * 2**20  # bytes; those of checkpoints of several GB have less than 1 MB
MAX_ENTRIES = 100_000  # of a zip file: storages, that is weights
COPY = "copy it again"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors, .ckpt, .pth or .bin as name -> tensor; a `state_dict` inside is opened."""
    content = load_checkpoint(path)
    inner = content.get("state_dict", content) if isinstance(content, dict) else {}
    return {str(n): w for n, w in inner.items() if isinstance(w, Tensor)} if isinstance(inner, dict) else {}


def load_checkpoint(path: Path) -> Any:
    """Load tensors, texts, numbers, dicts and lists from a file of weights; anything else in it is refused."""
    check_checkpoint(path)
    try:
        return load_file(path) if path.suffix in SAFETENSORS else _unpickled(path)
    except Exception as error:  # the file is checked already: what a reader still finds is damage, whatever it raises
        raise ValueError(f"{path} is damaged or holds no weights ({first_line(error)}): {COPY}.") from None


def check_checkpoint(path: Path) -> None:
    """Refuse a file that holds more than tensors, or tensors that do not fit it, before any is read: ValueError."""
    if not path.is_file():
        raise ValueError(f"{path} was not found: check its name.")
    if path.suffix in SAFETENSORS:
        read_layout(path)
    else:
        checkpoint_layout(path)


def checkpoint_layout(path: Path) -> PickleLayout:
    """Return what a file of torch.save describes: ValueError if that is more than tensors, or does not fit it."""
    if torch.__version__ < SAFE_TORCH:
        raise ValueError(
            f"{path.name} could run code in torch {torch.__version__} (CVE-2025-32434): "
            f"update torch to {SAFE_TORCH} or newer, or convert the file to .safetensors."
        )
    try:
        with path.open("rb") as file:
            return _pickled_layout(file, path.stat().st_size)
    except UnsafePickleError as error:
        raise ValueError(
            f"{path} contains more than tensors ({error}) and was not opened, for your safety: convert it to "
            ".safetensors."
        ) from None
    except (DamagedPickleError, OSError) as error:
        raise ValueError(f"{path} is damaged or holds no weights ({first_line(error)}): {COPY}.") from None


def _pickled_layout(file: BinaryIO, size: int) -> PickleLayout:
    """Check either layout of torch.save: a zip file, or before torch 1.6 pickles with the storages behind them."""
    zipped = file.read(len(ZIP_START)) == ZIP_START
    file.seek(0)
    layout = _zipped_layout(file, size) if zipped else _old_layout(file, size)
    if sum(tensor.nbytes for tensor in layout.tensors) > 2 * size:
        raise DamagedPickleError("its tensors share memory")
    return layout


def _zipped_layout(file: BinaryIO, size: int) -> PickleLayout:
    """Check that every storage lies in the zip file as it is, and read the pickle that describes the tensors."""
    _check_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename.lower(): entry for entry in archive.infolist()}
            if len(entries) != len(archive.infolist()) or not entries:
                raise DamagedPickleError("two of its entries have one name")
            stored = all(e.compress_type == zipfile.ZIP_STORED and not e.flag_bits & 1 for e in entries.values())
            if not stored or sum(e.file_size for e in entries.values()) > size:
                raise DamagedPickleError("it was packed by another program than torch")
            folder = archive.infolist()[0].filename.split("/")[0].lower()
            pickled = entries.get(f"{folder}/data.pkl")
            if pickled is None or pickled.file_size > MAX_PICKLE:
                raise DamagedPickleError("it has no data.pkl")
            with archive.open(pickled) as opened:
                layout = read_pickle_layout(opened)
    except DamagedPickleError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise DamagedPickleError(first_line(error)) from None
    for storage in layout.storages.values():
        entry = entries.get(f"{folder}/data/{storage.key}".lower())
        if entry is None or entry.file_size != storage.nbytes:
            raise DamagedPickleError("a tensor has another size than the file holds of it")
    return layout


def _check_directory(file: BinaryIO, size: int) -> None:
    """Refuse a zip file whose table of contents is longer than any checkpoint's, before it is read into objects."""
    tail = min(size, 2**16 + 22)  # the end record and the longest comment
    file.seek(size - tail)
    data = file.read(tail)
    place = data.rfind(b"PK\x05\x06")
    start = int.from_bytes(data[place + 16 : place + 20], "little") if place >= 0 else 0
    count = int.from_bytes(data[place + 10 : place + 12], "little") if place >= 0 else 0
    locator = data.rfind(b"PK\x06\x06")  # of files with more entries or bytes than the end record can say
    if locator >= 0 and (count == 2**16 - 1 or start == 2**32 - 1):
        count = int.from_bytes(data[locator + 32 : locator + 40], "little")
    file.seek(0)
    if count > MAX_ENTRIES:
        raise DamagedPickleError(f"it has {count} entries")


def _old_layout(file: BinaryIO, size: int) -> PickleLayout:
    """Check the pickles of a file before torch 1.6, and that the storages fill the rest of it."""
    for expected in OLD_START:
        if read_pickle_layout(file).root != expected:
            raise DamagedPickleError("it was not written by torch")
    read_pickle_layout(file)  # the sizes of C types on the writer's machine
    layout, keys = read_pickle_layout(file), read_pickle_layout(file).root
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise DamagedPickleError("it names no storages")
    if sorted(keys) != sorted(layout.storages):
        raise DamagedPickleError("it names other storages than it uses")
    if file.tell() + sum(8 + storage.nbytes for storage in layout.storages.values()) > size:
        raise DamagedPickleError("a tensor is larger than what the file holds of it")
    return layout


def _unpickled(path: Path) -> Any:
    """Load a checked file; a training program's own classes become empty ones."""
    shells = [(_shell(name), name) for name in SHELLS]
    dtypes = {type(np.dtype(name)) for name in NUMBER_TYPES}  # a host allows numpy's own dtype, whose state is then set
    with torch.serialization.safe_globals([*shells, *dtypes]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=_mappable(path))


def _shell(name: str) -> type:
    """Return an empty class for a class or function of this name, whatever it is called with."""

    class Shell:
        def __new__(cls, *arguments: Any) -> Any:
            return object.__new__(cls)

        def __init__(self, *arguments: Any) -> None: ...

        def __setstate__(self, state: Any) -> None: ...

    Shell.__module__, _, Shell.__qualname__ = name.rpartition(".")
    return Shell


def _mappable(path: Path) -> bool:
    """Check whether a file has torch's zip layout, which need not be read whole."""
    with path.open("rb") as file:
        return file.read(2) == b"PK" and sys.platform != "win32"
