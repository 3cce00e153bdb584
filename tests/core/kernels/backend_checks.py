"""A backend against the torch specification: Triton's on a CPU through its interpreter, which test_triton.py sets up,
Numba's with A124_KERNELS=numba, which test_numba.py sets, and on a GPU Triton's with

    python -m pytest tests/core/kernels/backend_checks.py tests/core/kernels/backend_ray_checks.py

Here the encoding, the MLP, and what Adam and temporal TV do with tables; rays and images in backend_ray_checks.py.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from a124core.field.config import INDEX_MODES
from a124core.field.grid import grid_levels, rows_per_grid
from a124core.kernels import AdamRule
from a124core.kernels.torch_impl import ops as torch_ops
from tests.core.kernels.backend import DEVICE, SEED, config_for, own, same_vector

pytestmark = pytest.mark.usefixtures("poisoned")


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def points(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Anywhere, on the cube's faces, edges, corners and middle, outside; times on grids, between them, at both ends."""
    xyz = torch.rand(250, 3, generator=rng) * 2.2 - 1.1
    xyz[:60] = torch.randint(-1, 2, (60, 3), generator=rng).float()
    xyz[60:80, 0] = 1.0
    time = torch.rand(250, generator=rng)
    time[::5] = torch.randint(0, 5, (50,), generator=rng) / 4.0
    return xyz.to(DEVICE), time.to(DEVICE)


CASES = [(mode, 3, False) for mode in INDEX_MODES] + [("hash", 1, False), ("hash", 3, True)]
CASES += [("tiny-cuda-nn", 3, False), ("tiny-cuda-nn", 1, True)]


@pytest.mark.parametrize(("mode", "grids", "loop"), CASES)
@pytest.mark.parametrize("slopes", [False, True])
def test_encoding(ops, slopes: bool, mode: str, grids: int, loop: bool, rng: torch.Generator) -> None:
    config = config_for(mode, grids, loop=loop)
    table = (torch.rand(grids, rows_per_grid(config), 2, generator=rng) - 0.5).to(DEVICE).requires_grad_(True)
    inputs = (table, *points(rng), grid_levels(config), loop)
    actual, expected = ops.encode_grid(*inputs, slopes=slopes), torch_ops.encode_grid(*inputs, slopes=slopes)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    cotangent = torch.randn(expected.shape, generator=rng).to(DEVICE)
    same_vector(*(torch.autograd.grad(v, table, cotangent)[0] for v in (actual, expected)))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("slopes", [False, True])
def test_frames(ops, slopes: bool, loop: bool, rng: torch.Generator) -> None:
    """Few times, as in a clip: on a time grid, between two, at both ends. Torch interpolates their grids first."""
    config = config_for("hash", loop=loop)
    table = (torch.rand(3, rows_per_grid(config), 2, generator=rng) - 0.5).to(DEVICE).requires_grad_(True)
    xyz, _ = points(rng)
    time = torch.tensor([0.0, 0.5, 0.7, 1.0, 0.1]).repeat_interleave(50).to(DEVICE)
    inputs = (table, xyz.repeat(4, 1), time.repeat_interleave(4), grid_levels(config), loop)
    actual, expected = ops.encode_grid(*inputs, slopes=slopes), torch_ops.encode_grid(*inputs, slopes=slopes)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    cotangent = torch.randn(expected.shape, generator=rng).to(DEVICE)
    same_vector(*(torch.autograd.grad(v, table, cotangent)[0] for v in (actual, expected)))


@pytest.mark.parametrize("slopes", [False, True])
def test_half_precision_tables(ops, slopes: bool, rng: torch.Generator) -> None:
    config = config_for("hash")
    half = (torch.rand(3, rows_per_grid(config), 2, generator=rng) - 0.5).to(DEVICE).half().requires_grad_(True)
    full = half.detach().float().requires_grad_(True)
    inputs = (*points(rng), grid_levels(config))
    actual = ops.encode_grid(half, *inputs, slopes=slopes)
    expected = torch_ops.encode_grid(full, *inputs, slopes=slopes)
    assert actual.dtype == torch.float16
    torch.testing.assert_close(actual.float(), expected, atol=1e-3, rtol=1e-3)
    cotangent = torch.randn(expected.shape, generator=rng).to(DEVICE)
    halves = torch.autograd.grad(actual, half, cotangent.half())[0]
    same_vector(halves, torch.autograd.grad(expected, full, cotangent)[0], norm=1e-3)


@pytest.mark.parametrize("slopes", [False, True])
def test_second_derivatives(ops, slopes: bool, rng: torch.Generator) -> None:
    """The gradient of the table is linear in the cotangent: its derivative along a direction is an encoding."""
    config = config_for("hash")
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng).to(DEVICE).requires_grad_(True)
    along = torch.randn(table.shape, generator=rng).to(DEVICE)
    inputs = (*points(rng), grid_levels(config))
    actual = ops.encode_grid(table, *inputs, slopes=slopes)
    cotangent = torch.ones_like(actual, requires_grad=True)
    first = torch.autograd.grad(actual, table, cotangent, create_graph=True)[0]
    second = torch.autograd.grad(first, cotangent, along)[0]
    torch.testing.assert_close(second, torch_ops.encode_grid(along, *inputs, slopes=slopes), atol=1e-4, rtol=1e-5)


