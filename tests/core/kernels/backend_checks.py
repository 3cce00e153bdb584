"""A backend against the torch specification: Triton's on a CPU through its interpreter, which test_triton.py sets up,
Numba's with A124_KERNELS=numba, which test_numba.py sets, and on a GPU Triton's with

    python -m pytest tests/core/kernels/backend_checks.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import camera_to_world, make_cameras
from a124core.field.config import BACKBONES, INDEX_MODES, FieldConfig
from a124core.field.field4d import new_field
from a124core.field.grid import grid_levels, rows_per_grid
from a124core.field.occupancy import empty_occupancy
from a124core.kernels import AdamRule, dispatch
from a124core.kernels.torch_impl import ops as torch_ops
from a124core.protocols import Shading
from a124core.render.render import render
from a124core.render.sample import camera_rays, sample_rays

BACKEND = "numba" if os.environ.get("A124_KERNELS") == "numba" else "triton"
DEVICE = "cpu" if BACKEND == "numba" or os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
CUBE = torch.tensor([[-1.0] * 3, [1.0] * 3])


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(124)


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Unwritten memory holds NaN, or the largest integer."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.zeros(1).new_empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def ops() -> object:
    """The selected backend: its self-test must have passed too."""
    selected = dispatch.ops_for(torch.device(DEVICE))
    assert selected.NAME == BACKEND
    return selected


def same_vector(actual: Tensor, expected: Tensor, norm: float = 1e-5) -> None:
    """Cosine and relative norm of a gradient."""
    a, b = actual.double().flatten(), expected.double().flatten()
    assert b.norm() > 0 and torch.nn.functional.cosine_similarity(a, b, dim=0) > 1 - 1e-6
    assert (a - b).norm() <= norm * b.norm()


def own(ops: object, name: str) -> None:
    """Skip where the backend takes torch's: that would compare it with itself."""
    if getattr(ops, name) is getattr(torch_ops, name):
        pytest.skip(f"{BACKEND} has no {name} of its own")


def config_for(mode: str, time_grids: int = 3, **more) -> FieldConfig:
    sizes = {"levels": 2, "base_resolution": 4, "max_resolution": 32, "log2_hashmap_size": 8}
    if mode in BACKBONES:  # two dense levels of 6^3 and 9^3 rows, whose modulo is by no power of two, and a hashed one
        sizes = {"levels": 3, "base_resolution": 6, "max_resolution": 13, "log2_hashmap_size": 10}
        return FieldConfig(time_grids=time_grids, backbone=mode, **sizes, **more)
    return FieldConfig(time_grids=time_grids, index_mode=mode, **sizes, **more)


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


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_marching(ops, share: float, rng: torch.Generator) -> None:
    """150 rays, some of which miss; a random half of the cells, and none."""
    binary = (torch.rand(3, 8, 8, 8, generator=rng) < share).to(DEVICE)
    origins = torch.tensor([[0.1, 0.2, 1.8]]).repeat(150, 1).to(DEVICE)
    directions = torch.cat((torch.rand(150, 2, generator=rng) * 3 - 1.5, -torch.ones(150, 1)), dim=1).to(DEVICE)
    slices = torch.randint(0, 3, (150,), generator=rng).to(DEVICE)
    jitter = torch.rand(150, generator=rng).to(DEVICE)
    inputs = (origins, directions, slices, binary, CUBE.to(DEVICE), 0.05, jitter)
    (ray_indices, start), (expected_indices, expected_start) = ops.march(*inputs), torch_ops.march(*inputs)
    assert torch.equal(ray_indices, expected_indices)
    torch.testing.assert_close(start, expected_start, atol=1e-6, rtol=0)
    assert (len(ray_indices) > 300) if share else (len(ray_indices) == 0)


def ray_indices_of(counts: list[int]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(DEVICE)


def test_compositing(ops, rng: torch.Generator) -> None:
    """Empty rays, one sample, more than a program takes at a time; thin fog, thick matter, an infinite density."""
    own(ops, "render_weights")
    ray_indices = ray_indices_of([0, 1, 100, 0, 33, 32, 5, 0, 0, 64])
    density = 10.0 ** (torch.rand(len(ray_indices), generator=rng) * 7 - 4)
    density[40], density[-1] = torch.inf, torch.inf
    density = density.to(DEVICE).requires_grad_(True)
    actual, expected = (o.render_weights(density, ray_indices, 10, 0.02) for o in (ops, torch_ops))
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-5)
    light = [o.transmittance(density.detach(), ray_indices, 10, 0.02) for o in (ops, torch_ops)]
    torch.testing.assert_close(*light, atol=1e-6, rtol=1e-5)
    finite = density.detach().clamp(max=1e4).requires_grad_(True)
    cotangent = torch.randn(len(ray_indices), generator=rng).to(DEVICE)
    pair = [o.render_weights(finite, ray_indices, 10, 0.02) for o in (ops, torch_ops)]
    same_vector(*(torch.autograd.grad(weights, finite, cotangent)[0] for weights in pair))


@pytest.mark.parametrize("columns", [1, 5])
def test_sums_along_rays(ops, columns: int, rng: torch.Generator) -> None:
    own(ops, "accumulate")
    ray_indices = ray_indices_of([0, 1, 100, 0, 33, 32, 5, 0, 0, 264, 0])
    weights = torch.rand(len(ray_indices), generator=rng).to(DEVICE).requires_grad_(True)
    values = torch.randn(len(ray_indices), columns, generator=rng).to(DEVICE).requires_grad_(True)
    cotangent = torch.randn(11, columns, generator=rng).to(DEVICE)
    actual, expected = (o.accumulate(weights, values, ray_indices, 11) for o in (ops, torch_ops))
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    pairs = [torch.autograd.grad(sums, (weights, values), cotangent) for sums in (actual, expected)]
    for a, b in zip(*pairs, strict=True):
        same_vector(a, b)


