"""6 Preview 4D: the scene in the node, to be turned while it plays."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ...a124core.export.viewer.volume_file import SUFFIX, baked_bytes
from ...a124core.field.field4d import Field4D
from ...a124core.utils.files import atomic_write
from .. import sockets
from ..host import ui
from ..host.folders import output_folder, output_reference
from ..host.memory import host_device
from ..host.runtime import outside_inference
from .viewer_widgets import viewer_options, viewer_widgets

FOLDER = "viewer"  # in output/animate124: the host empties its temp folder, and a saved workflow shows the scene again
LIMIT = 2**30  # bytes of all baked scenes together; those baked longest ago go first: who looks at one is not told here


class A124Preview4D:
    """Bakes the scene for the viewer in the node. The file is named by its contents: the same scene is kept once."""

    DESCRIPTION = "Shows the scene in the node: turn it with the mouse while it plays, in a headset too."
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 preview", "4D viewer", "NeRF viewer", "orbit", "VR", "WebXR"]
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "preview"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "field": (sockets.FIELD, {"tooltip": "The scene, from any optimizer or from Load field."}),
                **viewer_widgets(),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    @outside_inference
    def preview(self, field: Field4D, unique_id: str | None = None, **widgets: Any) -> dict:
        options = viewer_options(**widgets)
        packed = baked_bytes(field, options, ui.frame_callback(options.frames, unique_id), host_device())
        path = keep_scene(output_folder().resolve() / FOLDER, packed)
        return {"ui": {"a124_volume": [output_reference(path)]}}


def keep_scene(folder: Path, packed: bytes) -> Path:
    """Write a baked scene, or find it there already; then drop what was baked longest ago beyond the limit."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(packed).hexdigest()[:16]}{SUFFIX}"
    with atomic_write(path) as temporary:
        temporary.write_bytes(packed)
    newest_first = sorted(folder.glob(f"*{SUFFIX}"), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    room = LIMIT - len(packed)
    for old in newest_first:
        if old == path or old.name.startswith("."):
            continue
        room -= old.stat().st_size
        if room < 0:
            old.unlink(missing_ok=True)
    return path
