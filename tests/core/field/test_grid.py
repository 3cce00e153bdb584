"""Numbers of the grid as published."""

from __future__ import annotations

from dataclasses import replace

import torch

from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.grid import grid_levels, resolution, row_count, rows_per_grid
from a124core.kernels.grid_index import corner_rows

PAPER = FieldConfig(index_mode="tiled_legacy")


def test_level_resolutions() -> None:
    expected = [16, 23, 31, 43, 59, 81, 112, 154, 213, 295, 407, 562, 777, 1073, 1483, 2048]
    assert [resolution(PAPER, level) for level in range(16)] == expected


def test_row_counts() -> None:
    rows = [row_count(PAPER, level) for level in range(16)]
    assert rows[:3] == [4920, 13824, 32768] and set(rows[3:]) == {65536}
    assert rows_per_grid(PAPER) == 903_480
    assert rows_per_grid(replace(PAPER, log2_hashmap_size=19)) == 6_119_864


def test_mlp_has_2372_parameters(rng: torch.Generator) -> None:
    field = new_field(replace(PAPER, time_grids=1, log2_hashmap_size=10), rng)
    assert sum(value.numel() for value in field.mlp.values()) == 2372


def test_legacy_levels_drop_z_from_the_tenth_on() -> None:
    here, behind = torch.tensor([[5], [7], [9]], dtype=torch.int32), torch.tensor([[5], [7], [200]], dtype=torch.int32)
    for number, level in enumerate(grid_levels(PAPER)):
        same = torch.equal(corner_rows(here, level), corner_rows(behind, level))
        assert same == (number >= 9), number


def test_full_and_hashed_levels_keep_all_axes() -> None:
    for mode in ("tiled_full", "hash"):
        for level in grid_levels(replace(PAPER, index_mode=mode)):
            here = torch.tensor([[5], [7], [9]], dtype=torch.int32)
            for axis in range(3):
                moved = here.clone()
                moved[axis] += 1
                assert not torch.equal(corner_rows(here, level), corner_rows(moved, level)), (mode, level)


def test_rows_stay_inside_their_level(rng: torch.Generator) -> None:
    for mode in ("hash", "tiled_full", "tiled_legacy"):
        config = replace(PAPER, index_mode=mode)
        for number, level in enumerate(grid_levels(config)):
            cell = torch.randint(0, resolution(config, number), (3, 200), generator=rng, dtype=torch.int32)
            rows = corner_rows(cell, level)
            assert rows.min() >= level.offset and rows.max() < level.offset + level.rows
