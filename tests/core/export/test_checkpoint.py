"""A field survives its file, and a file that does not fit its own config is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from a124core.export.checkpoint import load_field, read_field, save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field
from a124core.field.occupancy import Occupancy
from a124core.utils.files import read_tensors, write_tensors

CONFIG = FieldConfig(time_grids=3, levels=2, base=4, finest=8, log2_rows=8, hidden=8)


@pytest.fixture
def field(rng: torch.Generator) -> Field4D:
    return replace(new_field(CONFIG, rng), occupancy=Occupancy(torch.rand((3, 8, 8, 8), generator=rng), 1.5))


def test_round_trip(tmp_path: Path, field: Field4D, rng: torch.Generator) -> None:
    save_field(tmp_path / "f.safetensors", field, {"prompt": "a cat"})
    back, extra = read_field(tmp_path / "f.safetensors")
    xyz, time = torch.rand(50, 3, generator=rng) * 2 - 1, torch.rand(50, generator=rng)
    for a, b in zip(field(xyz, time), back(xyz, time), strict=True):
        assert torch.equal(a, b)
    assert back.config == CONFIG and extra == {"prompt": "a cat"}
    assert back.occupancy.threshold == 1.5 and torch.equal(back.occupancy.grid, field.occupancy.grid)
    save_field(tmp_path / "g.safetensors", replace(field, occupancy=None))
    assert load_field(tmp_path / "g.safetensors").occupancy is None


@pytest.mark.parametrize("name", ["table", "mlp.w1", "mlp.b2", "occupancy"])
def test_other_shapes_are_refused(tmp_path: Path, field: Field4D, name: str) -> None:
    path = tmp_path / "f.safetensors"
    save_field(path, field)
    tensors, header = read_tensors(path, "field")
    write_tensors(path, {**tensors, name: torch.zeros(2, 2, 2)}, header)
    with pytest.raises(ValueError, match=name):
        load_field(path)
    if name != "occupancy":
        write_tensors(path, {k: v for k, v in tensors.items() if k != name}, header)
        with pytest.raises(ValueError, match="missing"):
            load_field(path)


def test_other_options_are_another_version(tmp_path: Path, field: Field4D) -> None:
    path = tmp_path / "f.safetensors"
    save_field(path, field)
    tensors, header = read_tensors(path, "field")
    write_tensors(path, tensors, {**header, "config": {**header["config"], "new_option": 1}})
    with pytest.raises(ValueError, match="another version"):
        load_field(path)
