"""Inside the host's own process: the host's modules on the CPU, the pack as the host loads it, and the report."""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def enter_host(comfyui: str, *options: str) -> None:
    """Make the host's modules importable, as `main.py --cpu` with these options configures them."""
    sys.argv = ["main.py", "--cpu", *options]
    sys.path.insert(0, comfyui)
    import comfy.options

    comfy.options.enable_args_parsing()


def load_pack() -> Callable[[str], ModuleType]:
    """Return a function from a path inside the pack, such as "nodes.host.ui", to its module."""
    name = str(ROOT).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return lambda path: importlib.import_module(f"{name}.{path}")


def run_checks(checks: Iterable[Callable[[], Any]]) -> None:
    """Report what each check measured by its name, or its traceback as "raised"."""
    figures = {}
    for check in checks:
        try:
            figures[check.__name__.removeprefix("check_")] = check()
        except Exception:  # noqa: BLE001 (the test shows it)
            figures[check.__name__.removeprefix("check_")] = {"raised": traceback.format_exc()[-1500:]}
    report(figures)


def report(figures: dict[str, Any]) -> None:
    sys.stdout.write(f"\nREPORT {json.dumps(figures)}\n")
