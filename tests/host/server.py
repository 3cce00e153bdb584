"""A real ComfyUI as a subprocess, the pack loaded from its folder, and an HTTP client for it.

COMFYUI_PYTHON is the Python that runs it (this one, if not set). Nothing of the host has to be installed in the tests'
own environment.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 400
FOLDER = "Animate124-under-test"  # the pack must work under any name
OURS = ("__init__.py", "a124core", "nodes", "web", "workflows", "subgraphs", "locales")


@dataclass
class Host:
    """A running ComfyUI."""

    port: int
    base: Path
    log: Path
    process: subprocess.Popen

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

    def wait(self, prompt_id: str, seconds: float = 600, every: float = 0.2) -> dict:
        """The history entry of a prompt that has ended, well or not; asked for every so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if entry := self.get(f"/history/{prompt_id}").get(prompt_id):
                return entry
            time.sleep(every)
        raise AssertionError(f"not done after {seconds} s, the host's log ends with:\n{self.tail()}")

    def run(self, prompt: dict, seconds: float = 600) -> dict:
        entry = self.wait(self.queue(prompt), seconds)
        assert entry["status"]["status_str"] == "success", f"{entry['status']['messages'][-1]}\n{self.tail()}"
        return entry

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


def install_pack(base: Path) -> None:
    """Copy the pack into the custom_nodes folder of a host's base directory."""
    pack = base / "custom_nodes" / FOLDER
    pack.mkdir(parents=True)
    for name in OURS:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, pack / name)
    (base / "input").mkdir()


@contextmanager
def running_host(comfyui: Path, base: Path, *options: str) -> Iterator[Host]:
    """Start the ComfyUI of a folder on a free port with this base directory, and stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--port", str(port)]
    command += ["--listen", "127.0.0.1", "--disable-auto-launch", "--disable-api-nodes", "--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base}/comfyui.db", "--preview-method", "auto", *options]
    log = base / "log.txt"
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # small images: on a busy machine, threads would only wait
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=comfyui, stdout=out, stderr=subprocess.STDOUT, env=one_thread)
        try:
            yield _started(Host(port, base, log, process))
        finally:
            process.terminate()
            process.wait(20)


def _started(host: Host) -> Host:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and host.process.poll() is None:
        try:
            host.get("/system_stats")
            return host
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"ComfyUI did not start:\n{host.tail()}")
