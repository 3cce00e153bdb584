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
from a124core.field.config import INDEX_MODES, FieldConfig
from a124core.field.field4d import new_field
from a124core.field.grid import grid_levels, rows_per_grid
from a124core.field.occupancy import empty_occupancy
from a124core.kernels import AdamRule
from a124core.kernels import dispatch as backend
from a124core.kernels.torch_impl import ops as torch_ops
from a124core.protocols import Shading
from a124core.render.render import render
from a124core.render.sample import camera_rays, sample_rays

BACKEND = "numba" if os.environ.get("A124_KERNELS") == "numba" else "triton"
DEVICE = "cpu" if BACKEND == "numba" or os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
OPERATIONS = ("encode_grid", "encode_grid_gradient")
CUBE = torch.tensor([[-1.0] * 3, [1.0] * 3])


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(124)


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Memory that nobody has written holds NaN, or the largest integer."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.zeros(1).new_empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def ops() -> object:
    """What the backend's choice gives: also its own test must have passed."""
    chosen = backend.ops_for(torch.device(DEVICE))
    assert chosen.NAME == BACKEND
    return chosen


def same_vector(found: Tensor, wanted: Tensor, norm: float = 1e-5) -> None:
    """Cosine and relative norm of a gradient."""
    a, b = found.double().flatten(), wanted.double().flatten()
    assert b.norm() > 0 and torch.nn.functional.cosine_similarity(a, b, dim=0) > 1 - 1e-6
    assert (a - b).norm() <= norm * b.norm()


def own(ops: object, name: str) -> None:
    """Skip where the backend takes torch's: that would compare it with itself."""
    if getattr(ops, name) is getattr(torch_ops, name):
        pytest.skip(f"{BACKEND} has no {name} of its own")


def config_for(mode: str, time_grids: int = 3, **more) -> FieldConfig:
    sizes = {"levels": 2, "base_resolution": 4, "max_resolution": 32, "log2_hashmap_size": 8}
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


