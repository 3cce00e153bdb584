"""Say which tensors a pickle of torch.save describes, without building anything: no call in it is made."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .pickle_values import (
    CALLS,
    SHELLS,
    DamagedPickleError,
    Global,
    Shell,
    Storage,
    StoredTensor,
    UnsafePickleError,
    global_of,
    item_bytes_of,
)

MAX_TEXT = 16 * 2**20  # bytes; notes of training programs
MAX_OPCODES = 500_000  # a second; a checkpoint of 2,000 weights has some 100,000
KEY_TYPES = (str, int, float, bytes, bool, type(None))  # of dictionaries; nested tuples can take for ever to hash


@dataclass
class PickleLayout:
    """The content of a pickle: values as they are, tensors described."""

    root: Any = None
    storages: dict[str, Storage] = field(default_factory=dict)
    tensors: list[StoredTensor] = field(default_factory=list)


class _Bounded:
    """A file that never reads more at once than any pickle of weights needs: lengths in it may say anything."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, length: int) -> bytes:
        if length > MAX_TEXT:
            raise DamagedPickleError("a text in its pickle is longer than any")
        return self.file.read(length)

    def readline(self) -> bytes:
        return self.file.readline(MAX_TEXT)


def read_pickle_layout(file: BinaryIO) -> PickleLayout:
    """Read one pickle from where the file stands to its end; UnsafePickleError or DamagedPickleError."""
    reader = _Reader()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(_Bounded(file))):
            if count == MAX_OPCODES:
                raise DamagedPickleError("it has more steps than any checkpoint")
            reader.step(opcode.name, argument)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedPickleError(f"{type(error).__name__} in its pickle") from None
    return reader.layout


class _Reader:
    """The stack machine of pickles, for what torch.save writes and torch.load(weights_only=True) reads."""

    def __init__(self) -> None:
        self.layout = PickleLayout()
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks below a mark
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in PUSHED:
            self.stack.append(PUSHED[opcode](argument))
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif opcode == "MARK":
            self.outer.append(self.stack)
            self.stack = []
        elif opcode in ACTIONS:
            ACTIONS[opcode](self)
        elif opcode == "STOP":
            self.layout.root = self.stack.pop()
        elif opcode != "PROTO":
            raise UnsafePickleError(f"it has the operation {opcode}")

    def _above_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def _tuple(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) != count:
            raise IndexError
        self.stack[-count:] = [items]

    def _mark_tuple(self) -> None:
        items = tuple(self._above_mark())
        self.stack.append(items)

    def _append(self) -> None:
        self._extend([self.stack.pop()])

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError
        self.stack[-1].extend(items)

    def _set_items(self, items: list[Any]) -> None:
        """Put pairs into a dictionary, whose keys are plain or a class."""
        if type(self.stack[-1]) is not dict or len(items) % 2:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (*KEY_TYPES, Global)):
                raise UnsafePickleError(f"a key is a {type(key).__name__}")
            self.stack[-1][key] = value

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _persistent(self) -> None:
        """Read a storage: ("storage", class, key, device, numel), and in files before torch 1.6 a last None."""
        kind, storage_class, key, _, numel, *rest = self.stack.pop()
        item_bytes = item_bytes_of(storage_class)
        plain = isinstance(key, str) and type(numel) is int and numel >= 0 and rest in ([], [None])
        if kind != "storage" or not plain:
            raise DamagedPickleError("it describes a storage that is none")
        storage = Storage(key, item_bytes, numel)
        if self.layout.storages.setdefault(key, storage) != storage:
            raise DamagedPickleError("it describes one storage in two ways")
        self.stack.append(storage)

    def _call(self) -> None:
        arguments = self.stack.pop()
        name = self.stack[-1].name
        if name not in CALLS:
            raise UnsafePickleError(f"it calls {name[:80]!r}")
        result = CALLS[name](*arguments)
        if isinstance(result, StoredTensor):
            self.layout.tensors.append(result)
        self.stack[-1] = result

    def _new_object(self) -> None:
        arguments = self.stack.pop()
        if self.stack[-1].name not in SHELLS or arguments != ():
            raise UnsafePickleError(f"it makes a {self.stack[-1].name[:80]!r}")
        self.stack[-1] = Shell()

    def _build(self) -> None:
        """Allow the state of a shell, and the notes of a state_dict."""
        state, target = self.stack.pop(), self.stack[-1]
        notes = type(target) is dict and type(state) is dict and set(state) <= {"_metadata"}
        shell = type(target) is Shell and (type(state) is dict and all(type(name) is str for name in state))
        dtype = type(target) is Shell and type(state) is tuple and all(isinstance(item, KEY_TYPES) for item in state)
        if not notes and not shell and not dtype:
            raise UnsafePickleError("it sets the state of an object")


PUSHED: Mapping[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "GLOBAL": global_of,
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "LONG1"), lambda value: value),
    "SHORT_BINSTRING": lambda value: value,
}
ACTIONS: Mapping[str, Callable[[_Reader], None]] = {
    "TUPLE": _Reader._mark_tuple,
    "TUPLE1": lambda reader: reader._tuple(1),
    "TUPLE2": lambda reader: reader._tuple(2),
    "TUPLE3": lambda reader: reader._tuple(3),
    "APPEND": _Reader._append,
    "APPENDS": lambda reader: reader._extend(reader._above_mark()),
    "SETITEM": _Reader._set_item,
    "SETITEMS": lambda reader: reader._set_items(reader._above_mark()),
    "BINPERSID": _Reader._persistent,
    "REDUCE": _Reader._call,
    "NEWOBJ": _Reader._new_object,
    "BUILD": _Reader._build,
}
