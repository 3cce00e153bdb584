"""The viewer in a real browser: its images against the renderer's, and everything one can do to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from tests.web.conftest import ROOT, decoded, drag
from tests.web.scenes import psnr, rendered

if TYPE_CHECKING:
    from playwright.sync_api import Page

Draw = Callable[..., torch.Tensor]
CODE_LIMIT = 100_000  # bytes of all our modules; the promise is 2 MB
AGREEMENT = 30.0  # dB; the promise is 25


@pytest.mark.parametrize("camera", [(0.0, 0.0, 1.8), (25.0, 70.0, 1.8), (-20.0, 200.0, 2.4)])
def test_images_agree_with_the_renderer(page: Page, draw: Draw, camera: tuple[float, float, float]) -> None:
    index = page.evaluate("show('figure.a124vol')")
    for time in (0.0, 0.4, 1.0):  # on a frame, between two, the last
        image, expected = draw(index, *camera, time), rendered(*camera, time, 128)
        assert image.shape == expected.shape
        assert psnr(image, expected) >= AGREEMENT
        assert psnr(image.flip(-1), expected) < AGREEMENT - 5  # a mirrored image would be noticed


def test_slider_drag_wheel_and_pinch_change_the_image(page: Page) -> None:
    page.evaluate("show('figure.a124vol')")
    images = [page.evaluate("pixels(0)")[2]]

    def changes(control: str) -> None:
        page.evaluate("new Promise((done) => requestAnimationFrame(done))")
        images.append(page.evaluate("pixels(0)")[2])
        assert len(set(images)) == len(images), f"{control} changed nothing"

    page.evaluate("viewers[0].controls.slider.value = 0.5")
    page.evaluate("viewers[0].controls.slider.dispatchEvent(new Event('input'))")
    assert page.evaluate("viewers[0].clock.time") == 0.5
    changes("the slider")
    drag(page, (170, 60), (230, 80))
    assert page.evaluate("viewers[0].camera.azimuth") == pytest.approx(-180 * 60 / 128)
    assert page.evaluate("viewers[0].camera.elevation") == pytest.approx(180 * 20 / 128)
    changes("a drag")
    drag(page, (170, 60), (200, 60), "right")
    assert page.evaluate("viewers[0].camera.target[0] !== 0")
    changes("a right drag")
    page.mouse.wheel(0, 300)
    page.wait_for_function("viewers[0].camera.radius > 1.8")
    changes("the wheel")
    radius = page.evaluate("viewers[0].camera.radius")
    pinch(page, (170, 60), 40, 120)
    assert page.evaluate("viewers[0].camera.radius") == pytest.approx(radius / 3, rel=0.02)
    changes("two fingers")
    page.evaluate("viewers[0].reset()")
    camera = page.evaluate("[viewers[0].camera.azimuth, viewers[0].camera.radius, ...viewers[0].camera.target]")
    assert camera == [0, 1.8, 0, 0, 0]


def pinch(page: Page, centre: tuple[float, float], start: float, end: float, moves: int = 4) -> None:
    """Move two fingers from one distance to another; pixels."""
    touch = page.context.new_cdp_session(page)
    for k in range(moves + 1):
        half = (start + (end - start) * k / moves) / 2
        points = [{"x": centre[0] + s * half, "y": centre[1], "id": i} for i, s in enumerate((-1, 1))]
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove" if k else "touchStart", "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_what_is_dragged_follows_the_pointer(page: Page) -> None:
    page.evaluate("show('figure.a124vol')")
    before = centre(page)
    drag(page, (170, 60), (190, 70), "right")
    after = centre(page)
    assert after[0] - before[0] == pytest.approx(20, abs=2)
    assert after[1] - before[1] == pytest.approx(10, abs=2)


def centre(page: Page) -> tuple[float, float]:
    """Column and row of the middle of what is not white."""
    width, height, text = page.evaluate("pixels(0)")
    dark = 1.0 - decoded(width, height, text)[:3].mean(0)
    columns, rows = torch.arange(width), torch.arange(height)
    return float((dark.sum(0) * columns).sum() / dark.sum()), float((dark.sum(1) * rows).sum() / dark.sum())


def test_it_plays_there_and_back_and_stops(page: Page) -> None:
    page.evaluate("show('figure.a124vol')")
    assert page.evaluate("viewers[0].clock.mode") == "ping-pong"  # the scene does not loop
    page.evaluate("viewers[0].root.querySelector('[data-name=play]').click()")
    page.evaluate("viewers[0].clock.speed = 4")
    first = page.evaluate("viewers[0].clock.time")
    page.wait_for_function(f"viewers[0].clock.time > {first} + 0.2")
    page.wait_for_function("viewers[0].clock.direction < 0")
    page.evaluate("viewers[0].root.querySelector('[data-name=play]').click()")
    stood = page.evaluate("viewers[0].clock.time")
    page.wait_for_timeout(200)
    assert page.evaluate("viewers[0].clock.time") == stood


def test_the_clock_against_arithmetic(page: Page) -> None:
    page.evaluate("import('./lib/clock.mjs').then((m) => { window.Clock = m.Clock; })")
    run = """(() => { const c = new Clock({ seconds: 2, loop: %s }); c.playing = true; const seen = [];
      for (let k = 0; k < 7; k++) { c.advance(0.8); seen.push(c.time); } return seen; })()"""
    there_and_back = [0.4, 0.8, 0.8, 0.4, 0.0, 0.4, 0.8]
    assert page.evaluate(run % "false") == pytest.approx(there_and_back, abs=1e-9)
    assert page.evaluate(run % "true") == pytest.approx([(0.4 * k) % 1.0 for k in range(1, 8)], abs=1e-9)


def test_which_frames_lie_around_a_time(page: Page) -> None:
    page.evaluate("import('./lib/volume.mjs').then((m) => { window.framesAround = m.framesAround; })")

    def around(time: float, loop: bool) -> list[float]:
        times = [0.0, 0.25, 0.5, 0.75] if loop else [0.0, 0.5, 1.0]
        header = f"{{ loop: {str(loop).lower()}, frames: {[{'time': t} for t in times]} }}"
        return page.evaluate(f"Object.values(framesAround({time}, {header}))")

    assert around(0.6, False) == pytest.approx([1, 2, 0.2])
    assert around(0.0, False) == [0, 1, 0] and around(1.0, False) == [2, 2, 0]
    assert around(0.9, True) == pytest.approx([3, 0, 0.6])  # over the seam: the frame after the last is the first
    assert around(1.0, True) == pytest.approx([3, 0, 1.0]) and around(0.0, True) == [0, 1, 0]


def test_it_draws_only_when_something_changes(page: Page) -> None:
    page.evaluate("show('figure.a124vol')")
    page.wait_for_timeout(200)
    page.evaluate("""(() => { const r = viewers[0].renderer, draw = r.draw; r.count = 0;
      r.draw = (...a) => { r.count++; draw.apply(r, a); }; })()""")
    at_rest = """async () => { const r = viewers[0].renderer, before = r.count;
      await new Promise((done) => setTimeout(done, 400)); return r.count === before; }"""
    page.wait_for_function(at_rest)
    page.evaluate("viewers[0].turn(true)")
    page.wait_for_function("viewers[0].renderer.count > 3")
    page.evaluate("viewers[0].box.style.display = 'none'")  # nobody can see it
    page.wait_for_function(at_rest)


def test_what_a_cameras_node_cannot_take_is_named(page: Page) -> None:
    page.evaluate("import('./lib/send_camera.mjs').then((m) => { window.sendCamera = m.sendCamera; })")
    page.evaluate("""window.node = { comfyClass: "A124Cameras", title: "Cameras",
      inputs: [{ name: "camera_info", link: 3 }, { name: "radius", widget: { name: "radius" }, link: 4 },
      { name: "fovy", widget: { name: "fovy" }, link: null }],
      widgets: [{ name: "elevation", value: 0, options: { min: -80, max: 80 } }, { name: "radius", value: 2 },
      { name: "fovy", value: 1, options: { min: 10, max: 90 } }, { name: "azimuth", value: 0 }] }""")
    camera = "{ elevation: 88, azimuth: 30, radius: 5, fovy: 40, target: [0, 0.5, 0] }"
    message = page.evaluate(f"sendCamera({{ graph: {{ nodes: [node] }} }}, {camera}, 0.5)")
    for words in ("Sent to Cameras.", "left as they are: radius.", "elevation goes to 80 only, here it is 88",
                  "camera_info", "shift was left out", "upright picture"):
        assert words in message
    assert page.evaluate("node.widgets.map((w) => w.value)") == [80, 2, 40, 30]
    page.evaluate("node.inputs = []")
    plain = "{ elevation: 8, azimuth: 30, radius: 5, fovy: 40, target: [0, 0, 0] }"
    assert page.evaluate(f"sendCamera({{ graph: {{ nodes: [node] }} }}, {plain}, 1.5)") == "Sent to Cameras."


def test_backgrounds_and_the_saved_image(page: Page) -> None:
    page.evaluate("show('figure.a124vol')")
    menu = "viewers[0].root.querySelector('[data-name=background]')"
    for name, corner in (("black", (0, 0, 0, 255)), ("green", (0, 255, 0, 255)), ("transparent", (0, 0, 0, 0))):
        page.evaluate(f"{menu}.value = '{name}'; {menu}.dispatchEvent(new Event('change'))")
        assert tuple((decoded(*page.evaluate("pixels(0)"))[:, 0, 0] * 255).int().tolist()) == corner
    with page.expect_download() as download:
        page.evaluate("viewers[0].root.querySelector('[data-name=screenshot]').click()")
    assert download.value.suggested_filename == "animate124.png"
    image = Image.open(download.value.path())
    assert image.size == (340, 128) and image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0
    assert image.getpixel((170, 100))[3] == 255


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut", "incomplete"),
        ("short", "incomplete"),
        ("broken", "a frame does not unpack"),
        ("junk", "a frame does not unpack"),
        ("flat", "the box in its header cannot be right"),
        ("bomb", "another size than its header says"),
        ("huge", "unpacks to 4000 MB"),
        ("newer", "version 7"),
        ("other", "not a viewer file"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(page: Page, name: str, words: str) -> None:
    page.evaluate(f"show('{name}.a124vol')")
    message = page.evaluate("viewers[0].message.textContent")
    assert words in message and message.count(". ") == 0 and message.endswith(".")
    page.evaluate("viewers[0].load(new ArrayBuffer(0))")
    page.evaluate("file('figure.a124vol').then((f) => viewers[0].load(f))")
    assert page.evaluate("[viewers[0].message.textContent, viewers[0].renderer.textures.length]") == ["", 9]


def test_without_webgl2_it_says_so(page: Page) -> None:
    page.evaluate("HTMLCanvasElement.prototype.getContext = () => null")
    page.evaluate("show('figure.a124vol')")
    assert "WebGL2" in page.evaluate("viewers[0].message.textContent")


def test_the_code_is_small_and_asks_nobody_else() -> None:
    files = [f for f in (ROOT / "web").rglob("*") if f.suffix in (".js", ".mjs")]
    assert sum(f.stat().st_size for f in files) < CODE_LIMIT
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "http://" not in text and "https://" not in text, f"{file.name} names another server"


@pytest.mark.parametrize(("width", "rows"), [(340, 3), (500, 3), (900, 2)])
def test_no_label_of_the_bar_is_cut(page: Page, width: int, rows: int) -> None:
    page.set_viewport_size({"width": 1000, "height": 600})
    page.evaluate(f"show('figure.a124vol', {width})")
    page.evaluate("viewers[0].controls.add('send', '⇥ camera', 'Send this camera', () => {})")
    parts = page.evaluate("""[...viewers[0].controls.bar.children].map((part) => {
      const { right, top } = part.getBoundingClientRect();
      return [part.textContent, part.scrollWidth - part.clientWidth, right, top]; })""")
    assert all(cut <= 0 and right <= width for _, cut, right, _ in parts), parts
    assert len({round(top / 15) for *_, top in parts}) <= rows, parts
    labels = [text for text, *_ in parts]
    assert "time 0.00" in labels and "⌂ reset view" in labels and "⟳ spin" in labels
    assert page.evaluate("[...viewers[0].controls.mode.options].map((o) => o.textContent)") == ["↻ loop", "⇄ ping-pong"]


def test_a_drag_goes_as_far_when_the_graph_is_zoomed(page: Page) -> None:
    page.evaluate("show('figure.a124vol')")
    for zoom in (1.0, 0.5, 0.25, 2.0):
        page.evaluate(f"viewers[0].reset(); viewers[0].box.style.transform = 'scale({zoom})'")
        page.evaluate("viewers[0].box.style.transformOrigin = '0 0'")
        start = (40 * zoom, 40 * zoom)
        drag(page, start, (start[0] + 32 * zoom, start[1]))
        assert page.evaluate("viewers[0].camera.azimuth") == pytest.approx(-45.0, abs=0.5), f"at zoom {zoom}"
