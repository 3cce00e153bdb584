"""One HTML file for blind votes: systems side by side, on the five questions of the paper's user study."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from ...export.viewer.html import inline_module
from ...utils.files import atomic_write
from .plan import Plan, Task
from .views import REFERENCE

ENTRY = "votes.mjs"
VIDEO = "result.mp4"  # the picture's view and a walk around
QUESTIONS = {  # the columns of table 1 -> as people are asked
    "text": "Which one fits the sentence better?",
    "image": "Which one is more like the picture?",
    "quality": "Which video has the better quality?",
    "realism": "Whose motion is more realistic?",
    "amount": "Which one moves more?",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:; media-src data:">
<link rel="icon" href="data:,">
<title>Which one is better?</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 1.5em auto; padding: 0 1em; max-width: 1080px; }}
#videos {{ display: flex; flex-wrap: wrap; gap: 1em; }}
figure {{ margin: 0; }} figcaption {{ text-align: center; font-weight: bold; }}
video {{ width: 512px; max-width: 100%; background: #fff; border: 1px solid #999; }}
#reference {{ width: 128px; height: 128px; float: left; margin-right: 1em; border: 1px solid #999; }}
#about {{ min-height: 140px; }} #caption {{ font-size: 1.3em; }}
fieldset {{ border: 0; padding: 0.2em 0; margin: 0; display: flex; gap: 1em; align-items: baseline; }}
legend {{ float: left; width: 22em; padding: 0; }}
table {{ border-collapse: collapse; margin: 1em 0; }} th, td {{ border: 1px solid #999; padding: 0.2em 0.6em; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1b1b1b; color: #eee; }} }}
</style>
</head>
<body>
<main id="study"></main>
<script type="application/json" id="data">{data}</script>
<script type="module">
{script}
globalThis.study = new Study(document.getElementById("study"), JSON.parse(document.getElementById("data").textContent));
</script>
</body>
</html>
"""


def write_vote_page(path: Path, plan: Plan, tasks: dict[str, dict[str, Task]]) -> Path | None:
    """Write the page; None where no scene has two finished systems. tasks: of each scene by variant."""
    data = _study(plan, tasks)
    if not data["pairs"]:
        return None
    text = json.dumps(data).replace("<", "\\u003c")  # no caption ends the script that holds it
    page = PAGE.format(data=text, script=inline_module(ENTRY))
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _study(plan: Plan, tasks: dict[str, dict[str, Task]]) -> dict[str, Any]:
    """Return the content of a page: each scene's first variant against every other one."""
    ours, *others = (variant.name for variant in plan.variants)
    pairs = [
        {"scene": scene, "baseline": other}
        for scene, variants in tasks.items()
        for other in others
        if ours in variants and other in variants
    ]
    paired = {pair["scene"] for pair in pairs}
    scenes = {
        scene.name: {
            "caption": scene.caption,
            "reference": _data_url(next(iter(tasks[scene.name].values())).folder / REFERENCE, "image/png"),
            "videos": {name: _data_url(task.folder / VIDEO, "video/mp4") for name, task in tasks[scene.name].items()},
        }
        for scene in plan.scenes
        if scene.name in paired
    }
    keys = [f"{scene}/{task.folder.name}" for scene, variants in tasks.items() for task in variants.values()]
    study = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]  # votes of other videos do not count here
    return {"study": study, "ours": ours, "questions": QUESTIONS, "pairs": pairs, "scenes": scenes}


def _data_url(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
