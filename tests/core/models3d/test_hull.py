"""The visual hull of posed pictures: where the subject is, and what it looks like."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera, to_pinholes
from a124core.models3d.hull import visual_hull
from a124core.models3d.posed import PosedImages
from tests.core.models3d.test_follow import patched_ball

ORBIT = make_cameras([0.0] * 8 + [40.0] * 8, [45.0 * k for k in range(8)] * 2)


def test_it_is_the_subject_with_its_colours() -> None:
    ball = patched_ball()
    posed = PosedImages(ball.layers(ORBIT, (192, 192))[:, :4], to_pinholes(ORBIT))
    hull = visual_hull(posed, reference_camera())
    assert torch.allclose(hull.box, ball.box, atol=0.03)
    aside = make_cameras([20.0], [110.0])  # none of the cameras
    expected, actual = (model.layers(aside, (96, 96))[0, :4] for model in (ball, hull))
    assert float((actual[3] - expected[3]).abs().mean()) < 0.006
    assert float((actual - expected)[:3].abs().mean()) < 0.015 < float(expected[:3].abs().mean())


def test_outlines_without_a_common_volume_are_refused() -> None:
    layers = torch.zeros(16, 4, 64, 64)
    layers[:8, :, :20], layers[8:, :, -20:] = 1.0, 1.0
    with pytest.raises(ValueError, match="no volume in common"):
        visual_hull(PosedImages(layers, to_pinholes(ORBIT)), reference_camera())
