"""The tiny-cuda-nn grid against that package's published formulas, typed out, and the path to the package itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.grid import grid_levels, rows_per_grid
from a124core.field.tcnn_grid import tcnn_grid
from a124core.kernels import encode_tcnn, tcnn
from a124core.kernels.tcnn import TcnnGrid
from a124core.kernels.torch_impl.grid import encode_grid
from a124core.stages.presets import PRESETS, preset

RELEASED = FieldConfig(backbone="tiny-cuda-nn")
SMALL = FieldConfig(
    time_grids=3, levels=4, base_resolution=3, max_resolution=20, log2_hashmap_size=9, hidden=8, init_scale=0.5,
    backbone="tiny-cuda-nn",
)
F32 = np.float32


def published_scale(grid: TcnnGrid, level: int) -> np.float32:
    """exp2f(level * log2_per_level_scale) * base_resolution - 1.0f"""
    return np.exp2(F32(level) * np.log2(F32(grid.per_level_scale))) * F32(grid.base_resolution) - F32(1)


def published_sizes(grid: TcnnGrid) -> list[tuple[int, int]]:
    """(grid_resolution, hashmap_size) of each level: next_multiple(R^3, 8), at most 1 << log2_hashmap_size."""
    sizes = []
    for level in range(grid.n_levels):
        resolution = int(math.ceil(published_scale(grid, level))) + 1
        rows = resolution**3
        rows = rows if rows % 8 == 0 else rows + 8 - rows % 8
        sizes.append((resolution, min(rows, 1 << grid.log2_hashmap_size)))
    return sizes


def published_row(cell: tuple[int, int, int], resolution: int, hashmap_size: int) -> int:
    """grid_index: strides as long as they fit, the hash of CoherentPrime where they do not, modulo hashmap_size."""
    stride, index = 1, 0
    for coordinate in cell:
        if stride > hashmap_size:
            break
        index += coordinate * stride
        stride *= resolution
    if hashmap_size < stride:
        x, y, z = cell
        index = (x * 1) ^ (y * 2654435761 % 2**32) ^ (z * 805459861 % 2**32)
    return index % hashmap_size


def published_features(parameters: np.ndarray, point: np.ndarray, grid: TcnnGrid) -> list[float]:
    """kernel_grid with linear interpolation: parameters (2 rows,), point (3,) in [0, 1] -> 2 n_levels numbers."""
    features, offset = [], 0
    for level, (resolution, hashmap_size) in enumerate(published_sizes(grid)):
        position = published_scale(grid, level) * point.astype(F32) + F32(0.5)
        cell = np.floor(position).astype(int)
        fraction = position - cell
        value = np.zeros(2)
        for corner in range(8):
            bits = [corner >> axis & 1 for axis in range(3)]
            weight = math.prod(float(f) if bit else 1.0 - float(f) for f, bit in zip(fraction, bits, strict=True))
            row = published_row(tuple(int(c) + b for c, b in zip(cell, bits, strict=True)), resolution, hashmap_size)
            value += weight * parameters[2 * (offset + row) : 2 * (offset + row) + 2]
        features += value.tolist()
        offset += hashmap_size
    return features


class Published(nn.Module):
    """The formulas in the place of tinycudann.Encoding: one parameter, `params`, as there."""

    def __init__(self, grid: TcnnGrid) -> None:
        super().__init__()
        self.grid, self.levels = grid, sum(rows for _, rows in published_sizes(grid))
        self.params = nn.Parameter(torch.zeros(2 * self.levels))

    def forward(self, points: Tensor) -> Tensor:
        """Features, linear in the parameters: a matrix of weights times them."""
        return torch.stack([self._matrix(point) @ self.params for point in points.detach().numpy()])

    def _matrix(self, point: np.ndarray) -> Tensor:
        unit, columns = np.zeros(2 * self.levels), []
        for k in np.nonzero(self._touched(point))[0]:
            unit[:] = 0.0
            unit[k] = 1.0
            columns.append((k, published_features(unit, point, self.grid)))
        matrix = torch.zeros(2 * self.grid.n_levels, 2 * self.levels)
        for k, column in columns:
            matrix[:, k] = torch.tensor(column)
        return matrix

    def _touched(self, point: np.ndarray) -> np.ndarray:
        touched, offset = np.zeros(2 * self.levels, bool), 0
        for level, (resolution, hashmap_size) in enumerate(published_sizes(self.grid)):
            cell = np.floor(published_scale(self.grid, level) * point.astype(F32) + F32(0.5)).astype(int)
            for corner in range(8):
                corner_cell = tuple(int(c) + (corner >> axis & 1) for axis, c in enumerate(cell))
                row = offset + published_row(corner_cell, resolution, hashmap_size)
                touched[2 * row : 2 * row + 2] = True
            offset += hashmap_size
        return touched


def points(count: int, rng: torch.Generator) -> Tensor:
    """Inside, and on faces, edges and corners of the cube."""
    xyz = torch.rand(count, 3, generator=rng) * 2 - 1
    xyz[: count // 2] = torch.randint(-1, 2, (count // 2, 3), generator=rng).float()
    xyz[0], xyz[1] = 1.0, -1.0
    return xyz


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "auto"])
def test_sizes_of_all_presets_are_the_published_ones(name: str) -> None:
    config = replace(preset(name).field, backbone="tiny-cuda-nn", index_mode="hash")
    levels, sizes = grid_levels(config), published_sizes(tcnn_grid(config))
    assert [level.rows for level in levels] == [rows for _, rows in sizes]
    assert [level.strides[1] for level in levels if not level.hashed] == [
        side for (side, rows) in sizes if side**3 <= rows
    ]
    assert not any(level.smooth for level in levels)
    assert all(level.rows % 8 == 0 for level in levels)


def test_dense_levels_have_one_row_fewer_per_axis_than_the_release() -> None:
    """16 and 23 rows a side where the release's encoder has 17 and 24."""
    levels = grid_levels(RELEASED)
    assert [level.strides for level in levels[:2]] == [(1, 16, 256), (1, 23, 529)]
    assert [level.rows for level in levels[:3]] == [4096, 12168, 29792]
    assert [level.hashed for level in levels] == [False] * 3 + [True] * 13
    assert rows_per_grid(RELEASED) == 4096 + 12168 + 29792 + 13 * 65536


