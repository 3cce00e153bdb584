"""What pickles of torch.save may hold and call: tensors as descriptions, and the shells of a training program."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_AXES = 16
MAX_NUMEL = 2**62  # torch counts in 64 bits, axes of length 0 as 1
ITEM_BYTES = {  # by storage class
    "Bool": 1, "Byte": 1, "Char": 1, "Half": 2, "BFloat16": 2, "Short": 2, "Float": 4, "Int": 4, "Double": 8, "Long": 8,
}  # fmt: skip
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "half", "float16", "bfloat16", "float32", "float64")
CONSTANTS = {f"torch.{name}" for name in DTYPES}
# Classes of a training program beside the weights, read as empty shells (ComfyUI's list); numpy 2 renamed its module.
SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
NUMBER_TYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")  # of numpy scalars
SHELLS = ("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "numpy.dtype", *SCALARS)


class UnsafePickleError(Exception):
    """A pickle that holds more than tensors, texts, numbers, dictionaries and lists."""


class DamagedPickleError(Exception):
    """A pickle that ends early, or whose tensors do not fit their storages."""


@dataclass(frozen=True)
class Global:
    """A class or function by its name."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Memory that a file holds, by its key."""

    key: str
    item_bytes: int
    numel: int

    @property
    def nbytes(self) -> int:
        return self.item_bytes * self.numel


@dataclass(frozen=True)
class StoredTensor:
    """A view of a storage."""

    storage: Storage
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return self.storage.item_bytes * math.prod(self.shape)


class Shell:
    """An object of which only the place counts."""


def global_of(argument: str) -> Global:
    """Return a name that pickles of weights have."""
    name = argument.replace("__builtin__ ", "builtins.").replace(" ", ".", 1)  # Python 2's name, which protocol 2 keeps
    if name not in CALLS and name not in SHELLS and name not in CONSTANTS and not _storage_name(name):
        raise UnsafePickleError(f"it names {name[:80]!r}")
    return Global(name)


def _storage_name(name: str) -> str:
    """Return "Float" of "torch.FloatStorage", "" of anything that is no storage."""
    start = name.removeprefix("torch.").removesuffix("Storage")
    return start if f"torch.{start}Storage" == name and start in ITEM_BYTES else ""


def item_bytes_of(storage_class: Global) -> int:
    return ITEM_BYTES[_storage_name(storage_class.name)]


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> StoredTensor:
    """Describe a view; one that needs more numbers than its storage has (stride 0) is refused."""
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, Storage) or not all(type(n) is int and n >= 0 for n in numbers):
        raise DamagedPickleError("a tensor has no plain shape")
    if len(shape) != len(stride) or len(shape) > MAX_AXES:
        raise DamagedPickleError("a tensor has no plain shape")
    if 0 in shape and math.prod(max(n, 1) for n in shape) < MAX_NUMEL:
        return StoredTensor(storage, shape)
    end = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True)) + 1
    if 0 in shape or math.prod(shape) > storage.numel or end > storage.numel:
        raise DamagedPickleError("a tensor is larger than what the file holds of it")
    return StoredTensor(storage, shape)


def _parameter(tensor: StoredTensor, requires_grad: bool, hooks: dict[Any, Any]) -> StoredTensor:
    if not isinstance(tensor, StoredTensor) or type(requires_grad) is not bool or hooks != {}:
        raise DamagedPickleError("a parameter is no tensor")
    return tensor


def _ordered_dict() -> dict[Any, Any]:
    return {}


def _size(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not all(type(n) is int and n >= 0 for n in shape):
        raise DamagedPickleError("a shape is none")
    return tuple(shape)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise UnsafePickleError("it encodes text")
    return text.encode("latin-1")


def _counter(counts: dict[Any, Any]) -> Shell:
    if type(counts) is not dict or not all(type(n) is int for n in counts.values()):
        raise UnsafePickleError("it counts what is no number")
    return Shell()


def _set(items: list[Any]) -> Shell:
    if type(items) is not list or not all(isinstance(item, (str, int, float)) for item in items):
        raise UnsafePickleError("a set holds what is no text or number")
    return Shell()


def _device(name: str) -> Shell:
    if type(name) is not str or len(name) > 20:
        raise UnsafePickleError("a device is none")
    return Shell()


def _dtype(name: str, align: bool, copy: bool) -> Shell:
    if name not in NUMBER_TYPES or type(align) is not bool or type(copy) is not bool:
        raise UnsafePickleError("a number of numpy is none")
    return Shell()


def _scalar(dtype: Shell, value: bytes) -> Shell:
    if type(dtype) is not Shell or type(value) is not bytes or len(value) > 8:
        raise UnsafePickleError("a number of numpy is none")
    return Shell()


CALLS: Mapping[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _counter,
    "torch.Size": _size,
    "torch.device": _device,
    "builtins.set": _set,
    "_codecs.encode": _encode,
    "numpy.dtype": _dtype,
    **dict.fromkeys(SCALARS, _scalar),
}
