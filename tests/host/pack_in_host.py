"""Inside the host's own process: the host's modules on the CPU, and the pack as the host loads it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def enter_host(comfyui: str, *options: str) -> None:
    """The host's modules, as `main.py --cpu` with these options sets them."""
    sys.argv = ["main.py", "--cpu", *options]
    sys.path.insert(0, comfyui)
    import comfy.options

    comfy.options.enable_args_parsing()


def load_pack() -> Callable[[str], ModuleType]:
    """-> a module of the pack by its path in it, such as "nodes.host.ui"."""
    name = str(ROOT).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return lambda path: importlib.import_module(f"{name}.{path}")
