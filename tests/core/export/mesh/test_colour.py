"""Colours of surfaces and textures, and the two meanings of a colour number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a124core.export.mesh.build import MeshBuild
from a124core.export.mesh.colour import colours_at, rasterise, unwrap
from a124core.utils.srgb import srgb_to_linear
from tests.fakes import FunctionField


def test_srgb_to_linear_is_the_standards_curve() -> None:
    values = np.array([0.0, 0.04, 0.04045, 0.2, 0.5, 1.0])
    typed_out = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    assert srgb_to_linear(values) == pytest.approx(typed_out, abs=1e-6)
    half = srgb_to_linear(np.array(0.5))
    assert half == pytest.approx(0.214, abs=1e-3), "not 0.5: a linear reader would show it too bright"


def test_a_surface_has_its_own_colour_not_that_of_empty_space_or_of_the_inside() -> None:
    def layers(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Blue empty space, a red skin from z = 0 down to -0.05, green below."""
        z = xyz[:, 2]
        red, green, blue = ((z <= 0) & (z > -0.05)).float(), (z <= -0.05).float(), (z > 0).float()
        return 200.0 * (z <= 0).float(), torch.stack((red, green, blue), dim=1)

    points = np.array([[0.1, 0.2, 0.0], [0.5, -0.5, 0.004]])
    colours = colours_at(FunctionField(layers), 0.0, points, np.array([[0.0, 0.0, 1.0]] * 2), length=0.08)
    assert colours == pytest.approx(np.array([[1.0, 0.0, 0.0]] * 2), abs=0.03)


def test_batches_keep_the_order_of_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.export.mesh.colour.POINTS_PER_BATCH", 60)
    field = FunctionField(lambda xyz, time: (torch.ones_like(time), xyz.abs()))
    points = np.linspace(0.1, 0.9, 33).repeat(3).reshape(-1, 3)
    colours = colours_at(field, 0.0, points, np.zeros_like(points), length=0.1)
    assert colours == pytest.approx(points, abs=1e-4)


def test_unwrapping_keeps_faces_in_their_order(built: MeshBuild) -> None:
    pytest.importorskip("xatlas", reason="no wheel of xatlas for this Python")
    (segment,) = built.sequence.segments
    vertex, faces, uv = unwrap(segment.vertices[0], segment.faces, 256)
    assert vertex[faces].tolist() == segment.faces.tolist()
    assert 0 <= uv.min() and uv.max() <= 1


def test_pixels_of_a_triangle_against_testing_them_one_by_one() -> None:
    triangle = np.array([[[2.2, 1.7], [13.1, 4.4], [5.0, 14.6]]])
    pixel, face, weights = rasterise(triangle, 16)
    a, b, c = triangle[0]
    cross = lambda p, q, r: (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])  # noqa: E731
    inside = [
        y * 16 + x
        for y in range(16)
        for x in range(16)
        if min(cross(a, b, (x + 0.5, y + 0.5)), cross(b, c, (x + 0.5, y + 0.5)), cross(c, a, (x + 0.5, y + 0.5))) >= 0
    ]
    assert pixel.tolist() == inside and set(face) == {0}
    centres = np.stack((pixel % 16, pixel // 16), axis=1) + 0.5
    assert (weights[:, :, None] * triangle[0]).sum(1) == pytest.approx(centres)


def test_a_texture_rasterised_in_batches_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    corners = torch.rand(60, 3, 2, generator=torch.Generator().manual_seed(0)).numpy() * 64
    whole = rasterise(corners, 64)
    monkeypatch.setattr("a124core.export.mesh.colour.PIXELS_PER_BATCH", 500)
    assert all(np.array_equal(a, b) for a, b in zip(whole, rasterise(corners, 64), strict=True))
