"""A scene that takes no time: a disc, and the exact priors that know it."""

from __future__ import annotations

import torch
from torch import Tensor

from a124core.prior_check.views import ProbeViews
from a124core.priors.noise import scaled_linear_sigmas
from a124core.priors.point_mass import PointMassClipPrior, PointMassPrior
from a124core.protocols import View
from a124core.reference.reference import Reference

SIZE = 32


def disc(frames: int, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """A shaded disc on white that moves to the right: images (F, 3, size, size), masks (F, 1, size, size)."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    shifts = torch.linspace(0.0, 0.3, max(frames, 2))[:frames]
    masks = torch.stack([((x - shift).square() + y.square() < 0.35).float() for shift in shifts])[:, None]
    colour = torch.stack((0.8 + 0.2 * x, 0.3 + 0.2 * y, torch.full_like(x, 0.2)))
    return masks * colour + 1.0 - masks, masks


class DiscPrior(PointMassPrior):
    size, sigmas = SIZE, scaled_linear_sigmas()

    def images(self, view: View) -> Tensor:
        return disc(len(view.time))[0]


class DiscClipPrior(PointMassClipPrior, DiscPrior):
    pass


EXACT = {"image": DiscPrior(), "view": DiscPrior(), "video": DiscClipPrior(), "refine": DiscPrior()}


def disc_views(reference: Reference | None) -> ProbeViews:
    """Rendered from a field that is the disc."""
    return ProbeViews(reference, lambda cameras, time, size: disc(len(time), size), SIZE)
