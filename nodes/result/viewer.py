"""6 Preview 4D and 7 Export viewer: the scene in the viewer, in the node or as one HTML file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ...a124core.export.images.film import BACKGROUND_COLOURS
from ...a124core.export.viewer.html import export_html
from ...a124core.export.viewer.volume import VolumeOptions
from ...a124core.export.viewer.volume_file import SUFFIX, baked_bytes
from ...a124core.field.field4d import Field4D
from ...a124core.utils.files import atomic_write
from ..declarations import NODE_ID, Node, choice, field, integer, number, outputs
from ..host import ui
from ..host.folders import output_folder, output_reference
from ..host.memory import host_device
from ..host.runtime import outside_inference
from .saving import SavingNode, free_path, name_input, saved

PREVIEWS = "viewer"  # in output/animate124: the host empties its temp folder, and saved workflows reopen previews
MAX_PREVIEW_BYTES = 2**30  # of all baked scenes together; the oldest are deleted first
WIDGETS = {  # VolumeOptions; saved workflows store their values by position: append, never insert
    "resolution": integer(64, 8, 256, (
        "Cells along the longest side of the subject. 64 is quick, 128 is sharp, more wants a good graphics card."
    ), step=8),
    "frames": integer(32, 1, 256, (
        "Times that are baked; the viewer blends neighbours. Twice the field's time grids loses nothing."
    )),
    "megabytes": number(32.0, 0.1, 500.0, 0.1, (
        "Largest size of the baked scene. Its resolution is lowered until it fits."
    )),
    "seconds": number(3.0, 0.1, 600.0, 0.1, "How long one pass through the scene takes at speed 1."),
    "background": choice(BACKGROUND_COLOURS, "The colour behind the subject when the viewer opens."),
}


class A124Preview4D(Node):
    """Bakes the scene for the viewer in the node, into a file that is named by its contents."""

    DESCRIPTION = "Shows the scene in the node: turn it with the mouse while it plays, in a headset too."
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 preview", "4D viewer", "NeRF viewer", "orbit", "VR", "WebXR"]
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "preview"
    REQUIRED = {"field": field(), **WIDGETS}
    HIDDEN = NODE_ID

    @outside_inference
    def preview(self, field: Field4D, background: str, unique_id: str | None = None, **widgets: Any) -> dict:
        options = VolumeOptions(**widgets, background=BACKGROUND_COLOURS[background])
        packed = baked_bytes(field, options, ui.progress_callback(unique_id), host_device())
        path = store_preview(output_folder().resolve() / PREVIEWS, packed)
        return {"ui": {"a124_volume": [output_reference(path)]}}


def store_preview(folder: Path, packed: bytes) -> Path:
    """Write a baked scene, once for equal contents, and delete those baked longest ago beyond the limit."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(packed).hexdigest()[:16]}{SUFFIX}"
    with atomic_write(path) as temporary:
        temporary.write_bytes(packed)
    newest_first = sorted(folder.glob(f"*{SUFFIX}"), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    left = MAX_PREVIEW_BYTES - len(packed)
    for old in newest_first:
        if old == path or old.name.startswith("."):
            continue
        left -= old.stat().st_size
        if left < 0:
            old.unlink(missing_ok=True)
    return path


@outputs(("path", "STRING", "Where the file is."))
class A124ExportViewer(SavingNode):
    """Writes a page that anyone can open, without ComfyUI and without a network."""

    DESCRIPTION = "Saves the scene with its viewer as one HTML file in output/animate124: double-click it, send it."
    SEARCH_ALIASES = ["animate124 export", "HTML", "4D viewer", "share", "web page"]
    FUNCTION = "export"
    REQUIRED = {"field": field(), "name": name_input("viewer"), **WIDGETS}

    @outside_inference
    def export(
        self, field: Field4D, name: str, background: str, unique_id: str | None = None, **widgets: Any
    ) -> dict:
        options = VolumeOptions(**widgets, background=BACKGROUND_COLOURS[background])
        path = free_path(name, ".html")
        size = export_html(field, path, options, ui.progress_callback(unique_id), host_device())
        text = f"{saved(path)} ({size / 1e6:.1f} MB)"
        ui.show_text(unique_id, text)
        return {"ui": {"text": [text]}, "result": (str(path),)}
