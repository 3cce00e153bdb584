"""One function per operation; callers never name a backend. torch_ops is the specification."""

from .torch_ops import encode_grid, encode_grid_gradient, march

__all__ = ["encode_grid", "encode_grid_gradient", "march"]
