"""Compare a backend with the specification on a small problem with every kind of level, at first use on a device."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

from .grid_index import PRIMES, Level
from .torch_impl.adam import AdamRule
from .torch_impl.planes import PlaneLevel

ATOL = 1e-5  # of values of the order of 1, in float32
NORM = 1e-5  # of a gradient, relative to its norm: a wrong row or share is above 1e-2
STEP = 0.05

LEVELS = (
    Level(3.0, (1, 5, 25), hashed=False, rows=128, offset=0, wraps=False, smooth=False),
    Level(11.0, (1, 13, 169), hashed=False, rows=256, offset=128, wraps=True, smooth=False),
    Level(30.7, PRIMES, hashed=True, rows=256, offset=384, wraps=True, smooth=True),
    Level(4.6, (1, 6, 36), hashed=False, rows=216, offset=640, wraps=True, smooth=False),
)
ROWS = 856

Case = Callable[[ModuleType, torch.device], tuple[Tensor, ...]]  # a value, then its gradients


def mismatch(backend: ModuleType, specification: ModuleType, device: torch.device) -> str:
    """Return a sentence about the first operation that differs; "" if none does."""
    for name in CASES:
        if not agrees(name, backend, specification, device):
            return f"{name} does not match torch."
    return ""


@torch.inference_mode(False)
@torch.enable_grad()
def agrees(name: str, backend: ModuleType, specification: ModuleType, device: torch.device) -> bool:
    """Return whether one of CASES gives the same value and gradients."""
    actual, expected = (CASES[name](ops, device) for ops in (backend, specification))
    pairs = enumerate(zip(actual, expected, strict=True))
    return all(a.shape == b.shape and _close(a, b, is_gradient=k > 0) for k, (a, b) in pairs)


def _close(a: Tensor, b: Tensor, is_gradient: bool) -> bool:
    a, b = a.detach().double(), b.detach().double()
    if is_gradient:
        return bool((a - b).norm() <= NORM * b.norm())
    return bool(((a - b).abs() <= ATOL * (1.0 + b.abs())).all())


def _encode(n_times: int = 200, loop: bool = False, slopes: bool = False) -> Case:
    """200 samples, of few times, as in the frames of a clip, or each with its own."""

    def run(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
        rng = torch.Generator().manual_seed(0)
        table = (torch.rand(4, ROWS, 2, generator=rng) - 0.5).to(device).requires_grad_(True)
        xyz = (torch.rand(200, 3, generator=rng) * 2.2 - 1.1).to(device)
        time = torch.rand(n_times, generator=rng).repeat_interleave(200 // n_times + 1)[:200].to(device)
        values = ops.encode_grid(table, xyz, time, LEVELS, loop, slopes)
        cotangent = torch.rand(values.shape, generator=rng).to(device)
        return values, torch.autograd.grad(values, table, cotangent)[0]

    return run


def _encode_planes(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(7)
    levels = (PlaneLevel(4, 0, 0), PlaneLevel(7, 48, 12))
    planes, lines = (torch.rand(*shape, 2, generator=rng) - 0.5 for shape in ((195,), (3, 33)))
    planes, lines = (value.to(device).requires_grad_(True) for value in (planes, lines))
    xyz, time = (torch.rand(200, 3, generator=rng) * 2.2 - 1.1).to(device), torch.rand(200, generator=rng).to(device)
    values = ops.encode_planes(planes, lines, xyz, time, levels)
    cotangent = torch.rand(values.shape, generator=rng).to(device)
    return values, *torch.autograd.grad(values, (planes, lines), cotangent)


def _mlp(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    """Multiples of 1/4 and 1/16: torch's products stay exact where the host has allowed TF32."""
    rng = torch.Generator().manual_seed(6)
    shapes = {(200, 32): 4, (64, 32): 4, (64,): 16, (4, 64): 4, (4,): 16}
    inputs = [(torch.randint(-2, 3, shape, generator=rng) / parts).to(device) for shape, parts in shapes.items()]
    inputs = [value.requires_grad_(True) for value in inputs]
    out = ops.mlp(*inputs)
    cotangent = (torch.randint(-2, 3, (200, 4), generator=rng) / 4).to(device)
    return out, *torch.autograd.grad(out, inputs, cotangent)


