"""Files of many kinds through the host's own Load Image into the Picture node.

Run by the host's Python: load_image_checks.py COMFYUI_PATH FOLDER. Reports the note or the refusal of each file,
and how the node asks for a mask.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pack_in_host import enter_host, load_pack, report

COMFYUI, FOLDER = sys.argv[1], Path(sys.argv[2])
enter_host(COMFYUI)

import folder_paths  # noqa: E402

import nodes as host_nodes  # noqa: E402

folder_paths.set_input_directory(str(FOLDER))
node = load_pack()("nodes.reference").A124Reference()


def note_of(name: str) -> str:
    image, mask = host_nodes.LoadImage().load_image(name)[:2]
    try:
        reference = node.make(image, "auto", False, 0.0, 0.0, 1.8, 40.0, mask)["result"][0]
    except ValueError as error:
        return f"refused: {error}"
    return f"{tuple(mask.shape[-2:])} {float(reference.mask.mean()):.3f} {reference.note}"


figures = {path.name: note_of(path.name) for path in sorted(FOLDER.iterdir())}
load = getattr(host_nodes, "init_builtin_extra_nodes", None)
asyncio.run(load())
named = "RemoveBackground" in host_nodes.NODE_CLASS_MAPPINGS
report({"files": figures, "named": named, "clutter": note_of("clutter.png")})
