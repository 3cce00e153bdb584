"""Motion, flicker and the second face, on films whose answer is known."""

from __future__ import annotations

import pytest
import torch

from a124core.evaluation import film_metrics as metrics

SIDE = 64


def covered(views: int = 1, times: int = 6) -> torch.Tensor:
    mask = torch.zeros(views, times, 1, SIDE, SIDE)
    mask[..., 12:52, 12:52] = 1
    return mask


def film(levels: list[float]) -> torch.Tensor:  # (1, T, 3, S, S), one grey at each time
    return torch.tensor(levels).view(1, -1, 1, 1, 1).expand(1, len(levels), 3, SIDE, SIDE)


def test_a_constant_film_neither_moves_nor_flickers() -> None:
    still = film([0.3] * 6)
    assert metrics.motion(still, covered()).abs().max() < 1e-6 and metrics.flicker(still, covered()).abs().max() < 1e-6


def test_black_and_white_in_turn_is_the_most() -> None:
    turns = film([0.0, 1.0] * 3)
    assert torch.allclose(metrics.motion(turns, covered()), torch.full((1, 6), 0.5))
    assert torch.allclose(metrics.flicker(turns, covered()), torch.ones(1, 4))


def test_an_even_fade_moves_but_does_not_flicker() -> None:
    fade = film([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert float(metrics.motion(fade, covered()).mean()) == pytest.approx(0.3)  # mean of .5, .3, .1, .1, .3, .5
    assert metrics.flicker(fade, covered()).abs().max() < 1e-6


def test_only_the_object_counts() -> None:
    turns, nowhere = film([0.0, 1.0] * 3), torch.zeros(1, 6, 1, SIDE, SIDE)
    assert metrics.motion(turns, nowhere).abs().max() == 0 and metrics.flicker(turns, nowhere).abs().max() == 0


def body(face: bool, shift: int = 0) -> tuple[torch.Tensor, torch.Tensor]:  # (1, 3, S, S), (1, 1, S, S)
    """A grey disc on white, with two dark eyes, one of them larger, if it has a face."""
    y, x = torch.meshgrid(torch.arange(SIDE) - 31.5, torch.arange(SIDE) - 31.5, indexing="ij")
    mask = (x**2 + y**2 < 26**2).float()[None, None]
    image = 0.6 * mask.expand(1, 3, -1, -1) + 1 - mask
    if face:
        for dx, r in ((-9, 4), (8, 3)):
            eye = ((x - dx - shift) ** 2 + (y + 6) ** 2 < r**2).float()
            image = image * (1 - eye) + 0.05 * eye
    return image, mask


def test_the_same_face_on_the_back_trips_the_indicator_mirrored_or_not() -> None:
    front, mask = body(True)
    assert float(metrics.janus(front, mask, front, mask)) == pytest.approx(1.0, abs=1e-4)
    assert float(metrics.janus(front, mask, front.flip(-1), mask.flip(-1))) == pytest.approx(1.0, abs=1e-4)


def test_a_plain_back_does_not() -> None:
    front, mask = body(True)
    plain, _ = body(False)
    assert float(metrics.janus(front, mask, plain, mask)) < 0.02
    assert float(metrics.janus(plain, mask, plain, mask)) == 0.0  # without any face there is none twice
    faint = plain + 0.1 * (front - plain)  # a tenth of its contrast: a tenth of the likeness
    assert float(metrics.janus(front, mask, faint, mask)) == pytest.approx(0.1, abs=0.01)


def test_another_pattern_on_the_back_is_another_pattern() -> None:
    (front, mask), (other, _) = body(True), body(True, shift=0)
    moved = torch.roll(other, 20, dims=-2)  # eyes below, where the front has none
    moved = torch.where(mask > 0, torch.where(moved > 0.9, torch.full_like(moved, 0.6), moved), torch.ones_like(moved))
    assert float(metrics.janus(front, mask, moved, mask)) < 0.1
