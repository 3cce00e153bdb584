"""Where each pixel of a clip's first frame goes: dense optical flow, frame by frame, corrected against the first."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from ..utils.progress import ProgressCounter

SIDE = 128  # pixels at which motion is measured
TOLERANCE = 0.1  # difference of brightness at which a pixel counts e times less
SHARE_OF_SHAPE = 0.4  # of the coverage in the image that is followed, beside its brightness: plain subjects have edges


def follow_pixels(
    layers: Tensor,  # (N, 4, S, S) premultiplied colour and coverage
    progress: ProgressCounter,
) -> tuple[Tensor, Tensor]:
    """Return where the pixel centres of frame 0 lie in each frame, (N, SIDE, SIDE, 2) x right and y down in
    [0, SIDE], and how well the frames agree there, (N, SIDE, SIDE) in [0, 1].

    TV-L1 (Zach, Pock, Bischof 2007; scikit-image's) between neighbours, chained, and once more between the first frame
    and each one drawn back to it, so that errors do not add up.
    """
    images = _brightness(interpolate(layers, (SIDE, SIDE), mode="area"))
    axis = torch.arange(SIDE) + 0.5
    start = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    places = [start]
    for k in range(1, len(images)):
        progress.advance("following the clip")
        step = _flow(images[k - 1], images[k])
        place = places[-1] + sample(step, places[-1])
        drawn_back = sample(images[k][..., None], place)[..., 0]
        rest = start + _flow(images[0], drawn_back)
        places.append(sample(place, rest))
    agreement = [_agreement(sample(image[..., None], place)[..., 0], images[0])
                 for image, place in zip(images, places, strict=True)]
    return torch.stack(places), torch.stack(agreement)


def _brightness(layers: Tensor) -> Tensor:  # (N, S, S)
    """Return the images that are followed."""
    return (1.0 - SHARE_OF_SHAPE) * layers[:, :3].mean(1) + SHARE_OF_SHAPE * layers[:, 3]


def _flow(first: Tensor, second: Tensor) -> Tensor:  # (S, S, 2)
    """Return for each pixel of the first image where it lies in the second, relative, x right and y down."""
    from skimage.registration import optical_flow_tvl1

    down, right = optical_flow_tvl1(first.numpy(), second.numpy(), attachment=30)
    return torch.from_numpy(np.stack((right, down), -1)).float()


def compare(first: Tensor, second: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:  # (P, 2), (P,)
    """Return how far what lies at places (P, 2) of one image (1, 4, h, w) has moved in another, and how well the two
    agree there."""
    one, other = (_brightness(interpolate(image, (SIDE, SIDE), mode="area"))[0] for image in (first, second))
    moves = sample(_flow(one, other), places)
    return moves, _agreement(sample(one[..., None], places)[..., 0], sample(other[..., None], places + moves)[..., 0])


def _agreement(first: Tensor, second: Tensor) -> Tensor:
    return torch.exp(-((first - second) / TOLERANCE).square())


def sample(values: Tensor, places: Tensor) -> Tensor:  # (H, W, C), (..., 2) pixels -> (..., C)
    """Read an image between its pixels."""
    grid = (places * (2.0 / values.shape[0]) - 1.0).view(1, -1, 1, 2)
    sampled = grid_sample(values.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False)
    return sampled[0, :, :, 0].T.view(*places.shape[:-1], values.shape[-1])
