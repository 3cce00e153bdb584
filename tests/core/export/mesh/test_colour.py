"""Colours of surfaces, and the two meanings of a colour number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a124core.export.mesh.colour import colours_at, linear


def test_linear_is_the_standards_curve() -> None:
    values = np.array([0.0, 0.04, 0.04045, 0.2, 0.5, 1.0])
    typed_out = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    assert linear(values) == pytest.approx(typed_out, abs=1e-6)
    assert linear(np.array(0.5)) == pytest.approx(0.214, abs=1e-3), "not 0.5: a linear reader would show it too bright"


def test_a_surface_has_the_colour_that_a_camera_sees_and_not_that_of_air_or_depth() -> None:
    def layers(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Blue air, a red skin from z = 0 down to -0.05, green below."""
        z = xyz[:, 2]
        red, green, blue = ((z <= 0) & (z > -0.05)).float(), (z <= -0.05).float(), (z > 0).float()
        return 200.0 * (z <= 0).float(), torch.stack((red, green, blue), dim=1)

    points = np.array([[0.1, 0.2, 0.0], [0.5, -0.5, 0.004]])
    seen = colours_at(layers, 0.0, points, np.array([[0.0, 0.0, 1.0]] * 2), reach=0.08)
    assert seen == pytest.approx(np.array([[1.0, 0.0, 0.0]] * 2), abs=0.03)


def test_more_points_than_fit_at_once_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.export.mesh.colour.AT_ONCE", 60)
    field = lambda xyz, time: (torch.ones_like(time), xyz.abs())  # noqa: E731
    points = np.linspace(0.1, 0.9, 33).repeat(3).reshape(-1, 3)
    seen = colours_at(field, 0.0, points, np.zeros_like(points), reach=0.1)
    assert seen == pytest.approx(points, abs=1e-4)
