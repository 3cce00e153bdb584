"""A field as moving meshes: surface -> register -> colour -> quality -> a format, in the order of build().

Needs scikit-image, scipy, trimesh and fast-simplification; xatlas for a texture, usd-core for USD: each is imported
where it is used.
"""

from .export import FORMATS, export_mesh
from .options import MeshOptions

__all__ = ["FORMATS", "MeshOptions", "export_mesh"]
