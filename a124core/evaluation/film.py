"""The films that are measured: 10 views around the object at 64 times, 400 pixels on white, as the paper evaluates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..cameras.rig import make_cameras, relative_azimuth
from ..protocols import Cameras
from ..reference.layers import resize
from ..utils.validate import check_range
from .evaluate import Renderer

FILM_SIZE = 128  # pixels a side at which whole films are held in memory: motion, flicker, second faces


@dataclass(frozen=True)
class FilmGrid:
    """How many views, times and pixels. Defaults: the authors' test (release: 10 azimuths, 64 times, 400 px)."""

    views: int = 10  # azimuths, evenly spaced, on the horizon, from the reference's azimuth on
    times: int = 64  # k / times: time 1 is left out, as there
    size: int = 400  # pixels a side

    def __post_init__(self) -> None:
        check_range(self, 2, 360, "views")
        check_range(self, 3, 1024, "times")  # flicker compares three frames
        check_range(self, 16, 2048, "size")

    @property
    def is_paper(self) -> bool:
        return self == FilmGrid()

    def describe(self) -> str:
        return f"{self.views} views x {self.times} times, {self.size} px, white"

    def time(self) -> Tensor:  # (times,)
        return torch.arange(self.times) / self.times

    def cameras(self, reference: Cameras) -> Cameras:
        """Return the views, and behind them the reference camera where it is not the first of them."""
        azimuth = torch.arange(self.views) * (360.0 / self.views) + float(reference.azimuth)
        elevation = torch.zeros(self.views)
        if float(reference.elevation) != 0.0:
            azimuth = torch.cat((azimuth, reference.azimuth.cpu()))
            elevation = torch.cat((elevation, reference.elevation.cpu()))
        return make_cameras(elevation, azimuth, float(reference.radius), float(reference.fovy))


@dataclass(frozen=True)
class Films:
    """V films of T frames, small enough to be held at once."""

    image: Tensor  # (V, T, 3, S, S) on white
    mask: Tensor  # (V, T, 1, S, S)


def film_frames(
    result: Renderer, cameras: Cameras, time: Tensor, size: int
) -> Iterator[tuple[Tensor, Tensor]]:  # (V, 3, size, size), (V, 1, size, size) at each time
    """Render all views of one time after another: empty space is then looked for once a time."""
    for now in time:
        image, mask = result(cameras, now.expand(len(cameras)), size)
        yield image.cpu(), mask.cpu()


def small(layers: Tensor, size: int = FILM_SIZE) -> Tensor:  # (V, C, H, W) -> (V, C, size, size), if it gets smaller
    return resize(layers, (size, size)) if layers.shape[-1] > size else layers


def opposite_views(cameras: Cameras, reference: Cameras, views: int) -> tuple[int, int, float]:
    """Return which of the views shows the front, which comes closest to the back, and its degrees from there."""
    azimuth = relative_azimuth(cameras[:views], reference).abs()
    return int(azimuth.argmin()), int(azimuth.argmax()), 180.0 - float(azimuth.max())
