"""CLIP-R, T, I and F on features whose cosines are known."""

from __future__ import annotations

import pytest
import torch

from a124core.evaluation import clip_scores as scores

TEXTS = scores.unit(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
# two views, three times; angles to the first caption: 0, 45 and 90 degrees, then always 0
FRAMES = scores.unit(torch.tensor([[[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]], [[1.0, 0.0]] * 3]))
HALF = 0.5**0.5


def test_each_score_by_hand() -> None:
    assert scores.clip_r(FRAMES, TEXTS, own=0).tolist() == [[1, 1, 0], [1, 1, 1]]  # a tie is no loss
    assert torch.allclose(scores.clip_t(FRAMES, TEXTS, 0), torch.tensor([[1.0, HALF, 0.0], [1.0, 1.0, 1.0]]))
    assert torch.allclose(scores.clip_i(FRAMES[0], TEXTS[1]), torch.tensor([0.0, HALF, 1.0]))
    assert torch.allclose(scores.clip_f(FRAMES), torch.tensor([[HALF, HALF], [1.0, 1.0]]))


def test_the_curve_is_the_mean_of_the_views() -> None:
    assert scores.by_time(scores.clip_t(FRAMES, TEXTS, 0)) == pytest.approx([1.0, (HALF + 1) / 2, 0.5])
    assert scores.by_time(torch.tensor([0.25, 0.5])) == [0.25, 0.5]
