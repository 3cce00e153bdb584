"""Options of textual inversion, with the origin of each default."""

from __future__ import annotations

from dataclasses import dataclass

from ..utils.validate import ABOVE_ZERO, ANY, check_range


@dataclass(frozen=True)
class TokenConfig:
    """Defaults: the authors' textual inversion script."""

    steps: int = 3_000
    batch: int = 16
    chunk: int = 0  # images of one forward and backward pass; 0: the whole batch
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-2
    eps: float = 1e-8
    size: int = 512  # side of the training images
    augment: bool = True
    canvas: float = 640 / 512  # side of the square that crops are taken from, over size
    turn: float = 10.0  # degrees; largest rotation ...
    turn_crop: float = 426 / 640  # ... after which the middle of the canvas is kept, so that no corner is empty
    turn_share: float = 0.75
    crop_low: float = 0.85  # share of the area that a random crop keeps; above 1 it is the whole image
    crop_high: float = 1.15
    jitter: float = 0.04  # brightness, contrast, saturation; hue, in turns
    jitter_share: float = 0.75
    grey_share: float = 0.1
    blur_share: float = 0.1
    blur_low: float = 0.1  # std, pixels
    blur_high: float = 2.0

    def __post_init__(self) -> None:
        check_range(self, 1, ANY, "steps", "batch")
        check_range(self, 0, ANY, "chunk", "weight_decay", "turn", "jitter")
        check_range(self, ABOVE_ZERO, 10, "lr", "eps")
        check_range(self, 0, 1 - 1e-6, "beta1", "beta2")
        check_range(self, 8, 4096, "size")
        check_range(self, 0, 1, "turn_share", "jitter_share", "grey_share", "blur_share")
