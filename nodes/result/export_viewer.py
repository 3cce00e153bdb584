"""7 Export viewer: the scene and its viewer as one HTML file."""

from __future__ import annotations

from typing import Any

from ...a124core.export.viewer.html import export_html
from ...a124core.field.field4d import Field4D
from .. import sockets
from ..host import ui
from ..host.memory import host_device
from ..host.runtime import outside_inference
from . import names
from .viewer_widgets import viewer_options, viewer_widgets


class A124ExportViewer:
    """Writes a page that anyone can open, without ComfyUI and without a network."""

    DESCRIPTION = "Saves the scene with its viewer as one HTML file in output/animate124: double-click it, send it."
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 export", "HTML", "4D viewer", "share", "web page"]
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("path",)
    OUTPUT_TOOLTIPS = ("Where the file is.",)
    OUTPUT_NODE = True
    FUNCTION = "export"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "field": (sockets.FIELD, {"tooltip": "The scene, from any optimizer or from Load field."}),
                "name": ("STRING", {"default": "viewer", "tooltip": (
                    "Name of the file in output/animate124; a number is appended, nothing is overwritten."
                )}),
                **viewer_widgets(),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }  # fmt: skip

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None) -> bool | str:
        return names.usable_name(name)

    @outside_inference
    def export(self, field: Field4D, name: str, unique_id: str | None = None, **widgets: Any) -> dict:
        options = viewer_options(**widgets)
        path = names.free_path(name, ".html")
        size = export_html(field, path, options, ui.frame_callback(options.frames, unique_id), host_device())
        text = f"{names.saved(path)} ({size / 1e6:.1f} MB)"
        ui.show_text(unique_id, text)
        return {"ui": {"text": [text]}, "result": (str(path),)}
