"""Which release of diffusers the message asks for, by the installed huggingface_hub; and that pip really takes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from a124core.priors.diffusers import package
from tests.tiny_folders import tokens

# What releases of diffusers say of huggingface_hub in their own metadata: lowest, and below.
METADATA = {
    "0.30.3": ((0, 23), None), "0.34.0": ((0, 27), None), "0.35.2": ((0, 34), None), "0.36.0": ((0, 34), (2, 0)),
    "0.39.0": ((0, 34), (2, 0)), "0.40.0": ((1, 23), (2, 0)), "0.41.0": ((1, 32), (2, 0)), "0.42.1": ((1, 32), (3, 0)),
}


def allowed(release: str, releases: str) -> bool:
    numbers = tuple(map(int, release.split(".")[:2]))
    for part in releases.split(","):
        sign, limit = part[:2].rstrip("0123456789."), tuple(map(int, part.lstrip("<>=").split(".")))
        if not (numbers >= limit if sign == ">=" else numbers < limit):
            return False
    return True


@pytest.mark.parametrize("hub", ["0.30.0", "0.36.2", "1.0.1", "1.22.0", "1.25.1", "1.33.0", "2.4.0"])
def test_no_release_in_the_bound_asks_for_another_hub(hub: str) -> None:
    version = tuple(map(int, hub.split(".")[:2]))
    inside = [r for r in METADATA if allowed(r, package.bound(hub))]
    newest = inside[-1]
    low, high = METADATA[newest]
    assert version >= low and (high is None or version < high), f"pip would take {newest} and another hub than {hub}"


def test_a_missing_package_is_reported_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)  # as if it were not installed
    monkeypatch.setattr(package, "installed", {"huggingface_hub": "0.36.2"}.get)
    with pytest.raises(ValueError) as error:
        package.diffusers()
    assert f"{sys.executable} -m pip install 'diffusers>=0.30,<0.40'" in str(error.value)
    monkeypatch.setattr(package, "installed", {}.get)
    assert package.bound(package.installed("huggingface_hub")) == ">=0.30"


def resolved(*requirements: str) -> dict[str, str]:
    """What pip would install, without the rest of this environment."""
    words = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-",
             "--no-warn-conflicts", "--disable-pip-version-check", *requirements]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    if done.returncode:
        if "No matching distribution" in done.stderr or "Connection" in done.stderr or "Retry" in done.stderr:
            pytest.skip("no package index can be reached")
        raise AssertionError(done.stderr[-2000:])
    rows = json.loads(done.stdout[done.stdout.index("{") :])["install"]
    return {r["metadata"]["name"].lower().replace("_", "-"): r["metadata"]["version"] for r in rows}


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("transformers", ["4.57.6", ">=5"])
def test_pip_takes_it_beside_transformers(transformers: str) -> None:
    """First transformers alone, which decides about the hub; then the same with diffusers in our bound: no change."""
    wanted = f"transformers{transformers if transformers[0] in '<>=' else '==' + transformers}"
    hub = resolved(wanted)["huggingface-hub"]
    both = resolved(wanted, f"huggingface_hub=={hub}", f"diffusers{package.bound(hub)}")
    assert both["huggingface-hub"] == hub and tuple(map(int, both["diffusers"].split(".")[:2])) >= (0, 30)


IMPORTS = """
import diffusers, huggingface_hub, json, sys, transformers
from transformers import CLIPTokenizer
words = CLIPTokenizer.from_pretrained(sys.argv[1]).tokenize("panda")
print(json.dumps([diffusers.__file__, diffusers.UNet2DConditionModel.__name__, huggingface_hub.__version__, words]))
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("transformers", ["4.57.6", ">=5"])
def test_what_the_command_installs_beside_transformers_imports(transformers: str, tmp_path: Path) -> None:
    """Into a folder of its own: that transformers with its hub, and our bound of diffusers. A tokenizer is read."""
    wanted = f"transformers{transformers if transformers[0] in '<>=' else '==' + transformers}"
    hub, place = resolved(wanted)["huggingface-hub"], tmp_path / "packages"
    requirements = [wanted, f"huggingface_hub=={hub}", f"diffusers{package.bound(hub)}"]
    options = ["--target", str(place), "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *requirements], check=True, timeout=900)
    tokens(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(tmp_path / "tokenizer")], env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    file, network, version, words = json.loads(done.stdout.splitlines()[-1])
    assert Path(file).is_relative_to(place) and network == "UNet2DConditionModel" and version == hub
    assert words == ["p", "a", "n", "d", "a</w>"]
