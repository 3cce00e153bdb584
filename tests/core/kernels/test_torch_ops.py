"""The vectorised operations against loops over levels, corners and time grids."""

from __future__ import annotations

import math

import pytest
import torch

from a124core.field.config import INDEX_MODES, FieldConfig
from a124core.field.grid import KOROBOV, grid_levels, rows_per_grid
from a124core.kernels import encode_grid, march, mlp, temporal_smoothing, temporal_tv
from a124core.kernels.grid_index import PRIMES
from a124core.kernels.torch_impl.grid import weighted_rows


def small(mode: str = "hash", **more) -> FieldConfig:
    return FieldConfig(
        time_grids=3, levels=3, base_resolution=4, max_resolution=32, log2_hashmap_size=10, index_mode=mode, **more
    )


def row_by_hand(x: int, y: int, z: int, side: int, rows: int, mode: str) -> int:
    """The four index rules, with Python's unbounded integers."""
    if side**3 <= rows:
        return x + y * side + z * side * side
    if mode == "hash":
        return ((x * PRIMES[0]) ^ (y * PRIMES[1]) ^ (z * PRIMES[2])) % rows
    if mode == "tiled":
        factor = KOROBOV[int(math.log2(rows))]
        return (x + factor * y + factor**2 * z) % rows
    row, stride = 0, 1
    for value in (x, y, z):
        if mode == "tiled_full" or stride <= rows:
            row += value * stride
        stride *= side
    return row % rows


def encode_by_hand(table: torch.Tensor, xyz: list[float], time: float, config: FieldConfig) -> list[float]:
    """Eq. 1 with loops."""
    out = []
    g = time * (config.time_grids - 1)
    k0 = int(g)
    k1 = min(k0 + 1, config.time_grids - 1)
    for level in grid_levels(config):
        side = round((level.scale + 1) + 0.499999) + 1
        position = [((v + 1) / 2) * level.scale + 0.5 for v in xyz]
        cell = [int(p) for p in position]
        fraction = [p - c for p, c in zip(position, cell, strict=True)]
        if config.index_mode == "hash":
            fraction = [3 * f * f - 2 * f**3 for f in fraction]
        value = torch.zeros(2, dtype=table.dtype)
        for corner in range(8):
            d = [(corner >> a) & 1 for a in range(3)]
            weight = 1.0
            for a in range(3):
                weight *= fraction[a] if d[a] else 1 - fraction[a]
            row = level.offset + row_by_hand(
                *(c + e for c, e in zip(cell, d, strict=True)), side, level.rows, config.index_mode
            )
            value += weight * ((1 - (g - k0)) * table[k0, row] + (g - k0) * table[k1, row])
        out += value.tolist()
    return out


@pytest.mark.parametrize("mode", INDEX_MODES)
def test_encoding_is_equation_one(mode: str, rng: torch.Generator) -> None:
    config = small(mode)
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng, dtype=torch.float64)
    xyz = torch.rand(20, 3, generator=rng, dtype=torch.float64) * 2 - 1
    time = torch.rand(20, generator=rng, dtype=torch.float64)
    time[:3] = torch.tensor([0.0, 0.5, 1.0])
    actual = encode_grid(table, xyz, time, grid_levels(config))
    rows = [encode_by_hand(table, p.tolist(), float(t), config) for p, t in zip(xyz, time, strict=True)]
    expected = torch.tensor(rows)
    torch.testing.assert_close(actual, expected.double(), atol=1e-6, rtol=1e-6)


def test_whole_times_need_one_grid_only(rng: torch.Generator) -> None:
    config = small()
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng)
    xyz = torch.rand(50, 3, generator=rng) * 2 - 1
    on_grid, between = torch.full((50,), 0.5), torch.full((50,), 0.5) + 1e-7
    levels = grid_levels(config)
    torch.testing.assert_close(
        encode_grid(table, xyz, on_grid, levels), encode_grid(table, xyz, between, levels), atol=1e-5, rtol=0
    )


