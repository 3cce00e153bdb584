"""The operations in plain torch: the specification, on any device."""

from __future__ import annotations

from .adam import adam_temporal_tv
from .composite import accumulate, render_weights, transmittance
from .grid import encode_grid
from .march import march
from .mlp import mlp
from .points import splat_points
from .temporal_tv import temporal_tv

NAME = "torch"  # as A124_KERNELS names it

__all__ = [
    "accumulate",
    "adam_temporal_tv",
    "encode_grid",
    "march",
    "mlp",
    "render_weights",
    "splat_points",
    "temporal_tv",
    "transmittance",
]
