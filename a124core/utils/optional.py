"""Packages that are asked for only where they are used, and the sentence when one is missing."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, package: str, use: str) -> Any:
    """The module, or what to run to get it. `use` ends the sentence "... is needed ..."."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise RuntimeError(
            f"the package {package} is needed {use} and is not installed: run `python -m pip install {package}` with "
            "the Python that runs this program."
        ) from None
