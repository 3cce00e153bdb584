"""The page that holds everything. Its display is tested in tests/web."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
import torch

from a124core.export.viewer import html
from a124core.export.viewer.html import LIBRARY, export_html, inline_module
from a124core.export.viewer.volume import VolumeOptions
from tests.fakes import FunctionField
from tests.fuzz.read_volume import read_volume


@FunctionField
def ball(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return 50.0 * torch.sigmoid((0.4 - xyz.norm(dim=1)) / 0.02), torch.full_like(xyz, 0.5)


def test_the_scene_is_in_the_page_and_nothing_outside_is(tmp_path: Path) -> None:
    path = tmp_path / "<b> & co.html"
    size = export_html(ball, path, VolumeOptions(16, 2, seconds=7.0))
    page = path.read_text(encoding="utf-8")
    assert size == path.stat().st_size
    scene = re.search(r'id="scene">([^<]+)<', page)
    _, header = read_volume(base64.b64decode(scene[1]))
    assert header["seconds"] == 7.0
    assert "<title>&lt;b&gt; &amp; co</title>" in page
    assert not re.search(r'src=|href="(?!data:)|^import |^export |https?://', page, re.MULTILINE)


def test_each_module_stands_in_it_once_after_those_it_needs() -> None:
    script = inline_module("viewer.mjs")
    assert script.count("class Viewer") == script.count("class Renderer") == script.count("const BRICK") == 1
    assert script.index("const BRICK") < script.index("class Renderer") < script.index("class Viewer")


def test_no_name_stands_for_two_things() -> None:
    """In one script, names at the left margin of all modules share one space (those of the shader do not count)."""
    declared = re.compile(r"^(?:async )?(?:const(?! float| int)|let|class|function\*?) (\w+)", re.MULTILINE)
    names = declared.findall(inline_module("viewer.mjs"))
    assert len(names) > 20 and len(names) == len(set(names))


def test_other_suffixes_and_a_pack_without_its_web_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="use .html"):
        export_html(ball, tmp_path / "a.htm.exe", VolumeOptions(16, 1))
    assert LIBRARY.is_dir()
    monkeypatch.setattr(html, "LIBRARY", tmp_path / "gone")
    with pytest.raises(ValueError, match="install the pack again"):
        export_html(ball, tmp_path / "a.html", VolumeOptions(16, 1))
    assert list(tmp_path.iterdir()) == []
