"""The viewer in a real browser: its pictures against the renderer's, and everything one can do to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.web.chromium import Page
from tests.web.conftest import ROOT, decoded
from tests.web.scenes import psnr, rendered

Shot = Callable[..., torch.Tensor]
CODE_LIMIT = 100_000  # bytes of all our modules; the promise is 2 MB
AGREEMENT = 30.0  # dB; the promise is 25


@pytest.mark.parametrize("camera", [(0.0, 0.0, 1.8), (25.0, 70.0, 1.8), (-20.0, 200.0, 2.4)])
def test_pictures_agree_with_the_renderer(page: Page, shot: Shot, camera: tuple[float, float, float]) -> None:
    index = page.run("show('figure.a124vol')")
    for time in (0.0, 0.4, 1.0):  # on a frame, between two, the last
        found, wanted = shot(index, *camera, time), rendered(*camera, time, 128)
        assert found.shape == wanted.shape
        assert psnr(found, wanted) >= AGREEMENT
        assert psnr(found.flip(-1), wanted) < AGREEMENT - 5  # a mirrored picture would be noticed
    assert page.errors == []


def test_slider_drag_wheel_and_pinch_change_the_picture(page: Page) -> None:
    page.run("show('figure.a124vol')")
    seen = [page.run("pixels(0)")[2]]

    def changes(what: str) -> None:
        page.run("new Promise((done) => requestAnimationFrame(done))")
        seen.append(page.run("pixels(0)")[2])
        assert len(set(seen)) == len(seen), f"{what} changed nothing"

    page.run("(() => { const s = viewers[0].controls.slider; s.value = 0.5; s.dispatchEvent(new Event('input')); })()")
    assert page.run("viewers[0].clock.time") == 0.5
    changes("the slider")
    page.drag((170, 60), (230, 80))
    assert page.run("viewers[0].camera.azimuth") == pytest.approx(-180 * 60 / 128)
    assert page.run("viewers[0].camera.elevation") == pytest.approx(180 * 20 / 128)
    changes("a drag")
    page.drag((170, 60), (200, 60), "right")
    assert page.run("viewers[0].camera.target[0] !== 0")
    changes("a right drag")
    page.wheel((170, 60), 300)
    page.until("viewers[0].camera.radius > 1.8")
    changes("the wheel")
    radius = page.run("viewers[0].camera.radius")
    page.pinch((170, 60), 40, 120)
    assert page.run("viewers[0].camera.radius") == pytest.approx(radius / 3, rel=0.02)
    changes("two fingers")
    page.run("viewers[0].reset()")
    assert page.run("[viewers[0].camera.azimuth, viewers[0].camera.radius, ...viewers[0].camera.target]") == [
        0, 1.8, 0, 0, 0,
    ]  # fmt: skip
    assert page.errors == []


def test_what_is_dragged_follows_the_pointer(page: Page) -> None:
    page.run("show('figure.a124vol')")
    before = centre(page)
    page.drag((170, 60), (190, 70), "right")
    after = centre(page)
    assert after[0] - before[0] == pytest.approx(20, abs=2)
    assert after[1] - before[1] == pytest.approx(10, abs=2)


def centre(page: Page) -> tuple[float, float]:
    """Column and row of the middle of what is not white."""
    width, height, text = page.run("pixels(0)")
    dark = 1.0 - decoded(width, height, text)[:3].mean(0)
    columns, rows = torch.arange(width), torch.arange(height)
    return float((dark.sum(0) * columns).sum() / dark.sum()), float((dark.sum(1) * rows).sum() / dark.sum())


def test_it_plays_there_and_back_and_stops(page: Page) -> None:
    page.run("show('figure.a124vol')")
    assert page.run("viewers[0].clock.mode") == "ping-pong"  # the scene does not loop
    page.run("viewers[0].root.querySelector('[data-name=play]').click()")
    page.run("viewers[0].clock.speed = 4")
    first = page.run("viewers[0].clock.time")
    page.until(f"viewers[0].clock.time > {first} + 0.2", "time goes on")
    page.until("viewers[0].clock.direction < 0", "time turns round")
    page.run("viewers[0].root.querySelector('[data-name=play]').click()")
    stood = page.run("viewers[0].clock.time")
    page.run("new Promise((done) => setTimeout(done, 200))")
    assert page.run("viewers[0].clock.time") == stood
    assert page.errors == []


def test_the_clock_against_arithmetic(page: Page) -> None:
    page.run("import('./lib/clock.mjs').then((m) => { window.Clock = m.Clock; })")
    run = """(() => { const c = new Clock({ seconds: 2, loop: %s }); c.playing = true; const seen = [];
      for (let k = 0; k < 7; k++) { c.advance(0.8); seen.push(c.time); } return seen; })()"""
    there_and_back = [0.4, 0.8, 0.8, 0.4, 0.0, 0.4, 0.8]
    assert page.run(run % "false") == pytest.approx(there_and_back, abs=1e-9)
    assert page.run(run % "true") == pytest.approx([(0.4 * k) % 1.0 for k in range(1, 8)], abs=1e-9)


def test_which_frames_lie_around_a_moment(page: Page) -> None:
    page.run("import('./lib/volume.mjs').then((m) => { window.framesAround = m.framesAround; })")

    def around(time: float, loop: bool) -> list[float]:
        times = [0.0, 0.25, 0.5, 0.75] if loop else [0.0, 0.5, 1.0]
        header = f"{{ loop: {str(loop).lower()}, frames: {[{'time': t} for t in times]} }}"
        return page.run(f"Object.values(framesAround({time}, {header}))")

    assert around(0.6, False) == pytest.approx([1, 2, 0.2])
    assert around(0.0, False) == [0, 1, 0] and around(1.0, False) == [2, 2, 0]
    assert around(0.9, True) == pytest.approx([3, 0, 0.6])  # over the seam: the frame after the last is the first
    assert around(1.0, True) == pytest.approx([3, 0, 1.0]) and around(0.0, True) == [0, 1, 0]


def test_it_draws_only_when_something_changes(page: Page) -> None:
    page.run("show('figure.a124vol')")
    page.run("new Promise((done) => setTimeout(done, 200))")
    page.run("""(() => { const r = viewers[0].renderer, draw = r.draw; r.count = 0;
      r.draw = (...a) => { r.count++; draw.apply(r, a); }; })()""")
    page.run("new Promise((done) => setTimeout(done, 300))")
    assert page.run("viewers[0].renderer.count") == 0
    page.run("viewers[0].turn(true); new Promise((done) => setTimeout(done, 300))")
    assert page.run("viewers[0].renderer.count") > 1
    page.run("viewers[0].box.style.display = 'none'; new Promise((done) => setTimeout(done, 200))")
    page.run("viewers[0].renderer.count = 0; new Promise((done) => setTimeout(done, 300))")
    assert page.run("viewers[0].renderer.count") == 0, "it draws while nobody can see it"


def test_two_on_a_page_that_move_house_and_go(page: Page, shot: Shot) -> None:
    page.run("show('figure.a124vol')")
    page.run("show('balls.a124vol')")
    figure, balls = shot(0, 0, 0, 1.8, 0.0), shot(1, 0, 0, 1.8, 0.0)
    assert psnr(figure, balls) < 20
    assert page.run("viewers[1].controls.slider.hidden") and not page.run("viewers[0].controls.slider.hidden")
    page.run("document.body.prepend(document.createElement('section'))")
    page.run("document.querySelector('section').append(viewers[0].box)")
    assert torch.equal(shot(0, 0, 0, 1.8, 0.0), figure)
    page.run("viewers[0].dispose()")
    assert page.run("viewers[0].root.childElementCount") == 0
    assert torch.equal(shot(1, 0, 0, 1.8, 0.0), balls)
    assert page.errors == []


def test_a_lost_graphics_card_comes_back(page: Page, shot: Shot) -> None:
    page.run("show('figure.a124vol')")
    before = shot(0, 10, 20, 1.8, 0.5)
    page.run("window.lose = viewers[0].renderer.gl.getExtension('WEBGL_lose_context'); lose.loseContext()")
    page.until("viewers[0].renderer === null")
    page.run("lose.restoreContext()")
    page.until("viewers[0].renderer?.textures.length === 9")
    assert torch.equal(shot(0, 10, 20, 1.8, 0.5), before)


def test_the_earlier_scene_stays_until_the_next_is_complete(page: Page, shot: Shot) -> None:
    page.run("show('figure.a124vol')")
    before = shot(0, 10, 20, 1.8, 0.5)
    page.run("viewers[0].turn(true)")  # it draws all the while
    for name in ("broken", "bomb"):
        assert page.run(f"file('{name}.a124vol').then((f) => viewers[0].load(f))") is False
        page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run("file('balls.a124vol').then((f) => viewers[0].load(f))") is True
    page.run("file('figure.a124vol').then((f) => viewers[0].load(f))")
    page.run("viewers[0].turn(false)")
    assert page.errors == []
    page.run("file('broken.a124vol').then((f) => viewers[0].load(f))")
    assert torch.equal(shot(0, 10, 20, 1.8, 0.5), before)


def test_a_card_lost_during_the_first_load_comes_back(page: Page) -> None:
    page.run("""window.lost = show('figure.a124vol'); new Promise((done) => { const look = () =>
      viewers[0]?.renderer ? done() : setTimeout(look); look(); })""")
    page.run("window.lose = viewers[0].renderer.gl.getExtension('WEBGL_lose_context'); lose.loseContext()")
    page.until("viewers[0].lost")
    assert "took the graphics card" in page.run("viewers[0].message.textContent")
    page.run("new Promise((done) => setTimeout(done, 50))")
    page.run("lose.restoreContext()")
    page.until("viewers[0].ready && viewers[0].message.textContent === ''")
    assert page.errors == []


def test_out_of_sight_the_card_is_given_back(page: Page, shot: Shot) -> None:
    page.run("show('figure.a124vol')")
    before = shot(0, 10, 20, 1.8, 0.5)
    page.run("viewers[0].rest()")
    assert page.run("viewers[0].ready"), "not while it is seen"
    page.run("viewers[0].box.style.display = 'none'")
    page.until("!viewers[0].visible")
    page.run("viewers[0].rest()")
    page.until("viewers[0].lost")
    page.run("viewers[0].box.style.display = ''")
    page.until("viewers[0].ready")
    assert torch.equal(shot(0, 10, 20, 1.8, 0.5), before)
    assert page.errors == []


def test_out_of_sight_nothing_is_loaded_before_it_is_seen(page: Page) -> None:
    page.run("""(async () => { const box = document.createElement('div'); box.style.display = 'none';
      document.body.append(box); await show('balls.a124vol'); viewers[0].dispose();
      const { Viewer } = await import('./lib/viewer.mjs'); window.hidden_one = new Viewer(box);
      box.style.height = '300px';
      await hidden_one.load(await file('figure.a124vol')); window.box = box; })()""")
    assert page.run("!hidden_one.renderer && !hidden_one.ready")
    page.run("box.style.display = ''")
    page.until("hidden_one.ready")
    assert page.errors == []


def test_what_a_cameras_node_cannot_take_is_said(page: Page) -> None:
    page.run("import('./lib/send_camera.mjs').then((m) => { window.sendCamera = m.sendCamera; })")
    page.run("""window.node = { comfyClass: "A124Cameras", title: "Cameras", inputs: [{ name: "camera_info", link: 3 },
      { name: "radius", widget: { name: "radius" }, link: 4 }, { name: "fovy", widget: { name: "fovy" }, link: null }],
      widgets: [{ name: "elevation", value: 0, options: { min: -80, max: 80 } }, { name: "radius", value: 2 },
      { name: "fovy", value: 1, options: { min: 10, max: 90 } }, { name: "azimuth", value: 0 }] }""")
    camera = "{ elevation: 88, azimuth: 30, radius: 5, fovy: 40, target: [0, 0.5, 0] }"
    said = page.run(f"sendCamera({{ graph: {{ nodes: [node] }} }}, {camera}, 0.5)")
    for words in ("Sent to Cameras.", "left as they are: radius.", "elevation goes to 80 only, here it is 88",
                  "camera_info", "shift was left out", "upright picture"):  # fmt: skip
        assert words in said
    assert page.run("node.widgets.map((w) => w.value)") == [80, 2, 40, 30]
    page.run("node.inputs = []")
    plain = "{ elevation: 8, azimuth: 30, radius: 5, fovy: 40, target: [0, 0, 0] }"
    assert page.run(f"sendCamera({{ graph: {{ nodes: [node] }} }}, {plain}, 1.5)") == "Sent to Cameras."


def test_backgrounds_and_the_saved_picture(page: Page, shot: Shot, tmp_path: Path) -> None:
    page.run("show('figure.a124vol')")
    menu = "viewers[0].root.querySelector('[data-name=background]')"
    for name, corner in (("black", (0, 0, 0, 255)), ("green", (0, 255, 0, 255)), ("transparent", (0, 0, 0, 0))):
        page.run(f"{menu}.value = '{name}'; {menu}.dispatchEvent(new Event('change'))")
        assert tuple((decoded(*page.run("pixels(0)"))[:, 0, 0] * 255).int().tolist()) == corner
    page.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.run("viewers[0].root.querySelector('[data-name=screenshot]').click()")
    file = tmp_path / "animate124.png"
    for _ in range(100):
        if file.is_file() and file.stat().st_size:
            break
        page.run("new Promise((done) => setTimeout(done, 50))")
    picture = Image.open(file)
    assert picture.size == (340, 128) and picture.mode == "RGBA" and picture.getpixel((0, 0))[3] == 0
    assert picture.getpixel((170, 100))[3] == 255


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut", "incomplete"),
        ("short", "incomplete"),
        ("broken", "a frame does not unpack"),
        ("bomb", "another size than its header says"),
        ("huge", "unpacks to 4000 MB"),
        ("newer", "version 7"),
        ("other", "not a viewer file"),
    ],
)
def test_bad_files_are_told_in_one_sentence(page: Page, name: str, words: str) -> None:
    page.run(f"show('{name}.a124vol')")
    said = page.run("viewers[0].message.textContent")
    assert words in said and said.count(". ") == 0 and said.endswith(".")
    page.run("viewers[0].load(new ArrayBuffer(0)).then(() => file('figure.a124vol')).then((f) => viewers[0].load(f))")
    assert page.run("viewers[0].message.textContent") == "" and page.run("viewers[0].renderer.textures.length") == 9
    assert page.errors == []


def test_without_webgl2_it_says_so(page: Page) -> None:
    page.run("HTMLCanvasElement.prototype.getContext = () => null")
    page.run("show('figure.a124vol')")
    assert "WebGL2" in page.run("viewers[0].message.textContent")
    assert page.errors == []


def test_the_code_is_small_and_asks_nobody_else() -> None:
    files = [f for f in (ROOT / "web").rglob("*") if f.suffix in (".js", ".mjs")]
    assert sum(f.stat().st_size for f in files) < CODE_LIMIT
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "http://" not in text and "https://" not in text, f"{file.name} names another server"