def test_paper_time_shares() -> None:
    """T = 64, t = 1/256: g = 0.24609, shares 0.75391 and 0.24609 on grids 0 and 1; t = 1 is grid 63 alone."""
    from a124core.kernels.grid_index import time_corners

    grids, shares = time_corners(torch.tensor([1 / 256, 1.0]), 64, 10, loop=False)
    assert grids[:, 0].tolist() == [0, 10] and grids[:, 1].tolist() == [630, 630]
    torch.testing.assert_close(shares[:, 0], torch.tensor([0.75391, 0.24609]), atol=1e-5, rtol=0)


def test_a_loop_closes(rng: torch.Generator) -> None:
    config = small(loop=True)
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng)
    xyz = torch.rand(10, 3, generator=rng) * 2 - 1
    levels = grid_levels(config)
    first = encode_grid(table, xyz, torch.zeros(10), levels, loop=True)
    torch.testing.assert_close(encode_grid(table, xyz, torch.ones(10), levels, loop=True), first)
    near_end = encode_grid(table, xyz, torch.full((10,), 5 / 6), levels, loop=True)
    middle = 0.5 * (encode_grid(table, xyz, torch.full((10,), 2 / 3), levels, loop=True) + first)
    torch.testing.assert_close(near_end, middle, atol=1e-5, rtol=1e-5)


def test_features_outside_the_cube_are_zero(rng: torch.Generator) -> None:
    config = small()
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng, requires_grad=True)
    xyz = torch.tensor([[1.5, 0.0, 0.0], [0.0, 0.0, -1.01]])
    features = encode_grid(table, xyz, torch.tensor([0.2, 0.9]), grid_levels(config))
    assert not features.any()
    features.sum().backward()
    assert not table.grad.any()


@pytest.mark.parametrize("mode", INDEX_MODES)
def test_gradient_is_the_derivative_of_the_encoding(mode: str, rng: torch.Generator) -> None:
    config = small(mode)
    levels = grid_levels(config)
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng, dtype=torch.float64)
    xyz = (torch.rand(40, 3, generator=rng, dtype=torch.float64) * 2 - 1) * 0.95
    time = torch.rand(40, generator=rng, dtype=torch.float64)
    actual = encode_grid(table, xyz, time, levels, slopes=True)
    for axis in range(3):
        shift = torch.zeros(3, dtype=torch.float64)
        shift[axis] = 1e-7
        ahead, behind = (encode_grid(table, xyz + s, time, levels) for s in (shift, -shift))
        torch.testing.assert_close(actual[axis], (ahead - behind) / 2e-7, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("planes", [(), (3,)])
def test_weighted_rows_pass_gradcheck_twice(planes: tuple[int, ...], rng: torch.Generator) -> None:
    rows = torch.rand(9, 2, generator=rng, dtype=torch.float64, requires_grad=True)
    bags = []
    for _ in range(2):
        index = torch.randint(0, 9, (4, 5), generator=rng, dtype=torch.int32)
        bags.append((index, torch.rand(*planes, 4, 5, generator=rng, dtype=torch.float64, requires_grad=True)))

    def both(rows, first, second):
        return weighted_rows(rows, [(bags[0][0], first), (bags[1][0], second)])

    inputs = (rows, bags[0][1], bags[1][1])
    assert torch.autograd.gradcheck(both, inputs)
    assert torch.autograd.gradgradcheck(both, inputs)


def test_no_samples_give_no_gradient(rng: torch.Generator) -> None:
    """A chunk of rays that all miss the object is part of every image."""
    config = small()
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng, requires_grad=True)
    nowhere = torch.zeros(0, 3), torch.zeros(0)
    values = [encode_grid(table, *nowhere, grid_levels(config), slopes=slopes) for slopes in (False, True)]
    torch.autograd.backward(values, [torch.ones_like(v) for v in values])
    assert values[1].shape == (3, 0, 6) and not table.grad.any()


def test_planes_of_weights_are_as_many_sums(rng: torch.Generator) -> None:
    for width in (2, 3):
        rows = torch.rand(9, width, generator=rng)
        index, weight = torch.randint(0, 9, (4, 5), generator=rng), torch.rand(3, 4, 5, generator=rng)
        expected = torch.stack([(rows[index] * plane[..., None]).sum(0) for plane in weight])
        torch.testing.assert_close(weighted_rows(rows, [(index, weight)]), expected)


