"""What DreamBooth continues from: the LoRA, its optimiser, the random numbers, and the images made before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..priors.lora import DOWN, UP
from ..utils.text import START_OVER

MEAN, SQUARE, RANDOM, CLASSES, VIEWS = "mean:", "square:", "random", "classes", "views"  # names of tensors


@dataclass(frozen=True)
class LoraSnapshot:
    """Tensors by name: each parameter, and its two moments under MEAN and SQUARE; RANDOM; perhaps CLASSES and VIEWS."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    def __post_init__(self) -> None:
        """Refuse what a file may hold in the place of a snapshot."""
        step, names = self.meta.get("step"), self.names
        parts = [[self.tensors.get(prefix + name) for prefix in ("", MEAN, SQUARE)] for name in names]
        alike = all(
            t is not None and t.shape == part[0].shape and t.dtype == torch.float32 and t.ndim == 2
            for part in parts for t in part
        )
        whole = names and alike and len(self.tensors) == 3 * len(names) + sum(
            name in self.tensors for name in (RANDOM, CLASSES, VIEWS)
        )
        if type(step) is not int or step < 0 or not whole or not self._images_fit():
            raise ValueError(f"the snapshot of a DreamBooth run is not whole: {START_OVER}.")
        try:
            torch.Generator().set_state(self.tensors[RANDOM])
        except (KeyError, TypeError, RuntimeError):
            raise ValueError(f"the snapshot's random numbers are none: {START_OVER}.") from None

    def _images_fit(self) -> bool:
        classes, views = self.tensors.get(CLASSES), self.tensors.get(VIEWS)
        latents = classes is None or (classes.ndim == 4 and classes.dtype == torch.float32 and len(classes) > 0)
        return latents and (views is None or (views.ndim == 4 and views.dtype == torch.uint8 and views.shape[1] == 4))

    @property
    def names(self) -> list[str]:
        return [name for name in self.tensors if name.endswith((UP, DOWN)) and not name.startswith((MEAN, SQUARE))]

    @property
    def step(self) -> int:
        return self.meta["step"]
