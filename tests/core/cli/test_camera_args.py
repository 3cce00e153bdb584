"""The bar that a long command shows."""

from __future__ import annotations

import pytest

from a124core.cli.camera_args import progress_bar


def test_the_bar_shows_the_text_beside_the_number(capsys: pytest.CaptureFixture) -> None:
    with progress_bar("a.glb", 8, "step") as on_progress:
        on_progress(2, 9, "surface, about 2.0 MB as a GLB")
    said = capsys.readouterr().err
    assert "a.glb" in said and "2/9" in said and "about 2.0 MB as a GLB" in said
