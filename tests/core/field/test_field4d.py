"""The 4D grid field: its derivative, its start from a still one, its handles."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.field.config import BACKBONES, FieldConfig
from a124core.field.density import central_difference, density_of, normals_from
from a124core.field.field4d import Field4D, from_static, new_field
from a124core.field.grid import grid_levels
from a124core.field.occupancy import empty_occupancy, update_occupancy
from a124core.render.clip import ImageOptions, render_clip
from tests.fakes import FunctionField

SMALL = FieldConfig(
    time_grids=3, levels=3, base_resolution=4, max_resolution=16, log2_hashmap_size=9, hidden=8, init_scale=0.5
)
KINDS = {
    "exp": replace(SMALL, blob_density=3.0, blob_radius=0.5),
    "softplus": replace(SMALL, density="softplus", blob_density=2.0, blob_radius=0.4),
    "HexPlane": replace(SMALL, density="softplus", blob_density=2.0, blob_radius=0.4, backbone="HexPlane"),
    "tiny-cuda-nn": replace(SMALL, density="softplus", blob_density=2.0, blob_radius=0.4, backbone="tiny-cuda-nn"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_smooth_normals_are_differences_until_the_field_rests(kind: str, rng: torch.Generator) -> None:
    """They can be trained, and a finished field has its normals in closed form."""
    field = replace(new_field(KINDS[kind], rng), smooth_normals=True).fork()
    xyz, time = torch.rand(40, 3, generator=rng) * 2 - 1, torch.rand(40, generator=rng)
    slope = field.density_gradient(xyz, time)
    assert torch.equal(slope, central_difference(field, xyz, time, 0.01))
    gradients = torch.autograd.grad(slope.square().sum(), [field.table, field.mlp["w1"]])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    rested = field.at_rest()
    closed = replace(field, smooth_normals=False).density_gradient(xyz, time)
    assert torch.equal(rested.density_gradient(xyz, time), closed) and not torch.allclose(slope, closed, rtol=0.01)


def double(field: Field4D) -> Field4D:
    return field._converted(lambda value: value.double(), "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_density_gradient_against_finite_differences(kind: str, rng: torch.Generator) -> None:
    field = double(new_field(KINDS[kind], rng))
    xyz = (torch.rand(60, 3, generator=rng, dtype=torch.float64) * 2 - 1) * 0.9
    time = torch.rand(60, generator=rng, dtype=torch.float64)
    close = (field.density_gradient(xyz, time) - central_difference(field, xyz, time, 1e-6)).norm(dim=1)
    assert close.median() < 1e-5 and (close < 1e-2).float().mean() > 0.95  # a ReLU or a cell face may lie between


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_density_gradient_reaches_table_and_mlp(kind: str, rng: torch.Generator) -> None:
    config = replace(KINDS[kind], levels=2, max_resolution=8, log2_hashmap_size=6, hidden=4)
    if kind == "HexPlane":  # every row is varied, and its planes have many
        config = replace(config, time_grids=2, base_resolution=2, max_resolution=3)
    field = double(new_field(config, rng))
    xyz = (torch.rand(3, 3, generator=rng, dtype=torch.float64) * 2 - 1) * 0.8
    time = torch.rand(3, generator=rng, dtype=torch.float64)
    tables = [value.requires_grad_(True) for value in field.tables.values()]
    leaves = [*tables, field.mlp["w1"].requires_grad_(True), field.mlp["w2"].requires_grad_(True)]

    def gradient(*values):
        *tables, w1, w2 = values
        tables = dict(zip(field.tables, tables, strict=True))
        return replace(field, **tables, mlp={**field.mlp, "w1": w1, "w2": w2}).density_gradient(xyz, time)

    assert torch.autograd.gradcheck(gradient, leaves)
    assert torch.autograd.gradgradcheck(gradient, leaves)


def test_a_field_without_a_formula_has_its_gradient_from_autograd() -> None:
    ball = FunctionField(lambda xyz, time: (1.0 - xyz.square().sum(1), torch.ones_like(xyz)))
    xyz = torch.tensor([[0.1, -0.2, 0.3]])
    torch.testing.assert_close(ball.density_gradient(xyz, torch.zeros(1)), -2.0 * xyz)
    torch.testing.assert_close(normals_from(-2.0 * xyz), xyz / xyz.norm())
    assert not normals_from(torch.zeros(1, 3)).any()
    steps = FunctionField(lambda xyz, time: ((xyz[:, 0] > 0).float(), xyz))
    assert not steps.density_gradient(xyz, torch.zeros(1)).any()


def test_exp_density_at_the_start() -> None:
    """About 22,026 at the centre and 26 at |x| = 0.3, as the release starts."""
    config = FieldConfig(time_grids=1, levels=1, base_resolution=4, max_resolution=4, hidden=4)
    mlp = {"w1": torch.zeros(4, 2), "b1": torch.zeros(4), "w2": torch.zeros(4, 4), "b2": torch.zeros(4)}
    field = Field4D(config, torch.zeros(1, 128, 2), mlp)
    density = field(torch.tensor([[0.0, 0, 0], [0.3, 0, 0]]), torch.zeros(2))[0]
    torch.testing.assert_close(density, torch.tensor([22026.5, 25.7]), rtol=0.01, atol=0)


def test_clipped_exp_keeps_gradients_finite() -> None:
    raw = torch.tensor([50.0], requires_grad=True)
    density_of(raw, torch.ones(1, 3), FieldConfig()).backward()
    torch.testing.assert_close(raw.grad, torch.tensor([15.0]).exp())


@pytest.mark.parametrize("kind", ["softplus", *BACKBONES[1:]])
def test_from_static_is_the_same_image_at_every_time(kind: str, rng: torch.Generator) -> None:
    still = new_field(replace(KINDS[kind], time_grids=1), rng)
    still = replace(still, occupancy=update_occupancy(empty_occupancy(16, 1, 0.5), still, 1.0, rng))
    moving = from_static(still, time_grids=5, slices=4)
    assert moving.table.shape[0] == 5 and moving.config.time_grids == 5
    cameras = make_cameras([0.0, 30.0, -20.0], [0.0, 70.0, 200.0])
    before = render_clip(still, cameras, torch.zeros(3), ImageOptions(16)).image
    assert (before < 0.99).any()
    for time in (0.0, 0.37, 1.0):
        after = render_clip(moving, cameras, torch.full((3,), time), ImageOptions(16)).image
        torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


def test_one_time_grid_cannot_move(rng: torch.Generator) -> None:
    still = new_field(replace(SMALL, time_grids=1), rng)
    with pytest.raises(ValueError, match="at least 2"):
        from_static(still, time_grids=1, slices=4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_forks_share_nothing(backbone: str, rng: torch.Generator) -> None:
    field = replace(new_field(replace(SMALL, backbone=backbone), rng), front=30.0)
    fork = field.fork()
    with torch.no_grad():
        for value in fork.parameters.values():
            value.add_(1.0)
    rest = fork.at_rest()
    for name, value in fork.parameters.items():
        assert not torch.equal(value, field.parameters[name]) and torch.equal(value, rest.parameters[name])
        assert value.requires_grad and not field.parameters[name].requires_grad
        assert not rest.parameters[name].requires_grad and rest.parameters[name].data_ptr() != value.data_ptr()
    assert fork.front == rest.front == rest.at_time_0().front == 30.0


def test_masked_levels_count_as_zero(rng: torch.Generator) -> None:
    field = new_field(SMALL, rng)
    xyz, time = torch.rand(20, 3, generator=rng) - 0.5, torch.rand(20, generator=rng)
    cut = field.table.clone()
    cut[:, grid_levels(SMALL)[1].offset :] = 0
    torch.testing.assert_close(replace(field, masked_levels=2)(xyz, time), replace(field, table=cut)(xyz, time))