def test_rays_without_samples(ops) -> None:
    none, values, ray_indices = (torch.zeros(*size, device=DEVICE) for size in ((0,), (0, 3), (0,)))
    assert torch.equal(ops.accumulate(none, values, ray_indices.long(), 4), torch.zeros(4, 3, device=DEVICE))
    assert ops.render_weights(none, ray_indices.long(), 4, 0.1).shape == (0,)


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


@pytest.mark.parametrize("own_colours", [False, True])
def test_drawing(ops, own_colours: bool, rng: torch.Generator) -> None:
    """Balls of 4,000 points, one before the other; one image from behind, one of nothing."""
    own(ops, "splat_points")
    normals = torch.nn.functional.normalize(torch.randn(3, 8000, generator=rng), dim=0)
    xyz = 0.3 * normals + torch.tensor([[0.1, -0.2], [0.0, 0.1], [0.3, -0.4]]).repeat_interleave(4000, 1)
    colours = torch.rand(*(3,) * own_colours, 8000, 4, generator=rng)
    cameras = make_cameras([0.0, 20.0, 0.0], [0.0, 170.0, 90.0], [1.8, 1.8, 4.0], [40.0, 40.0, 2.0])
    focal = 64.0 / (2.0 * torch.tan(torch.deg2rad(cameras.fovy) / 2.0))
    clouds = (v.expand(3, -1, -1) for v in (xyz, normals))
    inputs = [v.to(DEVICE) for v in (*clouds, colours, camera_to_world(cameras), cameras.radius, focal)]
    actual, expected = (o.splat_points(*inputs, 32) for o in (ops, torch_ops))
    assert expected[0, 4].mean() > 0.1
    assert ((actual - expected).abs() > 1e-5).float().mean() < 1e-3  # a point on a cell's border may take either


def two_cameras(size: int) -> tuple[Tensor, Tensor]:
    """A camera outside of the scene and one inside of it."""
    c2w = camera_to_world(make_cameras([20.0, -60.0], [40.0, 200.0], [1.8, 0.2]))
    lens = torch.tensor([[1.4 * size, 0.0, 0.0], [0.9 * size, 3.5, -2.0]])
    return c2w.to(DEVICE), lens.to(DEVICE)


def test_nearest_faces(ops, rng: torch.Generator) -> None:
    """Large, small, cut and degenerate triangles, bit for bit, more than one band of rows."""
    vertices = torch.rand(3000, 3, generator=rng) * 1.2 - 0.6
    near = vertices[torch.randint(0, 3000, (3000, 1), generator=rng)] + 0.05 * torch.rand(3000, 3, 3, generator=rng)
    vertices = torch.cat((vertices, near.flatten(0, 1))).to(DEVICE)
    faces = torch.cat((torch.randint(0, 3000, (40, 3), generator=rng), torch.arange(3000, 12000).view(-1, 3)))
    faces[5] = 7
    inputs = vertices, faces.to(DEVICE), *two_cameras(140), (140, 90)
    actual, expected = ops.nearest_faces(*inputs), torch_ops.nearest_faces(*inputs)
    assert 0.2 < (expected >= 0).float().mean() and len(expected.unique()) > 200
    assert torch.equal(actual, expected)


def test_gaussians(ops, rng: torch.Generator) -> None:
    means, rgba = torch.rand(2500, 3, generator=rng) - 0.5, torch.rand(2500, 4, generator=rng)
    axes = 0.06 * (torch.rand(2500, 3, 3, generator=rng) - 0.5)
    inputs = *(t.to(DEVICE) for t in (means, axes @ axes.transpose(1, 2), rgba)), *two_cameras(50), (50, 70)
    actual, expected = ops.draw_gaussians(*inputs), torch_ops.draw_gaussians(*inputs)
    assert expected[:, 3].mean() > 0.2
    assert (actual - expected).abs().mean() < 1e-5 and (actual - expected).abs().max() < 0.01


def test_a_whole_render(monkeypatch: pytest.MonkeyPatch, rng: torch.Generator) -> None:
    """Pixels of a shaded image and their gradient: every operation behind its public name, several programs each."""
    field = new_field(config_for("hash", init_scale=1.0), rng).fork(DEVICE)
    mask = empty_occupancy(8, 2, -1.0).to(DEVICE).mask()
    cameras = make_cameras([0.0, 20.0], [0.0, 70.0], 1.8, 40.0).to(DEVICE)
    rays = camera_rays(cameras, torch.tensor([0.3, 0.8]).to(DEVICE), 4)
    light, background = torch.tensor([[0.0, 0.6, 0.8]]).expand(32, 3).to(DEVICE), torch.ones(3, device=DEVICE)
    results = {}
    for name in ("torch", BACKEND):
        monkeypatch.setenv("A124_KERNELS", name)
        samples, shading = sample_rays(rays, mask, 20), Shading("lambertian", 0.3)
        result = render(field, samples, background, shading, light, early_stop=True)
        loss = result.image.square().sum() + result.depth.sum()
        gradients = torch.autograd.grad(loss, [field.table, *field.mlp.values()])
        results[name] = result.image.detach(), torch.cat([g.flatten() for g in gradients])
    assert results["torch"][0].std() > 0.01
    torch.testing.assert_close(results[BACKEND][0], results["torch"][0], atol=1e-5, rtol=1e-5)
    same_vector(results[BACKEND][1], results["torch"][1], norm=1e-4)
