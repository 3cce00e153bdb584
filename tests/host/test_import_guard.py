"""The pack's uses of the host's own modules, bound against the host's sources by comfy-import-guard; nothing is run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.server import install_pack

SOURCES = ("comfy", "comfy_api", "comfy_execution", "comfy_extras", "nodes.py", "folder_paths.py", "server.py")
AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@localhost")


def make_clone(comfyui: Path, cache: Path) -> None:
    """Commit the host's sources where the tool looks for its clone: no network is needed."""
    clone = cache / "ComfyUI"
    clone.mkdir(parents=True)
    for name in SOURCES:
        source = comfyui / name
        if source.is_dir():
            shutil.copytree(source, clone / name, ignore=lambda folder, names: [
                name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()
            ])
        elif source.is_file():
            shutil.copy(source, clone / name)
    for arguments in (("init", "--quiet"), ("add", "."), (*AUTHOR, "commit", "--quiet", "-m", "host")):
        subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True)


def check(base: Path, cache: Path) -> list[dict]:
    """Return what the tool says of each pack, by name."""
    command = [sys.executable, "-m", "comfy_import_guard.cli", "--cache-dir", cache, "--offline", "--json", "check",
               "--comfy-dir", base, "--target", "HEAD"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return sorted(json.loads(done.stdout)["packs"], key=lambda pack: pack["pack"])


def test_no_use_of_the_host_breaks(comfyui_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("comfy_import_guard", reason="needs comfy-import-guard: pip install comfy-import-guard")
    base, cache = tmp_path / "base", tmp_path / "cache"
    install_pack(base)
    make_clone(comfyui_path, cache)
    wrong = base / "custom_nodes" / "wrong"
    wrong.mkdir()
    (wrong / "__init__.py").write_text("from comfy.utils import no_such_name\n")
    ours, other = check(base, cache)
    assert other["verdict"] == "WILL BREAK", "the tool sees what a host lacks"
    assert ours["references"] > 50 and not ours["unparseable"]
    missing = [entry for entry in ours["breaking"] if not entry["symbol"].startswith("__")]  # every module has those
    assert missing == ours["signature_drift"] == []
