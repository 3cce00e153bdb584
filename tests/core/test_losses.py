"""Losses against the formula typed out, closed forms and finite differences."""

import math

import numpy as np
import pytest
import torch

from a124core import losses


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_rgb_is_a_mean_over_the_full_frame():
    image, target = picture(1, 3, 4, 5), picture(1, 3, 4, 5, seed=1)
    mask = (picture(1, 1, 4, 5, seed=2) > 0.5).float()
    total = 0.0
    for c in range(3):
        for j in range(4):
            for i in range(5):
                m = float(mask[0, 0, j, i])
                total += (m * float(image[0, c, j, i]) - m * float(target[0, c, j, i])) ** 2
    assert float(losses.rgb(image, target, mask)) == pytest.approx(total / 60, rel=1e-5)


def test_rgb_shrinks_with_the_mask():
    image, target = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    assert float(losses.rgb(image, target, mask)) == 0.5


def test_mask_is_the_squared_difference():
    assert float(losses.mask(torch.full((1, 1, 3, 3), 0.25), torch.ones(1, 1, 3, 3))) == pytest.approx(0.5625)


def relief(seed: int = 3, size: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    depth = 1.0 + picture(1, 1, size, size, seed=seed)
    near_bright = picture(1, 1, size, size, seed=seed + 1)
    mask = torch.zeros(1, 1, size, size)
    mask[..., 2:7, 1:8] = 1.0
    return depth, near_bright, mask


def test_depth_against_numpy_typed_out():
    depth, near_bright, mask = relief()
    depth[0, 0, 3, 3] = 0.0  # a ray inside the mask that met nothing
    d, inside = depth[0, 0].double().numpy(), mask[0, 0].numpy() > 0.5
    rendered = np.where(d > 0, (d - d[d > 0].min()) / (d[d > 0].max() - d[d > 0].min()), 0.0)
    wanted = 1.0 - near_bright[0, 0].double().numpy()
    wanted = (wanted - wanted[inside].min()) / (wanted[inside].max() - wanted[inside].min())
    r = np.corrcoef(rendered[inside], wanted[inside])[0, 1]
    assert float(losses.depth(depth, near_bright, mask)) == pytest.approx(0.5 * (1 - r), abs=1e-5)


def test_depth_wants_bright_to_be_near():
    _, near_bright, mask = relief()
    near = 2.0 - near_bright  # bright pixels at a smaller z-depth
    assert float(losses.depth(near, near_bright, mask)) == pytest.approx(0.0, abs=1e-5)
    assert float(losses.depth(1.0 + near_bright, near_bright, mask)) == pytest.approx(1.0, abs=1e-5)


def test_depth_does_not_mind_scale_and_shift():
    depth, near_bright, mask = relief()
    a = losses.depth(depth, near_bright, mask)
    b = losses.depth(3.0 * depth + 7.0, near_bright, mask)
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", ["constant", "constant inside", "nothing met", "flat target", "empty mask"])
def test_degenerate_depth_has_a_value_and_no_gradient(case):
    depth, near_bright, mask = relief()
    if case == "constant":
        depth = torch.full_like(depth, 1.7)
    if case == "constant inside":
        depth = torch.where(mask > 0, torch.tensor(1.3371), depth)
    if case == "nothing met":
        depth = torch.zeros_like(depth)
    if case == "flat target":
        near_bright = torch.full_like(near_bright, 0.3)
    if case == "empty mask":
        mask = torch.zeros_like(mask)
    depth.requires_grad_(True)
    loss = losses.depth(depth, near_bright, mask)
    (gradient,) = torch.autograd.grad(loss, depth)
    assert float(loss.detach()) == pytest.approx(0.5)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_depth_gradient():
    depth, near_bright, mask = (v.double() for v in relief(size=8))
    assert torch.autograd.gradcheck(lambda d: losses.depth(d, near_bright, mask), depth.requires_grad_(True))


def test_entropy_against_a_loop_and_its_ends():
    weights = [0.0, 1e-7, 0.1, 0.5, 0.9, 1.0]
    total = 0.0
    for w in weights:
        w = min(max(w, 1e-5), 1 - 1e-5)
        total -= w * math.log2(w) + (1 - w) * math.log2(1 - w)
    assert float(losses.entropy(torch.tensor(weights))) == pytest.approx(total, rel=1e-4)
    assert float(losses.entropy(torch.full((8,), 0.5))) == pytest.approx(8.0)


def test_entropy_gradient_is_finite_everywhere():
    weights = torch.tensor([0.0, 1e-30, 1e-5, 0.5, 1.0], requires_grad=True)
    losses.entropy(weights).backward()
    assert bool(weights.grad.isfinite().all())
    inside = torch.tensor([0.05, 0.3, 0.8], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(losses.entropy, inside)


def test_orientation_against_a_loop():
    weights = picture(20)
    normals = torch.nn.functional.normalize(picture(20, 3, seed=1) - 0.5, dim=-1)
    directions = 3.0 * (picture(20, 3, seed=2) - 0.5)
    total = 0.0
    for w, n, d in zip(weights.tolist(), normals.tolist(), directions.tolist(), strict=True):
        length = math.sqrt(sum(x * x for x in d))
        total += w * max(sum(a * b for a, b in zip(n, d, strict=True)) / length, 0.0) ** 2
    assert float(losses.orientation(weights, normals, directions)) == pytest.approx(total, rel=1e-5)


def test_orientation_moves_normals_and_not_weights():
    weights = picture(4).requires_grad_(True)
    normals = torch.tensor([[0.0, 0.0, -1.0]]).repeat(4, 1).requires_grad_(True)
    losses.orientation(weights, normals, torch.tensor([[0.0, 0.0, -2.0]]).repeat(4, 1)).backward()
    assert weights.grad is None
    torch.testing.assert_close(normals.grad[:, 2], -2.0 * weights.detach())


@pytest.mark.parametrize("name", ["entropy", "orientation"])
def test_sums_over_chunks_add_up(name):
    weights, normals, directions = picture(30), picture(30, 3, seed=1) - 0.5, picture(30, 3, seed=2) - 0.5
    arguments = (weights,) if name == "entropy" else (weights, normals, directions)
    whole = getattr(losses, name)(*arguments)
    parts = sum(getattr(losses, name)(*(v[i : i + 7] for v in arguments)) for i in range(0, 30, 7))
    torch.testing.assert_close(whole, parts)


def test_normal_tv_against_a_loop():
    normal = picture(2, 3, 4, 5).double()
    down, across = [], []
    for b in range(2):
        for c in range(3):
            for j in range(4):
                for i in range(5):
                    if j + 1 < 4:
                        down.append(float(normal[b, c, j + 1, i] - normal[b, c, j, i]) ** 2)
                    if i + 1 < 5:
                        across.append(float(normal[b, c, j, i + 1] - normal[b, c, j, i]) ** 2)
    expected = sum(down) / len(down) + sum(across) / len(across)
    assert float(losses.normal_tv(normal)) == pytest.approx(expected)


def test_blur_against_the_typed_out_kernel():
    image = picture(1, 1, 12, 11).double()
    taps = [math.exp(-((i - 4) ** 2) / (2 * 1.7**2)) for i in range(9)]
    kernel = [[a * b / sum(taps) ** 2 for b in taps] for a in taps]
    padded = np.pad(image[0, 0].numpy(), 4, mode="reflect")
    expected = np.zeros((12, 11))
    for j in range(12):
        for i in range(11):
            expected[j, i] = sum(kernel[v][u] * padded[j + v, i + u] for v in range(9) for u in range(9))
    blurred = losses.blur(image, torch.tensor(taps, dtype=torch.float64) / sum(taps), "reflect")
    np.testing.assert_allclose(blurred[0, 0].numpy(), expected, rtol=1e-10)
    loss = (image[0, 0].numpy() - expected) ** 2
    assert float(losses.normal_blur(image)) == pytest.approx(loss.mean(), rel=1e-10)


@pytest.mark.parametrize("variance", [0.0, 1 / 12, 1 / 6, 0.25])
def test_pixel_kernel_sums_to_1_and_has_the_variance(variance):
    kernel = losses.pixel_kernel(variance)
    assert float(kernel.sum()) == pytest.approx(1)
    assert float((kernel * torch.tensor([1.0, 0.0, 1.0])).sum()) == pytest.approx(variance)


def test_pixels_of_a_twelfth_average_over_their_own_square():
    """The mean of cos(f x) over a pixel is sin(f / 2) / (f / 2) times the value at its centre."""
    f = 2 * math.pi / 8
    x = torch.arange(64, dtype=torch.float64)
    wave = (f * x).cos().expand(1, 1, 64, 64)
    averaged = losses.blur(wave, losses.pixel_kernel(1 / 12))[..., 8:-8]
    expected = wave[..., 8:-8] * math.sin(f / 2) / (f / 2)
    assert float((averaged - expected).abs().max()) < 2e-3
    assert float((wave[..., 8:-8] - expected).abs().max()) > 2e-2


def test_blur_keeps_a_constant_also_in_tiny_pictures():
    for size in (2, 4, 5, 16):
        flat = torch.full((1, 3, size, size), 0.7)
        torch.testing.assert_close(losses.blur(flat, losses.gaussian_kernel(9, 1.7)), flat)
        assert float(losses.normal_blur(flat)) < 1e-10


def test_normal_losses_gradient():
    normal = picture(1, 3, 6, 6).double().requires_grad_(True)
    assert torch.autograd.gradcheck(losses.normal_tv, normal)
    assert torch.autograd.gradcheck(losses.normal_blur, normal)


def test_time_tv_of_tables_against_a_loop():
    table = picture(5, 7, 2).double()
    total = 0.0
    for k in range(4):
        rows = [sum(float(table[k, r, c] - table[k + 1, r, c]) ** 2 for c in range(2)) for r in range(7)]
        total += sum(rows) / 7
    assert float(losses.temporal_tv_tables(table)) == pytest.approx(total / (16 * 4))


def test_time_tv_of_a_loop_has_one_more_pair():
    table = picture(5, 7, 2).double()
    closed = torch.cat([table, table[:1]])
    torch.testing.assert_close(losses.temporal_tv_tables(table, loop=True), losses.temporal_tv_tables(closed))


def test_time_tv_of_samples_is_the_same_formula_on_features():
    features = picture(3, 10, 32).double()
    expected = sum((features[k] - features[k + 1]).square().sum(-1).mean() for k in range(2)) / (16 * 2)
    torch.testing.assert_close(losses.temporal_tv_samples(features), expected)


def test_time_tv_is_zero_for_a_still_field_and_needs_two_grids():
    assert float(losses.temporal_tv_tables(picture(1, 6, 2).expand(4, 6, 2))) == 0.0
    assert torch.autograd.gradcheck(losses.temporal_tv_tables, picture(3, 4, 2).double().requires_grad_(True))
    with pytest.raises(ValueError, match="at least 2 time grids"):
        losses.temporal_tv_tables(picture(1, 6, 2))
