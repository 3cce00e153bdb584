"""Viewers come and go: several on a page, out of sight, a graphics card that is lost, a scene that follows another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from tests.web.scenes import psnr

if TYPE_CHECKING:
    from playwright.sync_api import Page

Draw = Callable[..., torch.Tensor]


def test_two_on_a_page_that_move_house_and_go(page: Page, draw: Draw) -> None:
    page.evaluate("show('figure.a124vol')")
    page.evaluate("show('balls.a124vol')")
    figure, balls = draw(0, 0, 0, 1.8, 0.0), draw(1, 0, 0, 1.8, 0.0)
    assert psnr(figure, balls) < 20
    assert page.evaluate("viewers[1].controls.slider.hidden") and not page.evaluate("viewers[0].controls.slider.hidden")
    page.evaluate("document.body.prepend(document.createElement('section'))")
    page.evaluate("document.querySelector('section').append(viewers[0].box)")
    assert torch.equal(draw(0, 0, 0, 1.8, 0.0), figure)
    page.evaluate("viewers[0].dispose()")
    assert page.evaluate("viewers[0].root.childElementCount") == 0
    assert torch.equal(draw(1, 0, 0, 1.8, 0.0), balls)


def test_a_lost_graphics_card_comes_back(page: Page, draw: Draw) -> None:
    page.evaluate("show('figure.a124vol')")
    before = draw(0, 10, 20, 1.8, 0.5)
    page.evaluate("window.lose = viewers[0].renderer.gl.getExtension('WEBGL_lose_context'); lose.loseContext()")
    page.wait_for_function("viewers[0].renderer === null")
    page.evaluate("lose.restoreContext()")
    page.wait_for_function("viewers[0].renderer?.textures.length === 9")
    assert torch.equal(draw(0, 10, 20, 1.8, 0.5), before)


def test_the_earlier_scene_stays_until_the_next_is_complete(page: Page, draw: Draw) -> None:
    page.evaluate("show('figure.a124vol')")
    before = draw(0, 10, 20, 1.8, 0.5)
    page.evaluate("viewers[0].turn(true)")  # it draws all the while
    for name in ("broken", "bomb"):
        assert page.evaluate(f"file('{name}.a124vol').then((f) => viewers[0].load(f))") is False
        page.wait_for_timeout(100)
    assert page.evaluate("file('balls.a124vol').then((f) => viewers[0].load(f))") is True
    page.evaluate("file('figure.a124vol').then((f) => viewers[0].load(f))")
    page.evaluate("viewers[0].turn(false)")
    page.evaluate("file('broken.a124vol').then((f) => viewers[0].load(f))")
    assert torch.equal(draw(0, 10, 20, 1.8, 0.5), before)


def test_a_card_lost_during_the_first_load_comes_back(page: Page) -> None:
    page.evaluate("""window.lost = show('figure.a124vol'); new Promise((done) => { const look = () =>
      viewers[0]?.renderer ? done() : setTimeout(look); look(); })""")
    page.evaluate("window.lose = viewers[0].renderer.gl.getExtension('WEBGL_lose_context'); lose.loseContext()")
    page.wait_for_function("viewers[0].lost")
    assert "took the graphics card" in page.evaluate("viewers[0].message.textContent")
    page.wait_for_timeout(50)
    page.evaluate("lose.restoreContext()")
    page.wait_for_function("viewers[0].ready && viewers[0].message.textContent === ''")


def test_out_of_sight_the_card_is_given_back(page: Page, draw: Draw) -> None:
    page.evaluate("show('figure.a124vol')")
    before = draw(0, 10, 20, 1.8, 0.5)
    page.evaluate("viewers[0].rest()")
    assert page.evaluate("viewers[0].ready"), "not while it is seen"
    page.evaluate("viewers[0].box.style.display = 'none'")
    page.wait_for_function("!viewers[0].visible")
    page.evaluate("viewers[0].rest()")
    page.wait_for_function("viewers[0].lost")
    page.evaluate("viewers[0].box.style.display = ''")
    page.wait_for_function("viewers[0].ready")
    assert torch.equal(draw(0, 10, 20, 1.8, 0.5), before)


def test_out_of_sight_nothing_is_loaded_before_it_is_seen(page: Page) -> None:
    page.evaluate("""(async () => { const box = document.createElement('div'); box.style.display = 'none';
      document.body.append(box); await show('balls.a124vol'); viewers[0].dispose();
      const { Viewer } = await import('./lib/viewer.mjs'); window.hidden_one = new Viewer(box);
      box.style.height = '300px';
      await hidden_one.load(await file('figure.a124vol')); window.box = box; })()""")
    assert page.evaluate("!hidden_one.renderer && !hidden_one.ready")
    page.evaluate("box.style.display = ''")
    page.wait_for_function("hidden_one.ready")


def test_more_viewers_on_a_page_than_the_browser_has_contexts(page: Page) -> None:
    """Twenty, all in sight: none is empty, a click brings back one that rests, and scrolling away and back too."""
    page.set_viewport_size({"width": 1500, "height": 900})
    page.evaluate("""(async () => {
      document.body.style.cssText = 'display: grid; grid-template-columns: repeat(5, 280px)';
      for (let k = 0; k < 20; k++) { await show('balls.a124vol', 270); viewers[k].box.style.height = '200px'; } })()""")
    held = "viewers.filter((v) => v.ready).length"
    page.wait_for_function(f"{held} + viewers.filter((v) => !v.still.hidden).length === 20")
    assert 10 <= page.evaluate(held) <= 12
    clickable = "!v.still.hidden && v.message.textContent.includes('click')"
    assert page.evaluate(f"viewers.every((v) => v.ready || ({clickable}))")
    assert page.evaluate("viewers[0].still.naturalWidth") > 100
    page.mouse.click(100, 60)
    page.wait_for_function("viewers[0].ready && viewers[0].still.hidden && viewers[0].message.textContent === ''")
    assert page.evaluate(held) <= 12
    page.evaluate("viewers.slice(0, 10).forEach((v) => { v.box.style.display = 'none'; })")
    page.wait_for_function("!viewers[9].visible")
    page.evaluate("viewers.slice(0, 10).forEach((v) => { v.box.style.display = ''; })")
    page.wait_for_function(f"{held} + viewers.filter((v) => !v.still.hidden).length === 20")
