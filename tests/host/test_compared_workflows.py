"""The compared systems run in a real ComfyUI, each from its shipped workflow to a film and a saved scene.

Lowered against a user's run: what CUTS in tests/host/conftest.py says, which each test prints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a124core.export.checkpoint import load_field
from tests.host.conftest import CUTS
from tests.host.test_host import node_of, nodes_of
from tests.host.test_native_workflows import runs_to_the_end

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(file.stem for file in (ROOT / "workflows").glob("2?_*.json"))
STILL = ("26_magic123_static", "27_dreamfusion")
HEXPLANE = ("22_hexplane", "24_text_to_4d")


@pytest.mark.parametrize("name", NAMES)
def test_a_compared_system_runs_to_the_end(host: Any, cut: Any, name: str) -> None:
    prompt = cut(name)
    lowered = {kind: cuts for kind, cuts in CUTS.items() if nodes_of(prompt, kind)}
    print(f"{name}: lowered {lowered}")  # noqa: T201
    entry = runs_to_the_end(host, prompt)
    said = entry["outputs"]
    for node in (key for key in prompt if prompt[key]["class_type"].endswith("Optimizer")):
        assert said[node]["text"][0].startswith("Done: "), said[node]
    summary = said[node_of(prompt, "A124BuiltInPriors")]["text"][0]
    assert "the built-in panda" in summary
    field = load_field(saved_field(host, prompt))
    assert field.config.backbone == ("HexPlane" if name in HEXPLANE else "4D grid")
    assert (field.config.time_grids == 1) == (name in STILL)
    assert field.front == (45.0 if name == "22_hexplane" else 0.0)
    for key in nodes_of(prompt, "PreviewImage"):
        assert said[key]["images"], "a picture is shown"
    for key in nodes_of(prompt, "Preview3D"):
        assert (host.base / "output" / said[key]["result"][0]).read_bytes()[:4] == b"glTF"


def saved_field(host: Any, prompt: dict) -> Path:
    """The newest scene that the prompt's Save field wrote."""
    prefix = prompt[node_of(prompt, "A124SaveField")]["inputs"]["name"]
    files = (host.base / "output" / "animate124").glob(f"{prefix}_*.safetensors")
    return max(files, key=lambda file: file.stat().st_mtime_ns)
