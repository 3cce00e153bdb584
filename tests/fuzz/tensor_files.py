"""Damaged files of tensors: fields, snapshots, progress of textual inversion, embeddings and weights."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from a124core.export.checkpoint import read_field, save_field
from a124core.export.embedding import load_progress, read_embedding, save_progress, write_embedding
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.occupancy import Occupancy
from a124core.inversion.learn import TokenSnapshot
from a124core.priors.weight_files import read_weights
from a124core.stages.config import StaticConfig
from a124core.stages.snapshot import ADAM_STATE, Snapshot, load_snapshot, save_snapshot
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import damage_bytes
from tests.fuzz.tensor_mutations import damage_old, damage_safetensors, damage_zip, saved

FILES = Path(__file__).resolve().parents[1] / "files"
CONFIG = FieldConfig(time_grids=2, levels=2, base_resolution=2, max_resolution=4, log2_hashmap_size=5, hidden=4)
EMBEDDINGS = (
    {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(2, 8)}, "name": "fox", "step": 500},
    {"<fox>": torch.ones(8)}, {"emb_params": torch.ones(2, 8).half()}, torch.nn.Parameter(torch.ones(3, 8)),
)
WEIGHTS = {"state_dict": {"a.weight": torch.ones(4, 4), "a.bias": torch.zeros(4).bfloat16()}, "global_step": 5}


def written(write: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        write(path)
        return path.read_bytes()


@functools.cache
def fields() -> tuple[bytes, ...]:
    """Fields with and without an occupancy, one of HexPlane, and those of versions 1 and 2."""
    rng = torch.Generator().manual_seed(0)
    field = replace(new_field(CONFIG, rng), occupancy=Occupancy(torch.rand(2, 3, 3, 3, generator=rng), 1.5))
    return (
        written(lambda path: save_field(path, field, {"prompt": "a cat"})),
        written(lambda path: save_field(path, replace(field, occupancy=None))),
        written(lambda path: save_field(path, new_field(replace(CONFIG, backbone="HexPlane"), rng))),
        *((FILES / f"field_version_{k}.safetensors").read_bytes() for k in (1, 2)),
    )


@functools.cache
def snapshots() -> tuple[bytes, ...]:
    """A stage after its third step, and those of versions 1 and 2."""
    rng = torch.Generator().manual_seed(0)
    field = new_field(CONFIG, rng)
    tensors = {"table": field.table, **field.mlp}
    states = {f"{state}.{name}": value.square() for name, value in tensors.items() for state in ADAM_STATE[1:]}
    states |= {f"step.{name}": torch.tensor(3.0) for name in tensors}
    tensors |= states | {"occupancy": torch.rand(1, 3, 3, 3, generator=rng), "rng": rng.get_state()}
    meta = {"field": asdict(CONFIG), "config": asdict(StaticConfig()), "threshold": 1.5}
    snapshot = Snapshot("static", 3, 7, tensors, meta)
    return (
        written(lambda path: save_snapshot(path, snapshot)),
        *((FILES / f"snapshot_version_{k}.safetensors").read_bytes() for k in (1, 2)),
    )


@functools.cache
def progress() -> tuple[bytes, ...]:
    rows, random_state = torch.ones(2, 4), torch.Generator().manual_seed(0).get_state()
    tensors = {"token": rows, "mean": rows * 2, "square": rows * 3, "random": random_state}
    return (written(lambda path: save_progress(path, tensors, {"step": 3, "config": {}, "seed": 1, "shape": [2, 4]})),)


@functools.cache
def learned() -> tuple[bytes, ...]:
    return (written(lambda path: write_embedding(path, torch.ones(2, 8), {"init_word": "fox"})),)


@functools.cache
def zipped() -> tuple[bytes, ...]:
    return tuple(saved(content, zipped=True) for content in EMBEDDINGS)


@functools.cache
def old() -> tuple[bytes, ...]:
    return tuple(saved(content, zipped=False) for content in EMBEDDINGS)


def build(
    samples: Callable[[], tuple[bytes, ...]], damage: Callable[[random.Random, bytes], bytes], suffix: str
) -> Callable[[random.Random], tuple[str, bytes]]:
    """A file that is damaged from one of the samples."""
    return lambda rng: (suffix, damage(rng, rng.choice(samples())))


def weight_bytes(rng: random.Random) -> tuple[str, bytes]:
    """A checkpoint of either layout, damaged."""
    zipped_, suffix = rng.random() < 0.6, rng.choice((".ckpt", ".bin", ".pth"))
    data = saved(WEIGHTS, zipped_)
    return suffix, (damage_zip if zipped_ else damage_old)(rng, data) if rng.random() < 0.9 else damage_bytes(rng, data)


def read_progress(path: Path) -> TokenSnapshot:
    return TokenSnapshot(*load_progress(path))


PARSERS = (
    Parser("field", build(fields, damage_safetensors, ".safetensors"), read_field),
    Parser("snapshot", build(snapshots, damage_safetensors, ".safetensors"), load_snapshot),
    Parser("inversion progress", build(progress, damage_safetensors, ".safetensors"), read_progress),
    Parser("embedding safetensors", build(learned, damage_safetensors, ".safetensors"), read_embedding),
    Parser("embedding zip", build(zipped, damage_zip, ".pt"), read_embedding),
    Parser("embedding before 1.6", build(old, damage_old, ".bin"), read_embedding),
    Parser("weights safetensors", build(learned, damage_safetensors, ".safetensors"), read_weights, lambda w: ""),
    Parser("weights checkpoint", weight_bytes, read_weights, lambda w: ""),
)
