"""A real ComfyUI for the tests (COMFYUI_PATH is its folder), the workflows that it runs, and its web socket."""

from __future__ import annotations

import contextlib
import json
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.host import workflow_models
from tests.host.server import ROOT, Host, install_pack, running_host

FRONTEND_ONLY = ("MarkdownNote", "Note")
CONTROL = "control after generate"


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


@pytest.fixture(scope="session")
def host(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One server for all tests, with folders of its own; it is stopped at the end."""
    base = tmp_path_factory.mktemp("comfyui")
    install_pack(base)
    with running_host(comfyui_path, base) as started:
        yield started


@pytest.fixture(scope="session")
def schemas(host: Host) -> dict:
    """The host's /object_info."""
    return host.get("/object_info")


def widget_names(schema: dict) -> list[str]:
    """Names of the inputs that are widgets, in the order in which a saved workflow lists their values; behind some
    seeds the page has a widget of its own, which no prompt has."""
    names = []
    for part in ("required", "optional"):
        for name, spec in schema["input"].get(part, {}).items():
            if isinstance(spec[0], list) or spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"):
                names.append(name)
                if len(spec) > 1 and spec[1].get("control_after_generate"):
                    names.append(CONTROL)
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
        inputs.pop(CONTROL, None)
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
