"""Animate124 (arXiv 2311.14603): one picture and one sentence to a dynamic NeRF. Knows no host."""

__version__ = "0.1.0"