def test_features_are_the_published_ones(rng: torch.Generator) -> None:
    grid, levels = tcnn_grid(SMALL), grid_levels(SMALL)
    assert {level.hashed for level in levels} == {True, False} and any(level.folds for level in levels)
    table = torch.rand(1, rows_per_grid(SMALL), 2, generator=rng) - 0.5
    xyz = points(80, rng)
    actual = encode_tcnn(table, xyz, torch.zeros(80), levels, grid)
    unit = (xyz * 0.5 + 0.5).numpy()
    expected = torch.tensor([published_features(table.flatten().double().numpy(), p, grid) for p in unit])
    torch.testing.assert_close(actual.double(), expected.double(), atol=2e-6, rtol=0)


def test_the_far_face_continues_on_the_near_one() -> None:
    """A dense level's corner at x = R is the one at x = 0 of the next line; past the last row it starts over."""
    dense = grid_levels(SMALL)[1]
    side = dense.strides[1]
    assert dense.folds and not dense.hashed and side**3 <= dense.rows
    table = torch.zeros(1, rows_per_grid(SMALL), 2)
    far = side + side * side + side * side * side  # the corner (R, R, R)
    table[0, dense.offset + far % dense.rows] = 1.0
    corner = torch.ones(1, 3)
    features = encode_tcnn(table, corner, torch.zeros(1), grid_levels(SMALL), tcnn_grid(SMALL))
    fraction = (dense.scale + 0.5) % 1.0
    assert features[0, 2] == pytest.approx(fraction**3, abs=1e-5)


def test_frames_of_the_package_are_mixed_as_the_specification_mixes_time_grids(rng: torch.Generator) -> None:
    """With the formulas in the package's place: parameters by call, two slices of the table, their mix, its
    gradient."""
    grid, levels = tcnn_grid(SMALL, 2), grid_levels(SMALL)[:2]
    encoding, xyz = Published(grid), points(12, rng)
    xyz[5] = torch.tensor([1.2, 0.0, 0.0])  # outside: no features
    time = torch.tensor([0.0, 0.3, 0.9, 1.0]).repeat_interleave(3)
    for loop in (False, True):
        table = (torch.rand(3, sum(v.rows for v in levels), 2, generator=rng) - 0.5).requires_grad_(True)
        actual = tcnn.encode_frames(encoding, table, xyz, time, loop)
        expected = encode_grid(table, xyz, time, levels, loop)
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
        assert not actual[5].any()
        cotangent = torch.rand(expected.shape, generator=rng)
        a, b = (torch.autograd.grad(v, table, cotangent)[0] for v in (actual, expected))
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_a_package_that_differs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcnn, "POINTS", 24)
    grid, levels, cpu = tcnn_grid(SMALL, 2), grid_levels(SMALL)[:2], torch.device("cpu")
    assert tcnn.mismatch(Published(grid), levels, cpu) == ""
    assert "parameters" in tcnn.mismatch(Published(replace(grid, base_resolution=4)), levels, cpu)
    turned = Published(grid)
    turned.forward = lambda points: Published.forward(turned, points.flip(1))
    assert "features" in tcnn.mismatch(turned, levels, cpu)


def test_options_have_the_names_of_its_documentation() -> None:
    assert tcnn_grid(RELEASED).options() == {
        "otype": "HashGrid", "n_levels": 16, "n_features_per_level": 2, "log2_hashmap_size": 16, "base_resolution": 16,
        "per_level_scale": pytest.approx(1.3819129, abs=1e-6), "interpolation": "Linear",
    }


def test_without_a_gpu_the_packs_own_kernels_compute_it() -> None:
    assert tcnn.native_encoding(tcnn_grid(SMALL), grid_levels(SMALL), torch.device("cpu")) is None


def test_masked_levels_count_as_zero(rng: torch.Generator) -> None:
    field = new_field(SMALL, rng)
    xyz, time = points(20, rng), torch.rand(20, generator=rng)
    cut = field.table.clone()
    cut[:, grid_levels(SMALL)[2].offset :] = 0
    torch.testing.assert_close(replace(field, masked_levels=2)(xyz, time), replace(field, table=cut)(xyz, time))


@pytest.mark.parametrize("mode", ["tiled", "tiled_full", "tiled_legacy"])
def test_another_index_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="has an index of its own: set index_mode to hash"):
        replace(SMALL, index_mode=mode)
