"""More of backend_checks.py: marching, compositing, drawn points, triangles and Gaussians, and a whole render."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import camera_to_world, make_cameras
from a124core.field.field4d import new_field
from a124core.field.occupancy import empty_occupancy
from a124core.kernels.torch_impl import ops as torch_ops
from a124core.protocols import Shading
from a124core.render.render import render
from a124core.render.sample import camera_rays, sample_rays
from tests.core.kernels.backend import BACKEND, DEVICE, SEED, config_for, own, same_vector

pytestmark = pytest.mark.usefixtures("poisoned")
CUBE = torch.tensor([[-1.0] * 3, [1.0] * 3])


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


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
