"""The blend of front, side and back against the rule typed out."""

import pytest
import torch

from a124core.priors.view_text import SIDES, view_weights


def typed_out(azimuth: float) -> list[float]:
    delta = abs((azimuth + 180) % 360 - 180)
    if delta <= 90:
        return [1 - delta / 90, delta / 90, 0.0]
    return [0.0, 1 - (delta - 90) / 90, (delta - 90) / 90]


def test_blend_everywhere():
    azimuth = torch.arange(-720.0, 720.0, 7.5)
    expected = torch.tensor([typed_out(float(a)) for a in azimuth])
    torch.testing.assert_close(view_weights(azimuth), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("azimuth", "weights"),
    [(0, (1, 0, 0)), (90, (0, 1, 0)), (-90, (0, 1, 0)), (180, (0, 0, 1)), (45, (0.5, 0.5, 0)), (-135, (0, 0.5, 0.5))],
)
def test_corners(azimuth, weights):
    assert view_weights(torch.tensor([float(azimuth)]))[0].tolist() == list(weights)
    assert len(SIDES) == 3
