"""A field as moving meshes: surface -> clean -> colour -> frames -> track -> scene -> build -> a format.

Needs scikit-image, scipy and fast-simplification; xatlas for a texture, usd-core for USD: each asked for where used.
"""

from .export import export_animated_glb, export_flipbook_glb, export_obj, export_ply, export_usd
from .options import MeshOptions, MeshReport

__all__ = [
    "MeshOptions",
    "MeshReport",
    "export_animated_glb",
    "export_flipbook_glb",
    "export_obj",
    "export_ply",
    "export_usd",
]
