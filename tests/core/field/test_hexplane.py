"""HexPlane against torch's own image sampling, and the azimuth that its planes need."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from a124core.field.config import FieldConfig, with_backbone
from a124core.field.density import central_difference
from a124core.field.field4d import Field4D, new_field
from a124core.field.hexplane import default_azimuth, facing_note, plane_levels
from a124core.field.layout import parameter_shapes
from a124core.kernels import encode_planes

SMALL = FieldConfig(
    time_grids=4, levels=3, base_resolution=3, max_resolution=9, hidden=8, init_scale=0.5, backbone="HexPlane",
    density="softplus", blob_density=2.0, blob_radius=0.4,
)


def sampled(plane: Tensor, across: Tensor, down: Tensor) -> Tensor:  # (H, W, 2), (N,), (N,) in [-1, 1] -> (N, 2)
    """Bilinear, corners on the border."""
    grid = torch.stack((across, down), -1)[None, None]
    return F.grid_sample(plane.permute(2, 0, 1)[None], grid, align_corners=True)[0, :, 0].T


def by_hand(field: Field4D, xyz: Tensor, time: Tensor) -> Tensor:
    """XY + ZT, XZ + YT, YZ + XT on each level, concatenated (MAV3D)."""
    x, y, z = xyz.T
    t = time * 2 - 1
    columns = []
    for level in plane_levels(field.config):
        n = level.side
        planes = field.planes[level.plane_offset : level.plane_offset + 3 * n * n].view(3, n, n, 2)
        lines = field.table[:, level.line_offset : level.line_offset + 3 * n].view(-1, 3, n, 2)
        for k, (a, b, c) in enumerate(((x, y, z), (x, z, y), (y, z, x))):
            columns.append(sampled(planes[k], a, b) + sampled(lines[:, k], c, t))
    return torch.cat(columns, dim=1)


def samples(count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    xyz = torch.rand(count, 3, generator=rng) * 2 - 1
    xyz[: count // 4] = torch.randint(-1, 2, (count // 4, 3), generator=rng).float()
    time = torch.rand(count, generator=rng)
    time[:6] = torch.tensor([0.0, 1.0, 1 / 3, 0.5, 0.99, 0.01])
    return xyz, time


@pytest.mark.parametrize("frames", [True, False])
def test_features_are_six_sampled_images(frames: bool, rng: torch.Generator) -> None:
    """Each point at its own time, or all of a frame at the frame's."""
    field = new_field(SMALL, rng)
    xyz, time = samples(60, rng)
    time = time[:4].repeat_interleave(15) if frames else time
    actual = encode_planes(field.planes, field.table, xyz, time, plane_levels(SMALL))
    torch.testing.assert_close(actual, by_hand(field, xyz, time), atol=1e-5, rtol=0)


def test_a_loop_ends_where_it_began(rng: torch.Generator) -> None:
    field = new_field(replace(SMALL, loop=True), rng)
    xyz = torch.rand(30, 3, generator=rng) * 2 - 1
    first, last, late = (field(xyz, torch.full((30,), t))[1] for t in (0.0, 1.0, 0.9))
    torch.testing.assert_close(first, last)
    assert not torch.allclose(first, late, atol=1e-3)


def test_points_outside_have_no_features(rng: torch.Generator) -> None:
    field = new_field(SMALL, rng)
    xyz = torch.tensor([[1.01, 0.0, 0.0], [0.0, -1.5, 0.0], [0.0, 0.0, 1.0]])
    features = encode_planes(field.planes, field.table, xyz, torch.zeros(3), plane_levels(SMALL))
    assert not features[:2].any() and features[2].any()


