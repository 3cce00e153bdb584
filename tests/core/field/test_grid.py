"""Numbers of the grid as published."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from a124core.field.config import INDEX_MODES, FieldConfig
from a124core.field.field4d import new_field
from a124core.field.grid import KOROBOV, grid_levels, resolution, row_count, rows_per_grid
from a124core.kernels.grid_index import Level, corner_rows
from a124core.stages.presets import PRESETS, preset

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
    for mode in ("tiled_full", "hash", "tiled"):
        for level in grid_levels(replace(PAPER, index_mode=mode)):
            here = torch.tensor([[5], [7], [9]], dtype=torch.int32)
            for axis in range(3):
                moved = here.clone()
                moved[axis] += 1
                assert not torch.equal(corner_rows(here, level), corner_rows(moved, level)), (mode, level)


def test_rows_stay_inside_their_level(rng: torch.Generator) -> None:
    for mode in INDEX_MODES:
        config = replace(PAPER, index_mode=mode)
        for number, level in enumerate(grid_levels(config)):
            cell = torch.randint(0, resolution(config, number), (3, 200), generator=rng, dtype=torch.int32)
            rows = corner_rows(cell, level)
            assert rows.min() >= level.offset and rows.max() < level.offset + level.rows


def shortest_collision(level: Level) -> float:
    """Return the distance in cells of the nearest two corners that share a row, whatever the side of the grid."""
    reach = math.ceil(1.2 * level.rows ** (1 / 3))  # farther apart than in any lattice of so many rows
    y, z = torch.meshgrid(torch.arange(-reach, reach + 1), torch.arange(0, reach + 1), indexing="ij")
    offset = (level.strides[1] * y + level.strides[2] * z) % level.rows
    x = torch.minimum(offset, level.rows - offset)
    squares = (x.square() + y.square() + z.square()).flatten()
    return float(squares[squares > 0].min()) ** 0.5


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "auto"])
def test_tiled_levels_repeat_in_no_direction_early(name: str) -> None:
    """Distinct cells share a row no nearer than the side of a cube of as many cells as rows; a lattice cannot keep
    them farther apart than 1.12 sides."""
    wrapped = [v for v in grid_levels(replace(preset(name).field, index_mode="tiled")) if v.wraps]
    assert wrapped and all(stride % 2 for level in wrapped for stride in level.strides)
    for level in wrapped:
        assert 1.0 <= shortest_collision(level) / level.rows ** (1 / 3) <= 2 ** (1 / 6)


@pytest.mark.parametrize("log2_rows", KOROBOV)
def test_tiled_levels_of_any_size(log2_rows: int) -> None:
    factor, rows = KOROBOV[log2_rows], 2**log2_rows
    level = Level(1.0, (1, factor, factor**2 % rows), hashed=False, rows=rows, offset=0, wraps=True, smooth=False)
    assert shortest_collision(level) / rows ** (1 / 3) >= (1.03 if log2_rows > 8 else 0.7)


def test_the_finest_level_of_tiled_full_is_sheared() -> None:
    """As files have it: constant along (1, -2, 1)."""
    finest = grid_levels(replace(PAPER, index_mode="tiled_full"))[-1]
    assert finest.strides == (1, 2049, 2049**2) and shortest_collision(finest) == pytest.approx(6**0.5)