def test_no_samples(ops) -> None:
    config = config_for("hash")
    table = torch.rand(3, rows_per_grid(config), 2).to(DEVICE)
    no_samples = torch.zeros(0, 3, device=DEVICE), torch.zeros(0, device=DEVICE)
    table.requires_grad_(True)
    features = ops.encode_grid(table, *no_samples, grid_levels(config))
    assert features.shape == (0, 4)
    assert not torch.autograd.grad(features.sum(), table)[0].any()
    assert ops.encode_grid(table, *no_samples, grid_levels(config), slopes=True).shape == (3, 0, 4)


LAYERS = [(200, 32, 64), (33, 6, 16), (31, 24, 40), (1, 64, 8)]  # samples, features, hidden units


@pytest.mark.parametrize(("count", "width", "hidden"), LAYERS)
def test_linear_layers(
    ops, count: int, width: int, hidden: int, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than a block, odd sizes, and more blocks than programs."""
    own(ops, "mlp")
    monkeypatch.setattr("a124core.kernels.triton_impl.mlp.PROGRAMS", 3)
    shapes = (count, width), (hidden, width), (hidden,), (4, hidden), (4,)
    inputs = [torch.randn(*shape, generator=rng).to(DEVICE).requires_grad_(True) for shape in shapes]
    actual, expected = ops.mlp(*inputs), torch_ops.mlp(*inputs)
    torch.testing.assert_close(actual, expected, atol=1e-5 * float(expected.detach().abs().max()), rtol=1e-5)
    cotangent = torch.randn(count, 4, generator=rng).to(DEVICE)
    pairs = [torch.autograd.grad(out, inputs, cotangent) for out in (actual, expected)]
    for a, b in zip(*pairs, strict=True):
        same_vector(a, b)


def test_linear_layers_of_no_samples_and_of_nan(ops) -> None:
    weights = [torch.ones(*shape, device=DEVICE) for shape in ((16, 8), (16,), (4, 16), (4,))]
    empty = torch.zeros(0, 8, device=DEVICE, requires_grad=True)
    weights[0].requires_grad_(True)
    gradients = torch.autograd.grad(ops.mlp(empty, *weights).sum(), (empty, weights[0]))
    assert gradients[0].shape == (0, 8) and not gradients[1].any()
    broken = torch.full((2, 8), torch.nan, device=DEVICE)
    broken[1] = 0.0
    assert ops.mlp(broken, *weights).isnan().all(dim=1).tolist() == [True, False]


@pytest.mark.parametrize(("grids", "closed"), [(2, False), (5, False), (5, True)])
def test_distances_in_time(ops, grids: int, closed: bool, rng: torch.Generator) -> None:
    own(ops, "temporal_tv")
    values = torch.randn(grids, 1500, generator=rng).to(DEVICE).requires_grad_(True)
    actual, expected = (o.temporal_tv(values, closed) for o in (ops, torch_ops))
    torch.testing.assert_close(actual, expected, atol=0, rtol=1e-5)
    same_vector(*(torch.autograd.grad(3.0 * total, values)[0] for total in (actual, expected)))


@pytest.mark.parametrize(("grids", "closed"), [(2, False), (5, False), (5, True)])
def test_smoothing_in_time(ops, grids: int, closed: bool, rng: torch.Generator) -> None:
    """With columns that fill no block or chunk."""
    own(ops, "temporal_smoothing")
    values = torch.randn(grids, 70_001, generator=rng)
    actual, expected = values.clone().to(DEVICE), values.clone().to(DEVICE)
    ops.temporal_smoothing(actual, 0.3, closed)
    torch_ops.temporal_smoothing(expected, 0.3, closed)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-6)
    assert not torch.equal(actual, values.to(DEVICE))


@pytest.mark.parametrize(("grids", "closed", "clip"), [(2, False, 0.0), (5, False, 0.1), (5, True, 0.0)])
def test_adam_with_temporal_tv(ops, grids: int, closed: bool, clip: float, rng: torch.Generator) -> None:
    """Three steps; with zero gradients at first, with tiny moments, and with a gradient that is NaN."""
    own(ops, "adam_temporal_tv")
    values, *gradients = (torch.randn(grids, 1300, generator=rng) for _ in range(4))
    values[:, :100], gradients[0][:, :100], gradients[1][:, :50] = 1.0, 0.0, 1e-17
    gradients[2][1, 7] = torch.nan
    rule, results = AdamRule(0.01, 0.9, 0.99, 1e-15, clip), []
    for o in (ops, torch_ops):
        state = [v.to(DEVICE) for v in (values.clone(), torch.zeros_like(values), torch.zeros_like(values))]
        count = torch.zeros((), device=DEVICE)
        for gradient in gradients:
            o.adam_temporal_tv(state[0], gradient.clone().to(DEVICE), *state[1:], count, rule, 0.05, closed)
        assert count == 3
        results.append([*state, state[0] - values.to(DEVICE)])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5, equal_nan=True)
        assert expected.isnan().sum() == 1
        same_vector(actual.nan_to_num(), expected.nan_to_num())
