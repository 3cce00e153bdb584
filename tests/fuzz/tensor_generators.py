"""Files of tensors made from nothing: any header that is whole in itself, any program of pickle operations."""

from __future__ import annotations

import io
import json
import math
import random
import struct
import zipfile
from typing import Any

from hypothesis import strategies as st

from a124core.field.config import FieldConfig
from tests.fuzz.tensor_mutations import joined, split, zip_bytes

ITEM_BYTES = {"BOOL": 1, "U8": 1, "F8_E5M2": 1, "F16": 2, "BF16": 2, "F32": 4, "I32": 4, "F64": 8, "I64": 8, "C64": 8}
NAMES = ("table", "mlp.w1", "mlp.b1", "mlp.w2", "mlp.b2", "w1", "b1", "w2", "b2", "occupancy", "rng", "exp_avg.table",
         "step.w1", "token", "mean", "square", "random", "emb_params", "clip_l", "string_to_param", "<fox>", "*")
numbers = st.one_of(
    st.integers(-2, 40), st.integers(), st.floats(), st.sampled_from((2**31, 2**53, 2**63, 2**64, 10**300, 1e308)),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=8,
)


def draw(rng: random.Random, strategy: st.SearchStrategy[Any]) -> Any:
    """A value of a strategy of hypothesis, from our own seeded generator."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    drawn: list[Any] = []

    @seed(rng.randrange(2**32))
    @settings(max_examples=6, database=None, deadline=None, phases=(Phase.generate,), derandomize=False,
              suppress_health_check=list(HealthCheck))
    @given(strategy)
    def keep(value: Any) -> None:
        drawn.append(value)

    keep()
    return drawn[-1]


def whole_safetensors(tensors: dict[str, tuple[str, list[int]]], notes: Any, rng: random.Random) -> bytes:
    """A file whose places fit its shapes, of type and shape by name, with small numbers in it."""
    header: dict[str, Any] = {} if notes is None else {"__metadata__": notes}
    data = b""
    for name, (dtype, shape) in tensors.items():
        size = ITEM_BYTES[dtype] * math.prod(shape)
        values = struct.pack("<f", rng.uniform(-2, 2)) * (size // 4 + 1) if rng.random() < 0.9 else rng.randbytes(size)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]}
        data += values[:size]
    return joined(json.dumps(header).encode(), data)


def any_tensors(rng: random.Random) -> bytes:
    """Any names, types and shapes, with notes that look like ours."""
    tensors = {}
    for name in rng.sample(NAMES, rng.randint(0, 9)):
        shape = [rng.choice((0, 1, 2, 3, 5, 8, 16)) for _ in range(rng.randint(0, 4))]
        tensors[name] = (rng.choice(("F32", "F32", *ITEM_BYTES)), shape)
    inner = rng.choice((lambda: "{}", lambda: json.dumps(draw(rng, json_values)), lambda: "{" * 3000))()
    kind = rng.choice(("field", "snapshot", "token", "x"))
    notes = {"format": "animate124", "kind": kind, "version": rng.choice("01239"), "header": inner}
    return whole_safetensors(tensors, rng.choice((None, notes, notes, {"format": "pt"})), rng)


def any_config(rng: random.Random, data: bytes) -> bytes:
    """A whole file with options drawn anew, at or beyond their bounds, and tensors that may follow them."""
    header, rest = split(data)
    inner = json.loads(header["__metadata__"]["header"])
    is_field = "blob_radius" in inner.get("config", {})
    config = inner["config"] if is_field else inner.get("meta", {}).get("field", inner)
    edges = (0, 1, 2, 3, 32, 33, 4096, 4097, 2**20, 2**20 + 1, 2**40, -1, 2.0, 2.5, "2", None, True, [2], {"a": 2})
    for name in rng.sample(sorted(config), min(len(config), rng.randint(0, 3))):
        config[name] = rng.choice(edges) if rng.random() < 0.7 else draw(rng, numbers)
    if rng.random() < 0.3:
        name = rng.choice(("occupancy_threshold", "step", "seed", "stage", "meta", "extra", "shape"))
        inner[name] = draw(rng, json_values)
    header["__metadata__"]["header"] = json.dumps(inner)
    if rng.random() < 0.5:
        return whole_from_config(rng, config, header["__metadata__"])
    return joined(json.dumps(header).encode(), rest)


def whole_from_config(rng: random.Random, options: dict[str, Any], notes: dict[str, str]) -> bytes:
    """A field whose tensors have the shapes that its config needs, where that is a small field."""
    from a124core.field.layout import parameter_shapes, table_shapes

    try:
        config = FieldConfig(**options)
        shapes, tables = parameter_shapes(config), table_shapes(config)
    except (ValueError, TypeError):
        shapes = tables = {"table": (1, 8, 2)}
    small = {n if n in tables else f"mlp.{n}": list(s) for n, s in shapes.items() if math.prod(s) < 10**6}
    tensors = {name: ("F32", shape) for name, shape in small.items()}
    side = rng.choice((0, 1, 2, 5))
    tensors["occupancy"] = ("F32", [rng.choice((0, 1, 3)), side, side, rng.choice((side, side, 4))])
    return whole_safetensors(tensors, notes, rng)


# Pickles


def pickle_program(rng: random.Random) -> bytes:
    """A random program of the operations that torch.save writes, and a few others; half of them build a view."""
    if rng.random() < 0.4:
        return b"\x80\x02" + _view(rng) + b"."
    out = [b"\x80\x02"]
    for _ in range(rng.choice((3, 10, 40))):
        out.append(rng.choice(OPERATIONS)(rng))
    return b"".join(out) + b"."


def _text(rng: random.Random) -> bytes:
    text = rng.choice(("storage", "0", "cpu", "a", "emb_params", "string_to_param", "*", "_metadata", "")).encode()
    return b"X" + struct.pack("<I", len(text)) + text


def _number(rng: random.Random) -> bytes:
    return rng.choice((b"K\x01", b"K\x04", b"M\x10\x00", b"J\xff\xff\xff\xff", b"\x8a\x08" + b"\xff" * 7 + b"\x7f"))


def _name(rng: random.Random) -> bytes:
    return rng.choice((
        b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_parameter\n", b"ctorch\nSize\n", b"c__builtin__\nset\n", b"cnumpy\ndtype\n",
        b"cnumpy.core.multiarray\nscalar\n", b"c_codecs\nencode\n", b"ctorch\ndevice\n", b"cos\nsystem\n",
        b"cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n", b"ctorch\nfloat32\n",
    ))


def _view(rng: random.Random) -> bytes:
    """A tensor of a storage of 4 numbers, with shapes and strides at the edge."""
    def small() -> bytes:
        return rng.choice((b"K\x00", b"K\x01", b"K\x02", b"K\x04", b"K\x05", b"J\xff\xff\xff\x7f"))

    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
    axes = rng.randint(0, 3)
    shape = b"(" + b"".join(small() for _ in range(axes)) + b"t"
    stride = b"(" + b"".join(small() for _ in range(axes if rng.random() < 0.9 else 1)) + b"t"
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + small() + shape + stride + b"\x89}tR"
    return b"}" + _text(rng) + view + b"s" if rng.random() < 0.5 else view


def _one(*choices: bytes) -> Any:
    return lambda rng: rng.choice(choices)


OPERATIONS = (
    _text, _number, _name, _view, _view, _one(b"(", b"t", b")", b"}", b"]", b"\x85", b"\x86", b"\x87"),
    _one(b"R", b"b", b"\x81", b"Q"), _one(b"s", b"u", b"a", b"e"), _one(b"q\x00", b"q\x01", b"h\x00", b"h\x01"),
    _one(b"N", b"\x88", b"\x89", b"G?\xf0\x00\x00\x00\x00\x00\x00"), _one(b"2", b"0", b"I1\n", b"\x8c\x01a", b"\x93"),
)


def pickle_zip(rng: random.Random) -> bytes:
    """A zip file around a program; at times with a comment, something before it, or other names."""
    folder = rng.choice(("archive", "archive", "x", "Archive", ".", "a/b"))
    entries = [(f"{folder}/data.pkl", pickle_program(rng)), (f"{folder}/data/0", struct.pack("<4f", 1, 2, 3, 4))]
    alignment, order = rng.choice((b"64", b"-1", b"x", b"9" * 30)), rng.choice((b"little", b"big", b"\xff", b""))
    more = {".format_version": b"1", ".storage_alignment": alignment, "byteorder": order, "version": b"3\n"}
    for name, content in more.items():
        if rng.random() < 0.5:
            entries.insert(rng.randrange(len(entries)), (f"{folder}/{name}", content))
    data = zip_bytes(entries)
    if rng.random() < 0.2:
        data = rng.choice((lambda: data + rng.randbytes(30), lambda: b"PK\x03\x04" + data, lambda: data * 2,
                           lambda: data[:-22] + b"PK\x05\x06" + rng.randbytes(18), lambda: with_comment(data, rng)))()
    return data


def with_comment(data: bytes, rng: random.Random) -> bytes:
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = rng.randbytes(rng.choice((3, 60_000)))
    return stream.getvalue()


def old_program(rng: random.Random) -> bytes:
    """A file before torch 1.6 around a program, its storages and their sizes by chance."""
    start = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
    keys = rng.choice((b"\x80\x02]X\x01\x00\x00\x000a.", b"\x80\x02].", b"\x80\x02K\x01."))
    numel = rng.choice((4, 4, 4, 5, 0, 2**40, 2**63))
    program = pickle_program(rng).replace(b"K\x04tQ", b"K\x04NtQ")  # its storages may be views of others
    return start + program + keys + struct.pack("<Q", numel) + struct.pack("<4f", 1, 2, 3, 4)
