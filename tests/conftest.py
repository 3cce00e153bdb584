"""What all tests share: the pack loaded as ComfyUI loads it, a browser, a seeded generator, and the rules for skips."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
NO_HOST = "needs a real ComfyUI: set COMFYUI_PATH to its folder (the one with main.py)"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"
]


def load_pack(folder: Path = ROOT) -> ModuleType:
    """The pack imported from its own file, under the name that ComfyUI's nodes.load_custom_node gives it.

    Never `import nodes`: in the host that name is ComfyUI's own module.
    """
    name = str(folder).replace(".", "_x_")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise RuntimeError(f"{folder} has no __init__.py that Python can load.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


@pytest.fixture(scope="session")
def pack() -> ModuleType:
    """The pack's root module: NODE_CLASS_MAPPINGS and the rest."""
    return load_pack()


@pytest.fixture(scope="session")
def pack_module(pack: ModuleType) -> Callable[[str], ModuleType]:
    """A module of the loaded pack by its path inside it, such as "a124core.cameras.rig" or "nodes.host.ui".

    The pack carries its own copy of a124core, as it does in the host: its classes are not those of `import a124core`.
    """
    return lambda path: importlib.import_module(f"{pack.__name__}.{path}")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for `--models`. diffusers is an extra: where it is missing these tests are skipped."""
    pytest.importorskip("diffusers", reason="diffusers is not installed: it is an extra, needed for folders of models")
    pytest.importorskip("transformers", reason="transformers is not installed: needed for folders of models")
    from tests.tiny_folders import everything

    torch.set_num_threads(1)
    return everything(tmp_path_factory.mktemp("models"))


@pytest.fixture
def rng() -> torch.Generator:
    """A CPU generator with seed 0."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless, drawing with SwiftShader on the CPU; nothing is downloaded."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("needs Chromium or Chrome: install one, or name its program in CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def comfyui_path() -> Path:
    """The folder of a real ComfyUI; a test that asks for it is skipped where there is none."""
    folder = os.environ.get("COMFYUI_PATH", "")
    if not folder:
        pytest.skip(NO_HOST)
    return Path(folder).resolve()


class RootIsNoPackage:
    """pytest takes a folder with an __init__.py for a test package and imports it; ours is for ComfyUI alone."""

    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RootIsNoPackage())
    folder = os.environ.get("COMFYUI_PATH", "")
    if folder and not (Path(folder) / "main.py").is_file():
        raise pytest.UsageError(f"COMFYUI_PATH is {folder}, which has no main.py: name ComfyUI's own folder.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    host, gpu = bool(os.environ.get("COMFYUI_PATH")), torch.cuda.is_available()
    for item in items:
        if ROOT / "tests" / "host" in item.path.parents:
            item.add_marker("host")
        if item.get_closest_marker("host") and not host:
            item.add_marker(pytest.mark.skip(reason=NO_HOST))
        if item.get_closest_marker("network") and os.environ.get("A124_NETWORK") != "1":
            item.add_marker(pytest.mark.skip(reason="asks a package index: set A124_NETWORK=1"))
        if item.get_closest_marker("gpu") and not gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One plain line on the host tests, so that a skipped host is never mistaken for a passed one."""
    reports = [r for kind in ("passed", "failed", "skipped") for r in terminalreporter.stats.get(kind, [])]
    of_host = [r for r in reports if r.nodeid.startswith("tests/host/") and r.when in ("setup", "call")]
    ran = len({r.nodeid for r in of_host if not r.skipped})
    skipped = len({r.nodeid for r in of_host if r.skipped})
    if ran or skipped:
        where = f" in {os.environ['COMFYUI_PATH']}" if ran else f": {NO_HOST}" if skipped else ""
        terminalreporter.write_line(f"host tests: {ran} ran, {skipped} skipped{where}")
