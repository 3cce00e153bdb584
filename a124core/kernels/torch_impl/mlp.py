"""The field's MLP of two linear layers in plain torch: the specification."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import linear


def mlp(
    features: Tensor,  # (N, F)
    w1: Tensor,  # (H, F)
    b1: Tensor,  # (H,)
    w2: Tensor,  # (O, H)
    b2: Tensor,  # (O,)
) -> Tensor:  # (N, O)
    """Return relu(features w1^T + b1) w2^T + b2."""
    return linear(linear(features, w1, b1).relu(), w2, b2)
