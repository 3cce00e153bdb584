"""Where what one image shows lies in another: dense optical flow (TV-L1: Zach, Pock and Bischof 2007)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..reference.layers import resize

SIDE = 128  # pixels at which motion is measured
TOLERANCE = 0.1  # difference of colour at which a pixel counts e times less
SHARE_OF_SHAPE = 0.4  # of the coverage in the image that is followed, beside its brightness: plain subjects have edges


def _brightness(layers: Tensor) -> Tensor:  # (N, 4, S, S) -> (N, S, S)
    """Return the images that are followed."""
    return (1.0 - SHARE_OF_SHAPE) * layers[:, :3].mean(1) + SHARE_OF_SHAPE * layers[:, 3]


def _flow(first: Tensor, second: Tensor) -> Tensor:  # (S, S, 2)
    """Return for each pixel of the first image where it lies in the second, relative, x right and y down."""
    from skimage.registration import optical_flow_tvl1

    down, right = optical_flow_tvl1(first.numpy(), second.numpy(), attachment=30)
    return torch.from_numpy(np.stack((right, down), -1)).float()


def flow_at(first: Tensor, second: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:  # (P, 2), (P,)
    """Return how far what lies at places (P, 2) of one image (1, 4, h, w) has moved in another, and how well the two
    agree there."""
    one, other = (resize(image, (SIDE, SIDE)) for image in (first, second))
    moves = sample(_flow(_brightness(one)[0], _brightness(other)[0]), places)
    one, other = (image[0].permute(1, 2, 0) for image in (one, other))
    return moves, _agreement(sample(one, places), sample(other, places + moves))


def _agreement(first: Tensor, second: Tensor) -> Tensor:
    return torch.exp(-((first - second) / TOLERANCE).square().mean(-1))


def sample(values: Tensor, places: Tensor) -> Tensor:  # (H, W, C), (..., 2) pixels -> (..., C)
    """Read an image between its pixels."""
    grid = (places * (2.0 / values.shape[0]) - 1.0).view(1, -1, 1, 2)
    sampled = grid_sample(values.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False)
    return sampled[0, :, :, 0].T.view(*places.shape[:-1], values.shape[-1])
