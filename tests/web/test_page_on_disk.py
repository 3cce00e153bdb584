"""The one HTML file: opened from disk, alone, it shows the scene."""

from __future__ import annotations

from pathlib import Path

import pytest

from a124core.export.viewer.html import export_html
from a124core.export.viewer.volume import VolumeOptions
from tests.web.chromium import Page
from tests.web.conftest import decoded, square
from tests.web.scenes import figure, psnr, rendered

SIZE = 200
ALT, CTRL = 1, 2  # keys held, as the DevTools protocol counts them


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a figure & more.html"
    export_html(figure, path, VolumeOptions(resolution=64, frames=3, background=(1.0, 1.0, 1.0)))
    return path


def test_it_opens_from_disk_and_agrees_with_the_renderer(tab: Page, file: Path) -> None:
    tab.open(file.as_uri(), (600, SIZE))
    tab.until("shown.header", "the scene is loaded")
    assert tab.run("document.title") == "a figure & more"
    tab.run("shown.root.host.style.height = `${200 + shown.controls.bar.offsetHeight}px`; shown.showTime(0.5)")
    width, height, text = tab.run("""new Promise((done) => requestAnimationFrame(() => { shown.draw();
      const { gl } = shown.renderer, { width, height } = shown.canvas, bytes = new Uint8Array(4 * width * height);
      gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
      done([width, height, btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""))]); }))""")
    assert height == SIZE
    found = square(decoded(width, height, text)[:3])
    assert psnr(found, rendered(0.0, 0.0, 1.8, 0.5, SIZE)) >= 30.0
    assert tab.errors == []
    assert {url.split(":")[0] for url in tab.requests} <= {"file", "about", "data"}, "it asked the network"


def test_it_plays_and_turns(tab: Page, file: Path) -> None:
    tab.open(file.as_uri(), (600, 400))
    tab.until("shown.header && shown.clock.time > 0", "it plays by itself")
    tab.drag((300, 100), (360, 120))
    assert tab.run("shown.camera.azimuth") != 0
    assert tab.errors == []


def test_keys_work_before_anything_was_clicked_and_the_browsers_stay_its_own(tab: Page, file: Path) -> None:
    tab.open(file.as_uri(), (600, 400))
    tab.until("shown.header && shown.clock.playing", "it plays by itself")
    press(tab, " ")
    assert not tab.run("shown.clock.playing")
    press(tab, "ArrowRight")
    assert tab.run("shown.camera.azimuth") == pytest.approx(-5.0)
    press(tab, "ArrowRight", ALT)
    press(tab, "-", CTRL)
    assert tab.run("[shown.camera.azimuth, shown.camera.radius]") == pytest.approx([-5.0, 1.8])
    tab.run("shown.canvas.focus()")
    press(tab, "ArrowLeft")
    assert tab.run("shown.camera.azimuth") == pytest.approx(0.0), "once, not on the picture and on the page"
    tab.run("shown.controls.speed.focus()")
    press(tab, "ArrowLeft")
    assert tab.run("shown.camera.azimuth") == pytest.approx(0.0), "in a menu they choose"
    assert tab.errors == []


def press(tab: Page, key: str, held: int = 0) -> None:
    tab.send("Input.dispatchKeyEvent", type="rawKeyDown", key=key, modifiers=held)
    tab.send("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=held)
