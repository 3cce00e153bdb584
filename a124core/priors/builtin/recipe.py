"""Every number of the built-in priors that is a choice: weights, noise ranges, scales, how strict each is."""

from __future__ import annotations

from dataclasses import dataclass

ENCODE_SCALE = 3.0  # x0 = scale * (2 image - 1): shifts the noise so that it suits small pictures
TICKS = 64  # scene times k / TICKS are cached: those of the preset demo
PHOTO_BYTES = 220 * 2**20  # pictures kept; the oldest go first
CLOUD_BYTES = 280 * 2**20  # moved points kept
NEAREST = 0.3  # of the camera to the scene's middle: 0.3 works, 0.1 asks for more points than anyone waits for
BANK_MOTIONS = 8  # motions of the subject in the bank, the wanted one included
BANK_OTHERS = 4  # other subjects in the bank, doing the wanted motion

DRIFT = 0.13  # mean |dRGB| over the object between the drifted and the reference colours; 0.10 to 0.16 is promised

NEVER = -1e4  # log weight of an item that the caption or the token excludes
FRONT_BIAS = -1.0  # image prior: log weight of front pictures at any camera, whatever side the text names (Janus)
LIKENESS_STD = 0.15  # view prior: how far a picture may be from the reference, per pixel and channel

TILE_SIZE = 16  # side at which a condition is compared
TILE_STD = 0.15  # refine: luminance and silhouette
TILE_COLOUR_STD = 0.45  # refine: colour counts little, so that drift can be repaired
UPSCALE_SIZE = 24
UPSCALE_STD = 0.06  # upscale: colour counts as much as anything: it keeps what it is given


@dataclass(frozen=True)
class Numbers:
    """What a Guidance carries besides its prior."""

    cfg: float
    weight: float
    t_min: float
    t_max: float
    t_max_end: float | None
    form: str = "eps"


# Weights multiply a gradient that is summed over the pixels of a picture, while the reference losses are means.
IMAGE = Numbers(cfg=3.0, weight=5e-5, t_min=0.02, t_max=0.98, t_max_end=0.5)
VIEW = Numbers(cfg=1.5, weight=2e-3, t_min=0.02, t_max=0.98, t_max_end=0.5)
VIDEO = Numbers(cfg=3.0, weight=2e-5, t_min=0.02, t_max=0.98, t_max_end=0.5)
REFINE = Numbers(cfg=1.0, weight=1e-3, t_min=0.02, t_max=0.98, t_max_end=0.1, form="clean")
UPSCALE = Numbers(cfg=1.0, weight=1e-3, t_min=0.02, t_max=0.98, t_max_end=0.1)
