"""Optional packages: imported where they are used, with advice where one is missing."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, package: str, use: str) -> Any:
    """Import the module, or say how to install its package. `use` ends the sentence "... is needed ..."."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise RuntimeError(
            f"the package {package} is needed {use} and is not installed: run `python -m pip install {package}` with "
            "the Python that runs this program."
        ) from None
