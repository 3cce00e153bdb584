"""Films and frames in a real ComfyUI: what its pages are told, what they can fetch, and a cancel in the middle."""

from __future__ import annotations

import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

SMALL = {"frames": 3, "fps": 12.0, "width": 48, "height": 32, "background": "transparent", "plays": 1,
         "ping_pong": False, "views": 2}


@pytest.fixture
def asked(cut: Any) -> Any:
    """Widgets of the export node -> a prompt that ends in it, with cameras as an older workflow wrote them."""

    def prompt(**widgets: Any) -> dict[str, dict]:
        made = cut("01_quickstart")
        kept = ("A124ExamplePicture", "A124Reference", "A124BuiltInPriors", "A124StaticOptimizer", "A124Cameras")
        made = {k: n for k, n in made.items() if n["class_type"] in kept}
        static, cameras = (next(k for k, n in made.items() if n["class_type"] == kept[i]) for i in (3, 4))
        for name in ("eye_distance", "file"):
            made[cameras]["inputs"].pop(name)
        inputs = {"field": [static, 0], "cameras": [cameras, 0], **SMALL, **widgets}
        made["100"] = {"class_type": "A124ExportFrames", "inputs": inputs}
        return made

    return prompt


@pytest.mark.parametrize(("form", "suffix", "plays"), [
    ("MP4", ".mp4", True), ("WebM", ".webm", True), ("GIF", ".gif", False), ("PNG frames", ".png", False),
])
def test_the_node_shows_what_it_wrote(host: Any, asked: Any, form: str, suffix: str, plays: bool) -> None:
    shown = host.run(asked(format=form, name=f"shown/{suffix[1:]}"))["outputs"]["100"]
    assert list(shown["animated"]) == [plays]
    seen = shown["images"][0]
    assert seen["filename"].endswith(suffix) and seen["subfolder"].startswith("animate124/shown")
    url = f"http://127.0.0.1:{host.port}/view?{urllib.parse.urlencode(seen)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert len(answer.read()) > 100


def test_a_bad_name_is_refused_before_anything_runs(host: Any, asked: Any) -> None:
    status, answer = host.post("/prompt", {"prompt": asked(format="MP4", name="a/CON")})
    assert status == 400
    assert "use a plain name" in str(answer["node_errors"]["100"])


def test_cancel_leaves_no_film(host: Any, asked: Any) -> None:
    prompt = asked(format="MP4", name="cancelled", frames=5000, width=256, height=256)
    running = host.queue(prompt)
    folder: Path = host.base / "output" / "animate124"
    end = time.monotonic() + 120
    while not list(folder.glob(".new-*.mp4")) and time.monotonic() < end:
        time.sleep(0.1)
    host.post("/interrupt", {})
    entry = host.wait(running, 60)
    assert any(kind == "execution_interrupted" for kind, _ in entry["status"]["messages"])
    assert not list(folder.glob("cancelled*")) and not list(folder.glob(".new-*"))


def test_the_hosts_save_video_takes_the_film(host: Any, asked: Any) -> None:
    prompt = asked(format="MP4", name="handed")
    saved = {"video": ["100", 1], "filename_prefix": "handed on", "format": "auto", "codec": "auto"}
    prompt["101"] = {"class_type": "SaveVideo", "inputs": saved}
    (shown,) = host.run(prompt)["outputs"]["101"]["images"]
    assert (host.base / "output" / shown["subfolder"] / shown["filename"]).stat().st_size > 0


def test_every_way_home_from_one_workflow(host: Any, cut: Any) -> None:
    prompt = cut("07_export_and_view")
    outputs = host.run(prompt)["outputs"]
    told = {prompt[node]["class_type"]: shown for node, shown in outputs.items()}
    assert {"A124Preview4D", "A124ExportViewer", "A124ExportFrames", "A124ExportMesh", "Preview3D"} <= set(told)
    model = host.base / "output" / told["Preview3D"]["result"][0]
    assert model.read_bytes()[:4] == b"glTF"
