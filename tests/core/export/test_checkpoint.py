"""A field survives its file, and a file that does not fit its own config is refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from a124core.export.checkpoint import load_field, read_field, save_field
from a124core.field.config import BACKBONES, FieldConfig
from a124core.field.field4d import Field4D, new_field
from a124core.field.occupancy import Occupancy
from a124core.stages.snapshot import load_snapshot
from a124core.utils.files import write_tensors
from a124core.utils.saved_tensors import read_tensors

FILES = Path(__file__).resolve().parents[2] / "files"

CONFIG = FieldConfig(time_grids=3, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=8, hidden=8)


@pytest.fixture
def field(rng: torch.Generator) -> Field4D:
    return replace(new_field(CONFIG, rng), occupancy=Occupancy(torch.rand((3, 8, 8, 8), generator=rng), 1.5))


@pytest.mark.parametrize("backbone", BACKBONES[1:])
def test_every_backbone_survives_its_file(tmp_path: Path, backbone: str, rng: torch.Generator) -> None:
    field = replace(new_field(replace(CONFIG, backbone=backbone), rng), front=45.0)
    save_field(tmp_path / "f.safetensors", field)
    back = load_field(tmp_path / "f.safetensors")
    xyz, time = torch.rand(50, 3, generator=rng) * 2 - 1, torch.rand(50, generator=rng)
    assert all(torch.equal(a, b) for a, b in zip(field(xyz, time), back(xyz, time), strict=True))
    assert back.config == field.config and back.front == 45.0
    tensors, header = read_tensors(tmp_path / "f.safetensors", "field")
    assert {name: value.nbytes for name, value in tensors.items()} == {
        name if name in field.tables else f"mlp.{name}": value.nbytes for name, value in field.parameters.items()
    }
    for change in ({"front": "left"}, {"front": float("inf")}, {"front": 400}):
        write_tensors(tmp_path / "bad.safetensors", tensors, {**header, **change})
        with pytest.raises(ValueError, match="front is no azimuth from -360 to 360"):
            load_field(tmp_path / "bad.safetensors")
    other = {**header["config"], "backbone": "4D grid"}
    write_tensors(tmp_path / "bad.safetensors", tensors, {**header, "config": other})
    with pytest.raises(ValueError, match=r"mlp.w1|table"):
        load_field(tmp_path / "bad.safetensors")


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


def test_files_of_version_2_are_4d_grids() -> None:
    """A field and a snapshot written at commit 42ddc9e, before there were other backbones."""
    field, extra = read_field(FILES / "field_version_2.safetensors")
    assert field.config.backbone == "4D grid" and field.front == 0.0 and extra == {"prompt": "a cat"}
    density, albedo = field(torch.tensor([[0.1, -0.2, 0.3]]), torch.tensor([0.25]))
    torch.testing.assert_close(density, torch.tensor([0.0019348685]))
    torch.testing.assert_close(albedo, torch.tensor([[0.49742147, 0.4719168, 0.42355052]]))
    snapshot = load_snapshot(FILES / "snapshot_version_2.safetensors")
    assert snapshot.meta["field"] == asdict(replace(field.config, time_grids=1)) and snapshot.step == 2


def test_files_of_version_1_still_load() -> None:
    """A field and a snapshot written at commit 0505990, whose field options had other names."""
    names = {"base_resolution": 2, "max_resolution": 4, "log2_hashmap_size": 5}
    field, extra = read_field(FILES / "field_version_1.safetensors")
    assert {name: getattr(field.config, name) for name in names} == names and extra == {"prompt": "a cat"}
    assert field.config.density == "softplus" and field.occupancy.threshold == 1.5
    density, albedo = field(torch.tensor([[0.1, -0.2, 0.3]]), torch.tensor([0.25]))
    torch.testing.assert_close(density, torch.tensor([0.0019348685]))
    torch.testing.assert_close(albedo, torch.tensor([[0.49742147, 0.47191679, 0.42355052]]))
    snapshot = load_snapshot(FILES / "snapshot_version_1.safetensors")
    assert (snapshot.stage, snapshot.step, snapshot.seed) == ("coarse", 3, 7)
    assert snapshot.meta["field"] == asdict(field.config)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("levels", 2**31, "at most 32"), ("levels", 2.0, "a whole number"), ("levels", True, "a whole number"),
        ("levels", 10**400, "a whole number"), ("hidden", 0, "at least 1"), ("time_grids", -1, "at least 1"),
        ("max_resolution", None, "a whole number"), ("blob_radius", float("nan"), "a finite number"),
        ("blob_density", "5", "a finite number"), ("density", 3, "a text"), ("loop", 1, "true or false"),
        ("backbone", "K-Planes", "choose one"),
        ("log2_hashmap_size", [5], "a whole number"), ("index_mode", "x" * 10**6, "characters"),
    ],
)
def test_options_of_other_types_or_beyond_their_bounds_are_refused(
    tmp_path: Path, field: Field4D, option: str, value: object, words: str
) -> None:
    path = tmp_path / "f.safetensors"
    save_field(path, field)
    tensors, header = read_tensors(path, "field")
    write_tensors(path, tensors, {**header, "config": {**header["config"], option: value}})
    with pytest.raises(ValueError, match=words) as refused:
        load_field(path)
    assert option in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize("name", ["table", "mlp.w1", "occupancy"])
def test_tensors_of_another_type_are_refused(tmp_path: Path, field: Field4D, name: str) -> None:
    path = tmp_path / "f.safetensors"
    save_field(path, field)
    tensors, header = read_tensors(path, "field")
    write_tensors(path, {**tensors, name: tensors[name].to(torch.int32)}, header)
    with pytest.raises(ValueError, match=f"{name} is torch.int32"):
        load_field(path)
    write_tensors(path, {**tensors, "more": torch.zeros(1)}, header)
    with pytest.raises(ValueError, match="'more', which is unknown"):
        load_field(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": float("inf")}, "seed"), ({"step": 1.0}, "step"), ({"step": -1}, "step"), ({"stage": 3}, "stage"),
        ({"meta": []}, "not a whole snapshot"), ({"rng": torch.zeros(5, dtype=torch.uint8)}, "rng"),
        ({"exp_avg.table": torch.zeros(3)}, "exp_avg.table"), ({"step.w1": torch.zeros(2)}, "step.w1"),
        ({"occupancy": torch.zeros(1, 2, 3, 4)}, "occupancy"), ({"w1": torch.zeros(1)}, "w1"),
    ],
)
def test_snapshots_that_no_stage_could_go_on_from_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    tensors, header = read_tensors(FILES / "snapshot_version_1.safetensors", "snapshot")
    header["meta"]["field"] = asdict(load_field(FILES / "field_version_1.safetensors").config)
    path = tmp_path / "s.safetensors"
    write_tensors(path, tensors, header)
    assert load_snapshot(path).step == 3
    changed = {name: value for name, value in change.items() if isinstance(value, torch.Tensor)}
    write_tensors(path, tensors | changed, header | {n: v for n, v in change.items() if n not in changed})
    with pytest.raises(ValueError, match=words):
        load_snapshot(path)
    write_tensors(path, {**tensors, "rng": torch.full_like(tensors["rng"], 255)}, header)
    with pytest.raises(ValueError, match="no generator takes"):
        load_snapshot(path)
