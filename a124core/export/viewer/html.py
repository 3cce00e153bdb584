"""One HTML file that holds the viewer and a baked scene: opened from disk, sent to anyone, no network needed."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

import torch

from ...protocols import Field
from ...utils.files import atomic_write
from ...utils.progress import OnProgress
from .volume import VolumeOptions
from .volume_file import baked_bytes

LIBRARY = Path(__file__).resolve().parents[3] / "web" / "lib"
ENTRY = "viewer.mjs"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.mjs)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ", re.MULTILINE)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data: blob:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>html, body {{ margin: 0; height: 100%; background: #222; }} #viewer {{ height: 100%; }}</style>
</head>
<body>
<div id="viewer"></div>
<script type="text/plain" id="scene">{scene}</script>
<script type="module">
{script}
const text = atob(document.getElementById("scene").textContent);
const bytes = new Uint8Array(text.length);
for (let k = 0; k < bytes.length; k++) bytes[k] = text.charCodeAt(k);
globalThis.shown = new Viewer(document.getElementById("viewer"));
shown.hearAll(document);
shown.load(bytes.buffer);
</script>
</body>
</html>
"""


def export_html(
    field: Field,
    path: str | Path,
    options: VolumeOptions,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> int:  # bytes written
    """Bake a field and write one page. options.megabytes limits the scene, which as text is a third larger."""
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{path.name} ends in {path.suffix!r}: use .html, so that a browser opens it.")
    script = inline_module(ENTRY)
    scene = base64.b64encode(baked_bytes(field, options, on_progress, device)).decode()
    page = PAGE.format(title=html.escape(path.stem), scene=scene, script=script).encode()
    with atomic_write(path) as temporary:
        temporary.write_bytes(page)
    return len(page)


def inline_module(entry: str, inlined: set[str] | None = None) -> str:
    """Return a module of web/lib after all that it imports, as one script: a page on disk may not import other files.

    Our modules import by name, one line each, and no two of them give one name to different things."""
    inlined = set() if inlined is None else inlined
    inlined.add(entry)
    try:
        source = (LIBRARY / entry).read_text(encoding="utf-8")
    except OSError:
        raise ValueError(f"{LIBRARY / entry} is missing: install the pack again, with its web folder.") from None
    imported = [inline_module(name, inlined) for name in IMPORT.findall(source) if name not in inlined]
    return "".join(imported) + EXPORT.sub("", IMPORT.sub("", source))
