"""The bar that a long command shows."""

from __future__ import annotations

import pytest

from a124core.cli.camera_args import counting


def test_the_bar_shows_what_is_told_beside_the_number(capsys: pytest.CaptureFixture) -> None:
    with counting("a.glb", 8, "step") as on_step:
        on_step(2, 9, "surface, about 2.0 MB as a GLB")
    said = capsys.readouterr().err
    assert "a.glb" in said and "2/9" in said and "about 2.0 MB as a GLB" in said