def test_odd_widths_take_the_plain_path(rng: torch.Generator) -> None:
    rows = torch.rand(7, 3, generator=rng)
    index = torch.randint(0, 7, (4, 5), generator=rng)
    weight = torch.rand(4, 5, generator=rng)
    expected = (rows[index] * weight[..., None]).sum(0)
    torch.testing.assert_close(weighted_rows(rows, [(index, weight)]), expected)


def test_march_against_a_loop(rng: torch.Generator) -> None:
    binary = torch.rand(2, 8, 8, 8, generator=rng) > 0.6
    origins = torch.tensor([[0.1, 0.2, 1.8]]).expand(30, 3)
    directions = torch.cat((torch.rand(30, 2, generator=rng) * 0.8 - 0.4, -torch.ones(30, 1)), dim=1)
    slices = torch.randint(0, 2, (30,), generator=rng)
    jitter = torch.rand(30, generator=rng)
    aabb = torch.tensor([[-1.0] * 3, [1.0] * 3])
    step, near = 0.05, 0.2
    ray, start = march(origins, directions, slices, binary, aabb, step, jitter, near)
    actual = sorted(zip(ray.tolist(), (round(s, 4) for s in start.tolist()), strict=True))
    expected = []
    for r in range(30):
        for k in range(100):
            t = near + (k + float(jitter[r])) * step
            point = origins[r] + directions[r] * t
            middle = origins[r] + directions[r] * (t + step / 2)
            end = origins[r] + directions[r] * (t + step)
            if not ((point.abs() <= 1).all() and (end.abs() <= 1).all()):
                continue
            cell = ((middle + 1) * 4).long().clamp(0, 7)
            if binary[slices[r], cell[2], cell[1], cell[0]]:
                expected.append((r, round(t, 4)))
    missing = set(expected) - set(actual)
    assert len(missing) <= 2  # rounding at a cell's face
    assert len(actual) - len(expected) <= 2 * 30 + 2  # at most the two steps that cross the cube's face on each ray
    assert ray.tolist() == sorted(ray.tolist())


def test_march_without_samples() -> None:
    empty = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    aabb = torch.tensor([[-1.0] * 3, [1.0] * 3])
    one = torch.tensor([[0.0, 0.0, 1.8]]), torch.tensor([[0.0, 0.0, -1.0]]), torch.zeros(1, dtype=torch.long)
    ray, start = march(*one, empty, aabb, 0.1, torch.zeros(1))
    assert ray.numel() == 0 and start.numel() == 0
    away = torch.tensor([[0.0, 0.0, 1.0]])
    ray, _ = march(one[0], away, one[2], ~empty, aabb, 0.1, torch.zeros(1))
    assert ray.numel() == 0


def test_two_linear_layers_by_hand() -> None:
    """One unit is active, one is not."""
    w1, b1 = torch.tensor([[1.0, 2.0], [-1.0, 0.0]]), torch.tensor([0.5, 0.0])
    w2, b2 = torch.tensor([[3.0, 7.0]]), torch.tensor([-1.0])
    assert mlp(torch.tensor([[1.0, 1.0]]), w1, b1, w2, b2).tolist() == [[3.0 * 3.5 - 1.0]]


@pytest.mark.parametrize(("n_grids", "closed"), [(2, False), (6, False), (6, True)])
def test_smoothing_in_time_is_a_step_down_the_gradient(n_grids: int, closed: bool, rng: torch.Generator) -> None:
    values = torch.randn(n_grids, 30, generator=rng, dtype=torch.float64)
    leaf = values.clone().requires_grad_(True)
    slope = torch.autograd.grad(temporal_tv(leaf, closed), leaf)[0]
    smoothed = values.clone()
    temporal_smoothing(smoothed, 0.3, closed)
    torch.testing.assert_close(smoothed, values - 0.3 / 4 * slope)
    torch.testing.assert_close(smoothed.mean(0), values.mean(0))
    if n_grids > 2:
        inner = values[1:-1] + 0.3 * ((values[:-2] + values[2:]) / 2 - values[1:-1])
        torch.testing.assert_close(smoothed[1:-1], inner)
