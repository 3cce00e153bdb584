"""A back for a picture: its front seen through, without its face and what else only a front has."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate

from ....reference.layers import resize
from .details import find_details, masked_gaussian
from .inpaint import inpaint

SIDE = 256  # pixels at which details are searched and replaced
TARGET, STRONGEST = 0.8, 2.2  # contrast of the back's texture against the front's, and the largest gain towards it
GRAIN, RIM = 1 / 64, 1 / 32  # shares of the side: what is finer than that blur is texture; an outline that is left out


def back_colours(image: Tensor, inside: Tensor) -> Tensor:  # (1, 3, S, S), (1, 1, S, S) of 0 and 1 -> (1, 3, S, S)
    """Replace a face, and a front view's belly, by the coat around; all else of the front is seen from behind, too."""
    small = resize(image, (SIDE, SIDE))
    mask = (resize(inside, (SIDE, SIDE)) > 0.5)[0, 0].numpy()
    details = find_details(small[0].permute(1, 2, 0).numpy(), mask)
    if not details.any():
        return image
    healed = torch.from_numpy(inpaint(small[0].permute(1, 2, 0).numpy(), details, mask & ~details))
    healed = healed.permute(2, 0, 1)[None]
    soft = torch.from_numpy(ndimage.gaussian_filter(details.astype(np.float32), 1.0)).clamp(0, 0.5) * 2
    healed, soft = (
        interpolate(x, image.shape[-2:], mode="bilinear", align_corners=False) for x in (healed, soft[None, None])
    )
    return torch.lerp(image, healed, soft)


def strengthened(back: Tensor, front: Tensor, inside: Tensor) -> Tensor:  # (1, 3, S, S) twice, (1, 1, S, S) of 0 and 1
    """Raise the contrast of a back's fine texture towards the front's, which has a face's besides."""
    mask = inside[0, 0].numpy() > 0.5
    side = len(mask)
    deep = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > RIM * side
    if not deep.any():
        return back
    low = np.stack([masked_gaussian(channel.numpy(), mask, GRAIN * side) for channel in back[0]])
    fine = back[0].numpy() - low
    grey = front[0].mean(0).numpy()
    target = TARGET * (grey - masked_gaussian(grey, mask, GRAIN * side))[deep].std()
    gain = float(np.clip(target / max(fine.mean(0)[deep].std(), 1e-4), 1.0, STRONGEST))
    if gain == 1.0:
        return back
    return torch.from_numpy(np.where(mask, low + gain * fine, back[0].numpy()).clip(0, 1).astype(np.float32))[None]
