"""The operations in Triton: same arguments, same values and gradients as torch's. Imported at first use only.

splat_points is not among them: built-in priors draw on the CPU."""

from __future__ import annotations

from .adam import adam_temporal_tv
from .composite import accumulate, render_weights, transmittance
from .grid import encode_grid
from .march import march
from .mlp import mlp
from .temporal_tv import temporal_smoothing, temporal_tv

__all__ = [
    "accumulate",
    "adam_temporal_tv",
    "encode_grid",
    "march",
    "mlp",
    "render_weights",
    "temporal_smoothing",
    "temporal_tv",
    "transmittance",
]

NAME = "triton"  # as A124_KERNELS names it