@pytest.mark.parametrize(("mode", "grids", "loop"), CASES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_encoding(ops, operation: str, mode: str, grids: int, loop: bool, rng: torch.Generator) -> None:
    config = config_for(mode, grids, loop=loop)
    table = (torch.rand(grids, rows_per_grid(config), 2, generator=rng) - 0.5).to(DEVICE).requires_grad_(True)
    given = (table, *points(rng), grid_levels(config), loop)
    found, wanted = getattr(ops, operation)(*given), getattr(torch_ops, operation)(*given)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    cotangent = torch.randn(wanted.shape, generator=rng).to(DEVICE)
    same_vector(*(torch.autograd.grad(v, table, cotangent)[0] for v in (found, wanted)))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_frames(ops, operation: str, loop: bool, rng: torch.Generator) -> None:
    """Few moments, as a clip has them: on a time grid, between two, at both ends. Torch mixes their grids first."""
    config = config_for("hash", loop=loop)
    table = (torch.rand(3, rows_per_grid(config), 2, generator=rng) - 0.5).to(DEVICE).requires_grad_(True)
    xyz, _ = points(rng)
    time = torch.tensor([0.0, 0.5, 0.7, 1.0, 0.1]).repeat_interleave(50).to(DEVICE)
    given = (table, xyz.repeat(4, 1), time.repeat_interleave(4), grid_levels(config), loop)
    found, wanted = getattr(ops, operation)(*given), getattr(torch_ops, operation)(*given)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    cotangent = torch.randn(wanted.shape, generator=rng).to(DEVICE)
    same_vector(*(torch.autograd.grad(v, table, cotangent)[0] for v in (found, wanted)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_half_precision_tables(ops, operation: str, rng: torch.Generator) -> None:
    config = config_for("hash")
    half = (torch.rand(3, rows_per_grid(config), 2, generator=rng) - 0.5).to(DEVICE).half().requires_grad_(True)
    full = half.detach().float().requires_grad_(True)
    given = (*points(rng), grid_levels(config))
    found, wanted = getattr(ops, operation)(half, *given), getattr(torch_ops, operation)(full, *given)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), wanted, atol=1e-3, rtol=1e-3)
    cotangent = torch.randn(wanted.shape, generator=rng).to(DEVICE)
    halves = torch.autograd.grad(found, half, cotangent.half())[0]
    same_vector(halves, torch.autograd.grad(wanted, full, cotangent)[0], norm=1e-3)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_second_derivatives(ops, operation: str, rng: torch.Generator) -> None:
    """The gradient of the table is linear in the cotangent: its derivative along a direction is an encoding."""
    config = config_for("hash")
    table = torch.rand(3, rows_per_grid(config), 2, generator=rng).to(DEVICE).requires_grad_(True)
    along = torch.randn(table.shape, generator=rng).to(DEVICE)
    given = (*points(rng), grid_levels(config))
    found = getattr(ops, operation)(table, *given)
    cotangent = torch.ones_like(found, requires_grad=True)
    first = torch.autograd.grad(found, table, cotangent, create_graph=True)[0]
    second = torch.autograd.grad(first, cotangent, along)[0]
    torch.testing.assert_close(second, getattr(torch_ops, operation)(along, *given), atol=1e-4, rtol=1e-5)


def test_no_samples(ops) -> None:
    config = config_for("hash")
    table = torch.rand(3, rows_per_grid(config), 2).to(DEVICE)
    nowhere = torch.zeros(0, 3, device=DEVICE), torch.zeros(0, device=DEVICE)
    table.requires_grad_(True)
    features = ops.encode_grid(table, *nowhere, grid_levels(config))
    assert features.shape == (0, 4)
    assert not torch.autograd.grad(features.sum(), table)[0].any()
    assert ops.encode_grid_gradient(table, *nowhere, grid_levels(config)).shape == (3, 0, 4)


LAYERS = [(200, 32, 64), (33, 6, 16), (31, 24, 40), (1, 64, 8)]  # samples, features, hidden units


@pytest.mark.parametrize(("count", "width", "hidden"), LAYERS)
def test_linear_layers(
    ops, count: int, width: int, hidden: int, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than a block, odd sizes, and more blocks than programs."""
    own(ops, "mlp")
    monkeypatch.setattr("a124core.kernels.triton_impl.mlp.PROGRAMS", 3)
    shapes = (count, width), (hidden, width), (hidden,), (4, hidden), (4,)
    given = [torch.randn(*shape, generator=rng).to(DEVICE).requires_grad_(True) for shape in shapes]
    found, wanted = ops.mlp(*given), torch_ops.mlp(*given)
    torch.testing.assert_close(found, wanted, atol=1e-5 * float(wanted.detach().abs().max()), rtol=1e-5)
    cotangent = torch.randn(count, 4, generator=rng).to(DEVICE)
    pairs = [torch.autograd.grad(out, given, cotangent) for out in (found, wanted)]
    for a, b in zip(*pairs, strict=True):
        same_vector(a, b)


def test_linear_layers_of_nothing_and_of_no_number(ops) -> None:
    weights = [torch.ones(*shape, device=DEVICE) for shape in ((16, 8), (16,), (4, 16), (4,))]
    nothing = torch.zeros(0, 8, device=DEVICE, requires_grad=True)
    weights[0].requires_grad_(True)
    gradients = torch.autograd.grad(ops.mlp(nothing, *weights).sum(), (nothing, weights[0]))
    assert gradients[0].shape == (0, 8) and not gradients[1].any()
    lost = torch.full((2, 8), torch.nan, device=DEVICE)
    lost[1] = 0.0
    assert ops.mlp(lost, *weights).isnan().all(dim=1).tolist() == [True, False]


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_marching(ops, share: float, rng: torch.Generator) -> None:
    """150 rays, some of which miss; a random half of the cells, and none."""
    occupied = (torch.rand(3, 8, 8, 8, generator=rng) < share).to(DEVICE)
    origins = torch.tensor([[0.1, 0.2, 1.8]]).repeat(150, 1).to(DEVICE)
    directions = torch.cat((torch.rand(150, 2, generator=rng) * 3 - 1.5, -torch.ones(150, 1)), dim=1).to(DEVICE)
    slices = torch.randint(0, 3, (150,), generator=rng).to(DEVICE)
    jitter = torch.rand(150, generator=rng).to(DEVICE)
    given = (origins, directions, slices, occupied, CUBE.to(DEVICE), 0.05, jitter)
    (ray, start), (ray_wanted, start_wanted) = ops.march(*given), torch_ops.march(*given)
    assert torch.equal(ray, ray_wanted)
    torch.testing.assert_close(start, start_wanted, atol=1e-6, rtol=0)
    assert (len(ray) > 300) if share else (len(ray) == 0)


def rays_of(counts: list[int]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(DEVICE)


def test_compositing(ops, rng: torch.Generator) -> None:
    """Empty rays, one sample, more than a program takes at a time; thin fog, thick matter, an infinite density."""
    own(ops, "render_weights")
    ray = rays_of([0, 1, 100, 0, 33, 32, 5, 0, 0, 64])
    density = 10.0 ** (torch.rand(len(ray), generator=rng) * 7 - 4)
    density[40], density[-1] = torch.inf, torch.inf
    density = density.to(DEVICE).requires_grad_(True)
    found, wanted = (o.render_weights(density, ray, 10, 0.02) for o in (ops, torch_ops))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    light = [o.transmittance(density.detach(), ray, 10, 0.02) for o in (ops, torch_ops)]
    torch.testing.assert_close(*light, atol=1e-6, rtol=1e-5)
    finite = density.detach().clamp(max=1e4).requires_grad_(True)
    cotangent = torch.randn(len(ray), generator=rng).to(DEVICE)
    pair = [o.render_weights(finite, ray, 10, 0.02) for o in (ops, torch_ops)]
    same_vector(*(torch.autograd.grad(weights, finite, cotangent)[0] for weights in pair))


@pytest.mark.parametrize("columns", [1, 5])
def test_sums_along_rays(ops, columns: int, rng: torch.Generator) -> None:
    own(ops, "accumulate")
    ray = rays_of([0, 1, 100, 0, 33, 32, 5, 0, 0, 264, 0])
    weights = torch.rand(len(ray), generator=rng).to(DEVICE).requires_grad_(True)
    values = torch.randn(len(ray), columns, generator=rng).to(DEVICE).requires_grad_(True)
    cotangent = torch.randn(11, columns, generator=rng).to(DEVICE)
    found, wanted = (o.accumulate(weights, values, ray, 11) for o in (ops, torch_ops))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    pairs = [torch.autograd.grad(sums, (weights, values), cotangent) for sums in (found, wanted)]
    for a, b in zip(*pairs, strict=True):
        same_vector(a, b)


def test_rays_without_samples(ops) -> None:
    none, values, ray = (torch.zeros(*size, device=DEVICE) for size in ((0,), (0, 3), (0,)))
    assert torch.equal(ops.accumulate(none, values, ray.long(), 4), torch.zeros(4, 3, device=DEVICE))
    assert ops.render_weights(none, ray.long(), 4, 0.1).shape == (0,)


@pytest.mark.parametrize(("grids", "closed"), [(2, False), (5, False), (5, True)])
def test_distances_in_time(ops, grids: int, closed: bool, rng: torch.Generator) -> None:
    own(ops, "temporal_tv")
    values = torch.randn(grids, 1500, generator=rng).to(DEVICE).requires_grad_(True)
    found, wanted = (o.temporal_tv(values, closed) for o in (ops, torch_ops))
    torch.testing.assert_close(found, wanted, atol=0, rtol=1e-5)
    same_vector(*(torch.autograd.grad(3.0 * total, values)[0] for total in (found, wanted)))


@pytest.mark.parametrize(("grids", "closed", "clip"), [(2, False, 0.0), (5, False, 0.1), (5, True, 0.0)])
def test_adam_with_temporal_tv(ops, grids: int, closed: bool, clip: float, rng: torch.Generator) -> None:
    """Three steps; where nothing pulls at first, where moments are tiny, and a gradient that is not a number."""
    own(ops, "adam_time_tv")
    values, *gradients = (torch.randn(grids, 1300, generator=rng) for _ in range(4))
    values[:, :100], gradients[0][:, :100], gradients[1][:, :50] = 1.0, 0.0, 1e-17
    gradients[2][1, 7] = torch.nan
    rule, moved = AdamRule(0.01, 0.9, 0.99, 1e-15, clip), []
    for o in (ops, torch_ops):
        state = [v.to(DEVICE) for v in (values.clone(), torch.zeros_like(values), torch.zeros_like(values))]
        count = torch.zeros((), device=DEVICE)
        for gradient in gradients:
            o.adam_time_tv(state[0], gradient.clone().to(DEVICE), *state[1:], count, rule, 0.05, closed)
        assert count == 3
        moved.append([*state, state[0] - values.to(DEVICE)])
    for found, wanted in zip(*moved, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5, equal_nan=True)
        assert wanted.isnan().sum() == 1
        same_vector(found.nan_to_num(), wanted.nan_to_num())


@pytest.mark.parametrize("own_colours", [False, True])
def test_drawing(ops, own_colours: bool, rng: torch.Generator) -> None:
    """Balls of 4,000 points, one before the other; one picture looks from behind, one at nothing."""
    own(ops, "splat_points")
    normals = torch.nn.functional.normalize(torch.randn(3, 8000, generator=rng), dim=0)
    places = 0.3 * normals + torch.tensor([[0.1, -0.2], [0.0, 0.1], [0.3, -0.4]]).repeat_interleave(4000, 1)
    colours = torch.rand(*(3,) * own_colours, 8000, 4, generator=rng)
    cameras = make_cameras([0.0, 20.0, 0.0], [0.0, 170.0, 90.0], [1.8, 1.8, 4.0], [40.0, 40.0, 2.0])
    focal = 64.0 / (2.0 * torch.tan(torch.deg2rad(cameras.fovy) / 2.0))
    clouds = (v.expand(3, -1, -1) for v in (places, normals))
    given = [v.to(DEVICE) for v in (*clouds, colours, camera_to_world(cameras), cameras.radius, focal)]
    found, wanted = (o.splat_points(*given, 32) for o in (ops, torch_ops))
    assert wanted[0, 4].mean() > 0.1
    assert ((found - wanted).abs() > 1e-5).float().mean() < 1e-3  # a point on the border of two cells may take either


def test_a_whole_render(monkeypatch: pytest.MonkeyPatch, rng: torch.Generator) -> None:
    """Pixels of a shaded picture and their gradient: every operation behind its public name, several programs each."""
    field = new_field(config_for("hash", init_scale=1.0), rng).fork(DEVICE)
    mask = empty_occupancy(8, 2, -1.0).to(DEVICE).mask()
    cameras = make_cameras([0.0, 20.0], [0.0, 70.0], 1.8, 40.0).to(DEVICE)
    rays = camera_rays(cameras, torch.tensor([0.3, 0.8]).to(DEVICE), 4)
    light, ground = torch.tensor([[0.0, 0.6, 0.8]]).expand(32, 3).to(DEVICE), torch.ones(3, device=DEVICE)
    seen = {}
    for name in ("torch", BACKEND):
        monkeypatch.setenv("A124_KERNELS", name)
        result = render(field, sample_rays(rays, mask, 20), ground, Shading("lambertian", 0.3), light, early_stop=True)
        loss = result.image.square().sum() + result.depth.sum()
        gradients = torch.autograd.grad(loss, [field.table, *field.mlp.values()])
        seen[name] = result.image.detach(), torch.cat([g.flatten() for g in gradients])
    assert seen["torch"][0].std() > 0.01
    torch.testing.assert_close(seen[BACKEND][0], seen["torch"][0], atol=1e-5, rtol=1e-5)
    same_vector(seen[BACKEND][1], seen["torch"][1], norm=1e-4)