def _march(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(1)
    binary = (torch.rand(2, 8, 8, 8, generator=rng) > 0.5).to(device)
    origins = torch.tensor([[0.1, 0.2, 1.8]]).repeat(40, 1).to(device)
    directions = torch.cat((torch.rand(40, 2, generator=rng) - 0.5, -torch.ones(40, 1)), dim=1).to(device)
    aabb = torch.tensor([[-1.0] * 3, [1.0] * 3]).to(device)
    ray_slice, jitter = torch.arange(40).to(device) % 2, torch.rand(40, generator=rng).to(device)
    ray_indices, start = ops.march(origins, directions, ray_slice, binary, aabb, STEP, jitter)
    return start, ray_indices


def _render_weights(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(2)
    density = (40.0 * torch.rand(200, generator=rng)).to(device).requires_grad_(True)
    ray_indices = torch.randint(0, 9, (200,), generator=rng).sort()[0].to(device)
    weights = ops.render_weights(density, ray_indices, 10, STEP)
    cotangent = torch.rand(200, generator=rng).to(device)
    light = ops.transmittance(density.detach(), ray_indices, 10, STEP)
    return torch.cat((weights, light)), torch.autograd.grad(weights, density, cotangent)[0]


def _accumulate(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(3)
    weights = torch.rand(200, generator=rng).to(device).requires_grad_(True)
    values = torch.rand(200, 5, generator=rng).to(device).requires_grad_(True)
    ray_indices = torch.randint(0, 9, (200,), generator=rng).sort()[0].to(device)
    sums = ops.accumulate(weights, values, ray_indices, 10)
    cotangent = torch.rand(10, 5, generator=rng).to(device)
    return sums, *torch.autograd.grad(sums, (weights, values), cotangent)


def _temporal_tv(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    values = torch.rand(5, 1500, generator=torch.Generator().manual_seed(4)).to(device).requires_grad_(True)
    total = ops.temporal_tv(values, True)
    return total, torch.autograd.grad(total, values)[0]


def _temporal_smoothing(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    values = torch.randn(5, 1500, generator=torch.Generator().manual_seed(9)).to(device)
    ops.temporal_smoothing(values, 0.3, True)
    return (values,)


def _adam_temporal_tv(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    """Two steps, so that both moments and their bias corrections count."""
    rng = torch.Generator().manual_seed(5)
    values, *gradients = (torch.randn(5, 700, generator=rng).to(device) for _ in range(3))
    mean, square, count = torch.zeros_like(values), torch.zeros_like(values), torch.zeros((), device=device)
    for gradient in gradients:
        ops.adam_temporal_tv(values, gradient, mean, square, count, AdamRule(0.1, 0.9, 0.99, 1e-15, 1.0), 0.3, True)
    return values, mean, square, count


def _splat_points(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(5)
    points = torch.rand(2, 3, 300, generator=rng) - 0.5
    colours = torch.rand(300, 3, generator=rng)
    c2w = torch.eye(4).repeat(2, 1, 1)
    c2w[:, 2, 3] = 1.8
    inputs = (points, points, colours, c2w, torch.full((2,), 1.8), torch.tensor([20.0, 30.0]))
    return (ops.splat_points(*(v.to(device) for v in inputs), 8),)


def _lens(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return two cameras, the second so near that it cuts what it sees, and their lenses."""
    c2w = torch.eye(4).repeat(2, 1, 1)
    c2w[:, 2, 3] = torch.tensor([1.8, 0.3])
    return c2w.to(device), torch.tensor([[20.0, 0.0, 0.0], [12.0, 1.5, -2.0]]).to(device)


def _nearest_faces(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(7)
    vertices = (torch.rand(60, 3, generator=rng) - 0.5).to(device)
    faces = torch.randint(0, 60, (40, 3), generator=rng).to(device)
    return (ops.nearest_faces(vertices, faces, *_lens(device), (12, 16)),)


def _draw_gaussians(ops: ModuleType, device: torch.device) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(8)
    means, rgba = torch.rand(60, 3, generator=rng) - 0.5, torch.rand(60, 4, generator=rng)
    axes = 0.1 * torch.rand(60, 3, 3, generator=rng)
    inputs = means, axes @ axes.transpose(1, 2), rgba
    return (ops.draw_gaussians(*(v.to(device) for v in inputs), *_lens(device), (12, 20)),)


CASES: dict[str, Case] = {
    "encode_grid": _encode(),
    "encode_grid in a loop": _encode(loop=True),
    "encode_grid with slopes": _encode(slopes=True),
    "encode_planes": _encode_planes,
    "mlp": _mlp,
    "encode_grid of frames": _encode(n_times=3),
    "encode_grid of frames with slopes": _encode(n_times=3, slopes=True),
    "march": _march,
    "render_weights": _render_weights,
    "accumulate": _accumulate,
    "temporal_tv": _temporal_tv,
    "temporal_smoothing": _temporal_smoothing,
    "adam_temporal_tv": _adam_temporal_tv,
    "splat_points": _splat_points,
    "nearest_faces": _nearest_faces,
    "draw_gaussians": _draw_gaussians,
}