def test_slopes_are_the_features_derivatives(rng: torch.Generator) -> None:
    field = new_field(SMALL, rng)
    planes, lines = field.planes.double(), field.table.double()
    xyz = (torch.rand(40, 3, generator=rng, dtype=torch.float64) * 2 - 1) * 0.98
    time, step = torch.rand(40, generator=rng, dtype=torch.float64), 1e-6
    slopes = encode_planes(planes, lines, xyz, time, plane_levels(SMALL), slopes=True)
    for axis in range(3):
        shift = torch.zeros(3, dtype=torch.float64)
        shift[axis] = step
        ends = [encode_planes(planes, lines, xyz + side * shift, time, plane_levels(SMALL)) for side in (1, -1)]
        close = ((ends[0] - ends[1]) / (2 * step) - slopes[axis]).abs().amax(1) < 1e-4
        assert close.float().mean() > 0.9  # a cell's border may lie between


def test_gradients_of_planes_and_lines(rng: torch.Generator) -> None:
    config = replace(SMALL, levels=2, base_resolution=2, max_resolution=3, time_grids=2)
    field = new_field(config, rng)
    leaves = [field.planes.double().requires_grad_(True), field.table.double().requires_grad_(True)]
    xyz = torch.rand(3, 3, generator=rng, dtype=torch.float64) * 1.6 - 0.8
    time = torch.rand(3, generator=rng, dtype=torch.float64)

    def encoded(planes: Tensor, lines: Tensor, slopes: bool) -> Tensor:
        return encode_planes(planes, lines, xyz, time, plane_levels(config), slopes=slopes)

    for slopes in (False, True):
        assert torch.autograd.gradcheck(lambda p, t, s=slopes: encoded(p, t, s), leaves)
        assert torch.autograd.gradgradcheck(lambda p, t, s=slopes: encoded(p, t, s).square(), leaves)


def test_a_level_has_two_vertices_at_least(rng: torch.Generator) -> None:
    config = replace(SMALL, base_resolution=1, max_resolution=2, levels=2)
    field = new_field(config, rng)
    assert [level.side for level in plane_levels(config)] == [2, 2]
    assert {name: tuple(v.shape) for name, v in field.parameters.items()} == parameter_shapes(config)
    assert field(*samples(24, rng))[0].isfinite().all()


def test_features_per_grid_differ_by_the_lines_alone(rng: torch.Generator) -> None:
    """The sampled temporal TV sees what moves."""
    field = new_field(SMALL, rng)
    still = replace(field, table=field.table[:1].expand_as(field.table))
    xyz = torch.rand(20, 3, generator=rng) * 2 - 1
    assert still.features_per_grid(xyz).std(0).max() < 1e-6 < field.features_per_grid(xyz).std(0).max()


def test_a_smooth_normal_is_near_the_closed_form(rng: torch.Generator) -> None:
    field = new_field(replace(SMALL, init_scale=0.1), rng)
    xyz = torch.rand(50, 3, generator=rng) - 0.5
    time = torch.rand(50, generator=rng)
    closed, rough = field.density_gradient(xyz, time), central_difference(field, xyz, time, 1e-3)
    assert (closed - rough).norm(dim=1).median() < 0.02 * closed.norm(dim=1).median()


FACES = [(0, True), (90, True), (-180, True), (350, True), (44, False), (45, False), (-50, False)]


@pytest.mark.parametrize(("azimuth", "warns"), FACES)
def test_a_plane_that_faces_the_picture_is_told(azimuth: float, warns: bool) -> None:
    note = facing_note(SMALL, azimuth)
    assert bool(note) == warns and (not note or ("azimuth 45" in note and f"azimuth {azimuth:g}" in note))
    assert facing_note(FieldConfig(), azimuth) == ""


def test_the_backbone_says_where_the_reference_stands() -> None:
    assert default_azimuth("HexPlane") == 45.0 and default_azimuth("4D grid") == default_azimuth("tiny-cuda-nn") == 0.0
    tiled = FieldConfig(index_mode="tiled")
    assert with_backbone(tiled, "HexPlane").index_mode == "hash" and with_backbone(tiled, "4D grid") == tiled
    with pytest.raises(ValueError, match="backbone is 'K-Planes'"):
        with_backbone(tiled, "K-Planes")
