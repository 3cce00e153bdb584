"""A headless Chromium and the little of its DevTools protocol that the tests need. Standard library only, so that
nothing has to be installed; graphics are drawn by SwiftShader, on the processor."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
NONE = "needs Chromium or Chrome: install one, or name its program in CHROMIUM"
FLAGS = (
    "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist", "--no-first-run", "--disable-extensions", "--disable-background-networking",
    "--disable-dev-shm-usage", "--force-device-scale-factor=1", "--remote-debugging-port=0", "--hide-scrollbars",
    "--remote-allow-origins=*",
)  # fmt: skip
SECONDS = 20.0


def find_chromium() -> str | None:
    """The program, or None."""
    named = os.environ.get("CHROMIUM")
    return named if named else next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[int]:
    """A running browser -> its debugging port."""
    log = profile.with_suffix(".log")
    with log.open("w") as out:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield _port(profile / "DevToolsActivePort", process, log)
        finally:
            process.terminate()
            process.wait(20)


def _port(file: Path, process: subprocess.Popen, log: Path) -> int:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        if file.is_file() and "\n" in (text := file.read_text()):
            return int(text.split("\n")[0])
        time.sleep(0.05)
    raise RuntimeError(f"Chromium did not start:\n{log.read_text(errors='replace')[-2000:]}")


class Page:
    """One tab. Whatever the page logs as an error, or throws, is kept in errors."""

    def __init__(self, port: int) -> None:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
            target = json.loads(answer.read())
        self.port, self.target = port, target["id"]
        self.stream = _upgraded(port, target["webSocketDebuggerUrl"].split("/", 3)[3])
        self.waiting, self.number = b"", 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        self.stream.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/json/close/{self.target}", timeout=SECONDS):
            pass

    def send(self, method: str, **parameters: Any) -> dict:
        """One command and its answer; events that come in between are noted."""
        self.number += 1
        body = json.dumps({"id": self.number, "method": method, "params": parameters}).encode()
        self.stream.sendall(_frame(body))
        while True:
            message = self._message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _message(self) -> dict:
        whole = b""
        while True:
            first, length = self._take(2)
            if length >= 126:
                length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
            whole += self._take(length)
            if first & 0x80:
                return json.loads(whole)

    def _take(self, count: int) -> bytes:
        while len(self.waiting) < count:
            came = self.stream.recv(2**20)
            if not came:
                raise RuntimeError("Chromium closed the connection: it may have crashed.")
            self.waiting += came
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def _note(self, message: dict) -> None:
        kind, said = message.get("method"), message.get("params", {})
        if kind == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif kind == "Runtime.consoleAPICalled" and said["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in said["args"]))
        elif kind == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif kind == "Page.javascriptDialogOpening":  # "leave without saving?": yes
            leave = {"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            self.stream.sendall(_frame(json.dumps(leave).encode()))
        elif kind == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])

    def open(self, url: str, size: tuple[int, int] = (800, 600)) -> None:
        """Go there and wait until it is loaded. Also from the same page: it is loaded anew."""
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **screen)
        self.send("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank'", "the earlier page is left")
        self.send("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'", "the page is loaded")

    def before_load(self, script: str) -> None:
        """Run a script in every page that is opened from now on, before its own."""
        self.send("Page.addScriptToEvaluateOnNewDocument", source=script)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def until(self, expression: str, what: str = "", seconds: float = SECONDS) -> Any:
        """Wait until an expression is true, and return its value; true for an element."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.run(f"(() => {{ const v = {expression}; return v instanceof Node || v; }})()"):
                return value
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {what or expression}; errors: {self.errors}")

    def drag(self, start: tuple[float, float], to: tuple[float, float], button: str = "left", moves: int = 4) -> None:
        """Press, move, let go; page coordinates."""
        held = {"left": 1, "right": 2}[button]
        self._mouse("mousePressed", start, button, held)
        for k in range(1, moves + 1):
            between = tuple(a + (b - a) * k / moves for a, b in zip(start, to, strict=True))
            self._mouse("mouseMoved", between, button, held)
        self._mouse("mouseReleased", to, button, 0)

    def _mouse(self, kind: str, at: tuple[float, ...], button: str, buttons: int) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button=button, buttons=buttons, clickCount=1)

    def wheel(self, at: tuple[float, float], delta: float) -> None:
        self.send("Input.dispatchMouseEvent", type="mouseWheel", x=at[0], y=at[1], deltaX=0, deltaY=delta)

    def pinch(self, middle: tuple[float, float], apart: float, to: float, moves: int = 4) -> None:
        """Two fingers, from one distance to another; pixels."""

        def fingers(distance: float) -> list[dict]:
            return [{"x": middle[0] + s * distance / 2, "y": middle[1], "id": k} for k, s in enumerate((-1, 1))]

        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=fingers(apart))
        for k in range(1, moves + 1):
            points = fingers(apart + (to - apart) * k / moves)
            self.send("Input.dispatchTouchEvent", type="touchMove", touchPoints=points)
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self, path: Path) -> Path:
        """What the page looks like, as a PNG file."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
        return path


def _upgraded(port: int, path: str) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), timeout=2 * SECONDS)
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    stream.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += stream.recv(1)
    return stream


def _frame(body: bytes) -> bytes:
    """A text message of the web socket protocol; what a client sends is masked, here with zeros."""
    count = len(body)
    if count < 126:
        length = bytes([0x80 | count])
    else:
        length = struct.pack(">BH", 0x80 | 126, count) if count < 2**16 else struct.pack(">BQ", 0x80 | 127, count)
    return b"\x81" + length + b"\0\0\0\0" + body


