"""Ways to damage files of tensors: the header of safetensors, zip files and pickles of torch.save."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from tests.fuzz.mutations import damage_bytes, damage_json, json_bytes, odd_value

DTYPES = ("BOOL", "U8", "I8", "F8_E4M3", "F16", "BF16", "I32", "U32", "F32", "F64", "C64", "F4", "f32", "")


# safetensors


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a whole file."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def damage_safetensors(rng: random.Random, data: bytes) -> bytes:
    """Damage bytes, the header's JSON, one tensor's description, the notes in it, or the numbers."""
    return rng.choice(SAFETENSORS_CHANGES)(rng, data)


def _header_json(rng: random.Random, data: bytes) -> bytes:
    header, rest = split(data)
    return joined(json_bytes(rng, damage_json(rng, header)), rest)


def _description(rng: random.Random, data: bytes) -> bytes:
    """Another type, shape or place of some tensors."""
    header, rest = split(data)
    for name in rng.sample(names := sorted(set(header) - {"__metadata__"}), min(rng.randint(1, 2), len(names))):
        entry = header[name]
        change = rng.randrange(6)
        if change == 0:
            entry["dtype"] = rng.choice(DTYPES)
        elif change == 1 and entry["shape"]:
            entry["shape"][rng.randrange(len(entry["shape"]))] = odd_value(rng)
        elif change == 2:
            entry["shape"] = rng.choice(([], [0], entry["shape"][::-1], [1] * 70, [0, 2**62], entry["shape"] + [1]))
        elif change == 3:
            entry["data_offsets"] = rng.choice(([0, 0], [-1, 3], [0, 2**63], [0.0, 4.0], entry["data_offsets"][::-1]))
        elif change == 4:
            header[rng.choice(("x", "table2", "mlp.w3", "exp_avg.x", "\ud800"))] = header.pop(name)
        else:
            header[f"{name}.2"] = copy.deepcopy(entry)
    return joined(json.dumps(header).encode(), rest)


def _notes(rng: random.Random, data: bytes) -> bytes:
    """Damage what our own header says, or the notes beside it."""
    header, rest = split(data)
    notes = header.get("__metadata__", {})
    if "header" in notes and rng.random() < 0.8:
        inner = json_bytes(rng, damage_json(rng, json.loads(notes["header"])))
        notes["header"] = inner.decode("utf-8", errors="surrogateescape")
    else:
        header["__metadata__"] = damage_json(rng, notes) if notes else odd_value(rng)
    return joined(json.dumps(header).encode(), rest)


def _numbers(rng: random.Random, data: bytes) -> bytes:
    """Numbers that are not finite, or too few or too many of them."""
    header, rest = split(data)
    values = bytearray(rest)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(0, max(1, len(values) - 4), 4)
        values[place : place + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), 3e38, -1e-45, 1e30)))
    if rng.random() < 0.3:
        values = values[: rng.randrange(len(values) + 1)] if rng.random() < 0.5 else values + rng.randbytes(8)
    return joined(json.dumps(header).encode(), bytes(values))


def _length(rng: random.Random, data: bytes) -> bytes:
    length = rng.choice((0, 1, 7, len(data), len(data) - 8, 2**31, 2**63, 2**64 - 1, rng.randrange(2**20)))
    return struct.pack("<Q", length) + data[8:]


SAFETENSORS_CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    damage_bytes, _header_json, _description, _description, _notes, _notes, _numbers, _length,
)


# Files of torch.save


def saved(content: Any, zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def damage_zip(rng: random.Random, data: bytes) -> bytes:
    """Damage bytes, or write the zip file again with damaged, dropped, doubled, renamed or packed entries."""
    if rng.random() < 0.4:
        return damage_bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    k = next(i for i, (name, _) in enumerate(entries) if name.endswith("data.pkl"))
    for _ in range(rng.randint(1, 3)):
        change, j = rng.randrange(8), rng.randrange(len(entries))
        if change <= 2:
            entries[k] = (entries[k][0], damage_bytes(rng, entries[k][1], 3))
        elif change == 3:
            entries[j] = (entries[j][0], damage_bytes(rng, entries[j][1] or b"\0"))
        elif change == 4 and len(entries) > 1 and j != k:
            del entries[j]
            k -= j < k
        elif change == 5:
            entries.append((rng.choice((entries[j][0], entries[j][0].upper(), "../x", "x")), entries[j][1]))
        elif change == 6:
            entries[k] = (entries[k][0], hostile_pickle(rng))
        else:
            entries[j] = (entries[j][0], bytes(rng.choice((0, 10**5, 10**6))))
    return zip_bytes(entries, rng.choice((zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED,)))


def zip_bytes(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two entries of one name
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


def damage_old(rng: random.Random, data: bytes) -> bytes:
    """Damage bytes, or put another pickle in the place of one."""
    if rng.random() < 0.8:
        return damage_bytes(rng, data)
    return data[: rng.choice((0, 14, 16, 40, 100))] + hostile_pickle(rng) + data[rng.randrange(len(data)) :]


def _binary(value: Any) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]


def call(name: str, arguments: Any) -> bytes:
    """A pickle that calls a function by its name."""
    return b"\x80\x02c" + name.replace(":", "\n").encode() + b"\n" + _binary(arguments) + b"R."


def tensor_pickle(
    numel: int, offset: Any, shape: Any, stride: Any, kind: str = "FloatStorage", key: Any = "0"
) -> bytes:
    """{"emb_params": a view of a storage}, with any numbers."""
    storage = b"(X\x07\x00\x00\x00storagectorch\n" + kind.encode() + b"\n" + _binary(key) + _binary("cpu")
    storage += _binary(numel) + b"tQ"
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _binary(offset) + _binary(shape) + _binary(stride)
    return b"\x80\x02}" + _binary("emb_params") + view + b"\x89}tRs."


def hostile_pickle(rng: random.Random) -> bytes:
    """A pickle that calls, hashes, allocates or nests without end."""
    kind = rng.randrange(9)
    if kind == 0:
        return call(rng.choice(("os:system", "builtins:eval", "builtins:bytearray", "torch:Size", "torch.hub:load")),
                    (rng.choice(("echo", 10**12, "1")),))
    if kind == 1:  # a key of tuples that share their parts: hashing takes 2^60 steps
        return b"\x80\x02}" + b"K\x01q\x00" + b"h\x00h\x00\x86q\x00" * rng.choice((10, 60)) + b"K\x01s."
    if kind == 2:
        return b"\x80\x02" + b"]" * rng.choice((10, 10**5)) + b"a" * rng.choice((0, 5, 10**5)) + b"."
    if kind == 3:
        return b"\x80\x02X" + struct.pack("<I", rng.choice((3, 2**31, 2**32 - 1))) + b"abc."
    if kind == 4:  # text that grows with every call
        inner = _binary("a" * 100)
        for _ in range(rng.choice((1, 30))):
            inner = b"c_codecs\nencode\n" + inner + _binary("hex") + b"\x86R"
        return b"\x80\x02" + inner + b"."
    if kind == 5:
        state = rng.choice(({"items": 5}, {"_metadata": 1}, {"get": None, "keys": []}, [], 7))
        return b"\x80\x02ccollections\nOrderedDict\n)R" + _binary(state) + b"b."
    if kind == 6:  # a dictionary in itself
        return b"\x80\x02}q\x00" + _binary("string_to_param") + b"h\x00s."
    if kind == 7:
        return pickle.dumps(odd_value(rng), protocol=rng.randrange(6))
    numbers = (0, 1, 4, 8, -1, 2**31, 2**40, 2**62, 10**30, 1.5, "a", None)
    pick = lambda: rng.choice(numbers)  # noqa: E731
    return tensor_pickle(
        pick(), pick(), tuple(pick() for _ in range(rng.randrange(4))), tuple(pick() for _ in range(rng.randrange(4))),
        rng.choice(("FloatStorage", "QUInt8Storage", "LongStorage", "UntypedStorage", "Tensor")),
        rng.choice(("0", "1", 0, "../version")),
    )
