"""A field as Gaussians: as many as allowed, where the scene is, and drawn like the scene itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.evaluation.metrics import iou, psnr_inside
from a124core.export.splat.gaussians import Splat, SplatOptions, field_to_splat, lattice_points, peak_opacity
from a124core.export.splat.write import splat_columns, write_gaussian_ply, write_splat_file
from a124core.models3d.read import read_model
from a124core.models3d.read_gaussians import checked_gaussians
from a124core.render.clip import ImageOptions, render_clip
from tests.fakes import MIDDLE, FunctionField

FEW = 20_000


def ball(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A ball that rises, red above and blue below, with a soft edge."""
    height = xyz[:, 1] - 0.3 * time
    away = torch.stack((xyz[:, 0], height, xyz[:, 2]), 1).norm(dim=1)
    red, blue = torch.tensor([0.8, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.9])
    return 150.0 * torch.sigmoid((0.3 - away) / 0.01), torch.where(height[:, None] > 0.0, red, blue)


@pytest.fixture(scope="module")
def field() -> FunctionField:
    return FunctionField(ball, MIDDLE)


@pytest.fixture(scope="module")
def still(field: FunctionField) -> Splat:
    return field_to_splat(field, SplatOptions(2000))


def test_it_is_drawn_like_the_field(field: FunctionField) -> None:
    splat = field_to_splat(field, SplatOptions(FEW, 1.0))
    columns = splat_columns(splat)
    upright = splat.means, columns["scales"], columns["rotations"], splat.rgba, "the splat"
    model, _ = checked_gaussians(*upright)
    cameras = make_cameras([0.0, 40.0, -30.0], [0.0, 120.0, 250.0])
    layers = model.layers(cameras, (64, 64))
    drawn = layers[:, :3] + 1.0 - layers[:, 3:4]
    truth = render_clip(field, cameras, torch.ones(3), ImageOptions(64, normals=False))
    assert psnr_inside(drawn, truth.image, truth.mask).min() > 24.0
    assert iou(layers[:, 3:4], truth.mask).min() > 0.9


def test_there_are_no_more_than_allowed_and_they_are_where_the_ball_is(field: FunctionField) -> None:
    texts: list[tuple[int, int]] = []
    splat = field_to_splat(field, SplatOptions(FEW), lambda done, total, text: texts.append((done, total)))
    assert 0.9 * FEW < len(splat.means) <= FEW
    assert splat.means.norm(dim=1).max() < 0.38 and splat.means.mean(0).norm() < 0.01
    assert splat.rgba.min() >= 0.0 and splat.rgba.max() <= 1.0
    assert texts[-1] == (22, 22) and sorted(texts) == texts


def test_an_empty_field_is_refused() -> None:
    nothing = FunctionField(lambda xyz, time: (torch.zeros(len(xyz)), torch.zeros_like(xyz)), MIDDLE)
    with pytest.raises(ValueError, match="nothing is visible in the field at time 0.5"):
        field_to_splat(nothing, SplatOptions(FEW, 0.5))


@pytest.mark.parametrize(
    ("values", "name"), [((10, 0.0), "gaussians"), ((FEW, 1.5), "time"), ((FEW, float("nan")), "time")]
)
def test_bad_options_are_refused(values: tuple[int, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is "):
        SplatOptions(*values)


def test_a_lattice_has_its_points_in_the_cells_and_none_twice() -> None:
    corners = torch.tensor([[0.0, 0.0, 0.0], [0.015625, 0.0, 0.0], [-1.0, 0.5, -0.25]])
    points = lattice_points(corners, 0.004)
    assert len(points.unique(dim=0)) == len(points)
    assert len(points) == pytest.approx(3 * (0.015625 / 0.004) ** 3, rel=0.15)
    assert torch.allclose((points / 0.004 - 0.5).round(), points / 0.004 - 0.5, atol=1e-3)


def test_a_sum_of_gaussians_stops_as_much_light_as_the_field() -> None:
    from a124core.export.splat import gaussians

    spacing, density = 0.02, torch.tensor([2.0])
    line = torch.cartesian_prod(*[(torch.arange(-8, 9) + 0.3) * spacing] * 2)  # of a layer, around a ray
    away = line.norm(dim=1) / (gaussians.STD * spacing)
    alpha = peak_opacity(density, spacing) * torch.exp(-0.5 * away.square())
    thickness = -torch.log1p(-alpha).sum() / spacing
    assert float(thickness) == pytest.approx(gaussians.DENSITY_GAIN * float(density), rel=0.03)


@pytest.mark.parametrize("suffix", [".ply", ".splat"])
def test_files_come_back(still: Splat, tmp_path: Path, suffix: str) -> None:
    splat = still
    path = tmp_path / f"ball{suffix}"
    size = (write_gaussian_ply if suffix == ".ply" else write_splat_file)(path, splat)
    assert size == path.stat().st_size
    loaded = read_model(path, up="-y").frames[0]
    assert len(loaded.means) == len(splat.means)
    order = splat.rgba[:, 3].argsort(descending=True, stable=True) if suffix == ".splat" else slice(None)
    centred, expected = (means - means.mean(0) for means in (loaded.means, splat.means[order]))
    scale = float(centred.norm() / expected.norm())  # the reader makes the model as large as a subject
    assert torch.allclose(centred, scale * expected, atol=1e-3)
    assert torch.allclose(loaded.covariances[0], torch.eye(3) * (scale * splat.std) ** 2, rtol=0.02, atol=1e-8)
    assert torch.allclose(loaded.rgba, splat.rgba[order], atol=0.01)
    assert loaded.rgba[loaded.means[:, 1] > 0.1, 0].mean() > 0.7, "red is above"
