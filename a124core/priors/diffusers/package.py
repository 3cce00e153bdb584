"""Import diffusers, transformers and peft, which are extras, or raise an error with the command that installs them.

Which release fits is decided by huggingface_hub, which transformers has pinned already: transformers 4.57 wants
huggingface_hub < 1.0, transformers 5 wants >= 1.0, and pip would rather replace it than take an older diffusers.
"""

from __future__ import annotations

import importlib
import logging
import shlex
import sys
from importlib import metadata
from types import ModuleType

OLDEST = "0.30"  # checked with 0.30.3 and 0.42.1
# huggingface_hub below ... -> releases of diffusers that accept it without another hub, by their own metadata:
# 0.35 needs hub >= 0.34; 0.36 is the first to name hub 1; 0.40 needs >= 1.23, 0.41 >= 1.32; 0.42 is the first for 2.
BOUNDS = (
    ((0, 34), f">={OLDEST},<0.35"),
    ((1, 0), f">={OLDEST},<0.40"),
    ((1, 23), ">=0.36,<0.40"),
    ((1, 32), ">=0.36,<0.41"),
    ((2, 0), ">=0.36"),
    ((3, 0), ">=0.42"),
)


def diffusers() -> ModuleType:
    """Return the package, or raise an error with the command that installs it."""
    return _imported("diffusers", bound(installed("huggingface_hub")))


def transformers() -> ModuleType:
    """Return the package; ComfyUI brings it, on the command line it may be missing."""
    return _imported("transformers", ">=4.57")


def peft() -> ModuleType:
    """Return the package that trains and adds LoRAs; 0.17 is the oldest that diffusers 0.42 accepts."""
    return _imported("peft", ">=0.17", "LoRAs of models in diffusers folders")


def bound(hub: str | None) -> str:
    """Return the releases of diffusers that go with a version of huggingface_hub (None: not installed)."""
    if hub is None:
        return f">={OLDEST}"
    version = tuple(int(part) for part in hub.split(".")[:2] if part.isdigit())
    return next((releases for below, releases in BOUNDS if version < below), ">=0.42")


def installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def pip_command(package: str, releases: str) -> str:
    """Return the command for this very Python, whichever one is on the PATH."""
    return shlex.join([sys.executable, "-m", "pip", "install", f"{package}{releases}"])


def _imported(name: str, releases: str, use: str = "models in diffusers folders") -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        missing = installed(name) is None
        problem = "is not installed" if missing else f"{installed(name)} does not load ({error})"
        raise ValueError(
            f"{use} need the Python package {name}, which {problem}: run "
            f"{pip_command(name, releases)} and start again."
        ) from None
    logging.getLogger(name).setLevel(logging.ERROR)  # what a user needs is in our own messages
    return module
