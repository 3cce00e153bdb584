"""The one HTML file: opened from disk, alone, it shows the scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from a124core.export.viewer.html import export_html
from a124core.export.viewer.volume import VolumeOptions
from tests.web.conftest import decoded, drag, square
from tests.web.scenes import figure, psnr, rendered

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = 200  # waits take functions here: the page's policy forbids the eval that an expression needs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a figure & more.html"
    export_html(figure, path, VolumeOptions(resolution=64, frames=3, background=(1.0, 1.0, 1.0)))
    return path


def test_it_opens_from_disk_and_agrees_with_the_renderer(tab: Page, file: Path) -> None:
    tab.set_viewport_size({"width": 600, "height": SIZE})
    tab.goto(file.as_uri())
    tab.wait_for_function("() => shown.header")
    assert tab.evaluate("document.title") == "a figure & more"
    tab.evaluate("shown.root.host.style.height = `${200 + shown.controls.bar.offsetHeight}px`")
    tab.evaluate("shown.showTime(0.5)")
    width, height, text = tab.evaluate("""new Promise((done) => requestAnimationFrame(() => { shown.draw();
      const { gl } = shown.renderer, { width, height } = shown.canvas, bytes = new Uint8Array(4 * width * height);
      gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
      done([width, height, btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""))]); }))""")
    assert height == SIZE
    image = square(decoded(width, height, text)[:3])
    assert psnr(image, rendered(0.0, 0.0, 1.8, 0.5, SIZE)) >= 30.0
    schemes = {request.url.split(":")[0] for request in tab.requests()}
    assert schemes <= {"file", "about", "data"}, "a request to the network"


def test_it_plays_and_turns(tab: Page, file: Path) -> None:
    tab.goto(file.as_uri())
    tab.wait_for_function("() => shown.header && shown.clock.time > 0")
    drag(tab, (300, 100), (360, 120))
    assert tab.evaluate("shown.camera.azimuth") != 0


def test_keys_work_before_anything_was_clicked_and_the_browsers_stay_its_own(tab: Page, file: Path) -> None:
    tab.goto(file.as_uri())
    tab.wait_for_function("() => shown.header && shown.clock.playing")
    tab.keyboard.press(" ")
    assert not tab.evaluate("shown.clock.playing")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("shown.camera.azimuth") == pytest.approx(-5.0)
    tab.keyboard.press("Alt+ArrowRight")
    tab.keyboard.press("Control+-")
    assert tab.evaluate("[shown.camera.azimuth, shown.camera.radius]") == pytest.approx([-5.0, 1.8])
    tab.evaluate("shown.canvas.focus()")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("shown.camera.azimuth") == pytest.approx(0.0), "once, not on the picture and on the page"
    tab.evaluate("shown.controls.speed.focus()")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("shown.camera.azimuth") == pytest.approx(0.0), "in a menu they choose"


def test_keys_work_after_the_mouse_was_used_on_the_bar(tab: Page, file: Path) -> None:
    tab.goto(file.as_uri())
    tab.wait_for_function("() => shown.header && shown.clock.playing")
    for name in ("turntable", "reset", "play"):
        tab.evaluate("shown.reset()")
        tab.locator(f"[data-name={name}]").click()
        assert tab.evaluate("shown.root.activeElement === shown.canvas"), name
        azimuth, playing = tab.evaluate("[(shown.turn(false), shown.camera.azimuth), shown.clock.playing]")
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press(" ")
        assert tab.evaluate("shown.camera.azimuth") == pytest.approx(azimuth - 5.0), name
        assert tab.evaluate("shown.clock.playing") is not playing, f"{name}: once, not twice"
    tab.wait_for_function("() => shown.clock.time > 0.2")  # a click where the slider stands already changes nothing
    tab.locator("[data-name=time]").click(position={"x": 4, "y": 4})
    assert not tab.evaluate("shown.clock.playing")
    azimuth = tab.evaluate("shown.camera.azimuth")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("shown.camera.azimuth") == pytest.approx(azimuth - 5.0)
    tab.locator("[data-name=time]").focus()
    time = tab.evaluate("shown.clock.time")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("shown.clock.time") > time, "with keys alone the bar keeps them"
    tab.keyboard.press(" ")
    assert tab.evaluate("shown.clock.playing")
    tab.locator("[data-name=play]").focus()
    tab.keyboard.press(" ")
    assert not tab.evaluate("shown.clock.playing")
    assert tab.evaluate("shown.root.activeElement.dataset.name") == "play"
