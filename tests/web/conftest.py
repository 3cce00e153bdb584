"""A browser, a small web site with the viewer and two baked scenes, and a fresh tab for each test."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from a124core.export.viewer.volume import VolumeOptions
from a124core.export.viewer.volume_file import baked_bytes
from tests.web.scenes import figure, two_balls

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Modules with the type that browsers insist on, and no log."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is served: the viewer's modules, a page, baked scenes."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "web" / "lib", folder / "lib")
    shutil.copy(ROOT / "tests" / "web" / "page.html", folder)
    whole = baked_bytes(figure, VolumeOptions(resolution=64, frames=9))
    (folder / "figure.a124vol").write_bytes(whole)
    (folder / "balls.a124vol").write_bytes(baked_bytes(two_balls, VolumeOptions(resolution=64, frames=1)))
    (folder / "cut.a124vol").write_bytes(whole[: len(whole) // 2])
    (folder / "short.a124vol").write_bytes(whole[:10])
    (folder / "newer.a124vol").write_bytes(whole[:8] + b"\x07" + whole[9:])
    (folder / "other.a124vol").write_bytes(b"<html>not found</html>")
    broken = bytearray(whole)
    broken[-3000] ^= 0xFF
    (folder / "broken.a124vol").write_bytes(broken)
    (folder / "junk.a124vol").write_bytes(with_junk(whole))
    (folder / "flat.a124vol").write_bytes(with_header(whole, box=[[0, 0, 0], [1, 1, 0]]))
    (folder / "bomb.a124vol").write_bytes(with_header(whole, size=[2, 2, 2]))
    (folder / "huge.a124vol").write_bytes(
        with_header(whole, size=[1000, 1024, 1024], frames=[{"time": 0, "offset": 0, "bytes": 9}])
    )
    return folder


def with_header(whole: bytes, **changes: object) -> bytes:
    """The same viewer file with other entries in its header."""
    (length,) = struct.unpack_from("<I", whole, 12)
    text = json.dumps({**json.loads(whole[16 : 16 + length]), **changes}).encode()
    return whole[:12] + struct.pack("<I", len(text)) + text + whole[16 + length :]


def with_junk(whole: bytes) -> bytes:
    """The same viewer file with a byte after the end of its last frame's stream, and within the frame."""
    (length,) = struct.unpack_from("<I", whole, 12)
    *frames, last = json.loads(whole[16 : 16 + length])["frames"]
    return with_header(whole, frames=[*frames, {**last, "bytes": last["bytes"] + 1}]) + b"x"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """An empty tab; at the end nothing may have gone wrong in it."""
    tab = browser.new_page(viewport={"width": 800, "height": 600})
    tab.set_default_timeout(20_000)
    yield tab
    found = errors(tab)
    tab.close()
    assert found == []


@pytest.fixture
def page(tab: Page, address: str) -> Page:
    """A tab with the viewer's page."""
    tab.goto(f"{address}/page.html")
    tab.wait_for_function("window.ready")
    return tab


@pytest.fixture
def draw(page: Page) -> Callable[..., torch.Tensor]:
    """(viewer, elevation, azimuth, radius, time) -> its image (3, S, S), the middle square of what it draws."""

    def drawn(index: int, elevation: float, azimuth: float, radius: float, time: float) -> torch.Tensor:
        camera = f"{{elevation: {elevation}, azimuth: {azimuth}, radius: {radius}}}"
        page.evaluate(f"Object.assign(viewers[{index}].camera, {camera}); viewers[{index}].showTime({time})")
        return square(decoded(*page.evaluate(f"pixels({index})"))[:3])

    return drawn


def errors(page: Page) -> list[str]:
    """Return what the page logged as an error or threw, with the files that are named there."""
    logged = [m for m in page.console_messages(filter="all") if m.type in ("error", "assert")]
    return [f"{m.text} {m.location['url']}" for m in logged] + [str(e.stack) for e in page.page_errors(filter="all")]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], button: str = "left") -> None:
    """Press the button, move, let go; page coordinates."""
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move(*end, steps=4)
    page.mouse.up(button=button)


def decoded(width: int, height: int, text: str) -> torch.Tensor:  # (4, H, W) in [0, 1]
    """Decode base64 pixels, rows from below."""
    values = torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
    return values.view(height, width, 4).flip(0).permute(2, 0, 1).float() / 255.0


def square(image: torch.Tensor) -> torch.Tensor:
    """Return the middle of an image that is wider than high."""
    _, height, width = image.shape
    left = (width - height) // 2
    return image[:, :, left : left + height]
