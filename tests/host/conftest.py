"""A real ComfyUI as a subprocess, the pack loaded from its folder, and HTTP and web-socket clients for it.

COMFYUI_PATH is ComfyUI's folder, COMFYUI_PYTHON the Python that runs it (this one, if not set). Nothing of the host
has to be installed in the tests' own environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.host import workflow_models

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 400
FOLDER = "Animate124-under-test"  # the pack must work under any name
OURS = ("__init__.py", "a124core", "nodes", "web", "workflows", "locales")
FRONTEND_ONLY = ("MarkdownNote", "Note")


@dataclass
class Socket:
    """The host's web socket: JSON events and binary messages, in order."""

    client_id: str
    stream: websocket.WebSocket
    events: list[tuple[str, dict]] = field(default_factory=list)
    binary: list[bytes] = field(default_factory=list)

    def read(self, seconds: float) -> None:
        """Append one message, if one arrives in time."""
        self.stream.settimeout(seconds)
        with contextlib.suppress(websocket.WebSocketTimeoutException):
            message = self.stream.recv()
            if isinstance(message, bytes):
                self.binary.append(message)
            else:
                event = json.loads(message)
                self.events.append((event["type"], event.get("data") or {}))

    def texts(self) -> list[str]:
        """Return the texts of our nodes."""
        return [data["text"] for kind, data in self.events if kind == "animate124.text"]

    def previews(self) -> int:
        """Count the previews: JPEG data in messages of type 1 or 4."""
        return sum(b"\xff\xd8\xff" in m[:400] for m in self.binary if struct.unpack(">I", m[:4])[0] in (1, 4))


@dataclass
class Host:
    """A running ComfyUI."""

    port: int
    base: Path
    log: Path

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def post(self, path: str, body: dict) -> tuple[int, Any]:
        data = json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def queue(self, prompt: dict, client_id: str = "") -> str:
        """-> prompt id; the host must accept the prompt."""
        status, answer = self.post("/prompt", {"prompt": prompt, "client_id": client_id or uuid.uuid4().hex})
        assert status == 200 and not answer.get("node_errors"), answer
        return answer["prompt_id"]

    def wait(self, prompt_id: str, seconds: float = 600) -> dict:
        """The history entry of a prompt that has ended, well or not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if entry := self.get(f"/history/{prompt_id}").get(prompt_id):
                return entry
            time.sleep(0.2)
        raise AssertionError(f"not done after {seconds} s, the host's log ends with:\n{self.tail()}")

    def run(self, prompt: dict, seconds: float = 600) -> dict:
        entry = self.wait(self.queue(prompt), seconds)
        assert entry["status"]["status_str"] == "success", f"{entry['status']['messages'][-1]}\n{self.tail()}"
        return entry

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@pytest.fixture(scope="session")
def host(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One server for all tests, with folders of its own; it is stopped at the end."""
    base = tmp_path_factory.mktemp("comfyui")
    pack = base / "custom_nodes" / FOLDER
    pack.mkdir(parents=True)
    for name in OURS:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, pack / name)
    (base / "input").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--port", str(port)]
    command += ["--listen", "127.0.0.1", "--disable-auto-launch", "--disable-api-nodes", "--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base}/comfyui.db", "--preview-method", "auto"]
    log = base / "log.txt"
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # small images: on a busy machine, threads would only wait
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=comfyui_path, stdout=out, stderr=subprocess.STDOUT, env=one_thread)
        try:
            yield _started(Host(port, base, log), process)
        finally:
            process.terminate()
            process.wait(20)


def _started(host: Host, process: subprocess.Popen) -> Host:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            host.get("/system_stats")
            return host
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"ComfyUI did not start:\n{host.tail()}")


@pytest.fixture(scope="session")
def schemas(host: Host) -> dict:
    """The host's /object_info."""
    return host.get("/object_info")


def widget_names(schema: dict) -> list[str]:
    """Names of the inputs that are widgets, in the order in which a saved workflow lists their values."""
    names = []
    for part in ("required", "optional"):
        for name, spec in schema["input"].get(part, {}).items():
            if isinstance(spec[0], list) or spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"):
                names.append(name)
    return names


def to_api(workflow: dict, schemas: dict) -> dict[str, dict]:
    """A saved workflow (UI format) as the frontend would queue it."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in FRONTEND_ONLY:
            continue
        names = widget_names(schemas[node["type"]])
        inputs: dict[str, Any] = dict(zip(names, node["widgets_values"], strict=False))
        inputs |= {s["name"]: sources[s["link"]] for s in node["inputs"] if s.get("link") is not None}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


CUTS = {
    "A124StaticOptimizer": {"steps": 2},
    "A124CoarseOptimizer": {"steps": 1},
    "A124FineOptimizer": {"steps": 1},
    "A124Render": {"frames": 2, "size": 32},
    "A124Preview4D": {"resolution": 16, "frames": 2},
    "A124ExportViewer": {"resolution": 16, "frames": 2},
    "A124ExportFrames": {"frames": 2, "width": 32, "height": 32},
    "A124ExportMesh": {"frames": 2, "resolution": 32, "faces": 500},
}


@pytest.fixture
def cut(schemas: dict) -> Any:
    """Name of a shipped workflow -> its API prompt, with few steps and small images."""

    def load(name: str, seed: int = 0) -> dict[str, dict]:
        prompt = to_api(json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8")), schemas)
        for node in prompt.values():
            node["inputs"] |= CUTS.get(node["class_type"], {})
            if "seed" in node["inputs"]:
                node["inputs"]["seed"] = seed
        return prompt

    return load


@pytest.fixture
def connect(host: Host) -> Any:
    """Open a web socket of the host's, as the browser does."""

    def open_socket() -> Socket:
        client_id = uuid.uuid4().hex
        url = f"ws://127.0.0.1:{host.port}/ws?clientId={client_id}"
        return Socket(client_id, websocket.create_connection(url, timeout=10))

    return open_socket


@pytest.fixture(scope="session")
def equipped(host: Host, comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The running host with synthetic models and a film in its folders."""
    workflow_models.equip(comfyui_path, host.base, tmp_path_factory.mktemp("workflow-models"))
    return host


@pytest.fixture(scope="session")
def with_folders(host: Host) -> Host:
    """The running host with tiny diffusers folders in its models folder; needs diffusers in its Python."""
    workflow_models.write_folders(host.base / "models")
    return host


@pytest.fixture
def with_tiny_models() -> Any:
    """API prompt -> the same with the synthetic models and small images."""
    return workflow_models.with_tiny_models
