"""The files of an unfinished run are what it wrote, or are written again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from a124core.cli import keep
from a124core.cli.folder import RunFolder
from a124core.cli.keep import RunKeeper
from a124core.export.checkpoint import load_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field

STAGE = "static.safetensors"
CONFIG = FieldConfig(time_grids=1, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=8)


def a_field() -> Field4D:
    return new_field(CONFIG, torch.Generator().manual_seed(0))


@pytest.fixture
def keeper(tmp_path: Path) -> RunKeeper:
    made = RunKeeper(RunFolder(tmp_path), {})
    made.finish("static", a_field(), {})
    return made


def written_again(keeper: RunKeeper) -> bool:
    before = (keeper.folder.work / STAGE).stat().st_ino
    keeper.ensure()
    return (keeper.folder.work / STAGE).stat().st_ino != before


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"cut"), lambda path: path.write_bytes(b"")])
def test_a_stage_that_was_cut_or_replaced_since_is_written_again(keeper: RunKeeper, spoil: object) -> None:
    path = keeper.folder.work / STAGE
    assert not written_again(keeper), "what is whole costs nothing"
    spoil(path)
    assert written_again(keeper) and torch.equal(load_field(path).table, a_field().table)


def test_a_stage_that_was_read_is_not_written(keeper: RunKeeper) -> None:
    resumed = RunKeeper(keeper.folder, {})
    assert torch.equal(resumed.read_finished("static", CONFIG).table, a_field().table)
    assert list(resumed.finished) == ["static"] and not written_again(resumed)
    assert resumed.read_finished("coarse", CONFIG) is None


def test_the_file_of_another_stage_or_field_is_not_taken_for_it(keeper: RunKeeper) -> None:
    work, resumed = keeper.folder.work, RunKeeper(keeper.folder, {})
    shutil.copy(work / STAGE, work / "coarse.safetensors")
    for stage, config in (("coarse", CONFIG), ("static", replace(CONFIG, hidden=8))):
        with pytest.raises(ValueError, match=f"is not the {stage} stage of this run: put the right file back"):
            resumed.read_finished(stage, config)
    (work / STAGE).write_bytes(b"cut")
    with pytest.raises(ValueError, match="static stage cannot be read .*no.* a safetensors file.*: put the right file"):
        resumed.read_finished("static", CONFIG)
    assert not resumed.finished


@pytest.mark.parametrize(("snapshots", "words"), [((), "start again"), (("snapshot-a",), "go on with --resume from")])
def test_where_nothing_can_be_saved_what_was_saved_before_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshots: tuple[str, ...], words: str
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full.")

    monkeypatch.setattr(keep, "RETRY_SECONDS", 0.0)
    made = RunKeeper(RunFolder(tmp_path), {})
    made.folder.write_head({})
    for name in snapshots:
        (made.folder.work / f"{name}.safetensors").write_bytes(b"a snapshot")
    monkeypatch.setattr(keep.RunKeeper, "_write", full)
    with pytest.raises(OSError, match=f"what is finished .static. was not saved .the disk is full.: free .* {words}"):
        made.finish("static", a_field(), {})
