"""Inputs without effect on the chosen format, named where they were changed: else they seem to have worked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...a124core.utils.text import unused_note


def unused_options(node: type, target: str, names: Iterable[str], values: dict[str, Any]) -> str:
    """Return a sentence on those of the named inputs that differ from their defaults; empty if none does."""
    declared = node.INPUT_TYPES()
    specs = {**declared["required"], **declared.get("optional", {})}
    return unused_note(target, (name for name in names if values[name] != _default(specs[name])))


def _default(spec: tuple) -> Any:
    return spec[1].get("default", spec[0][0] if isinstance(spec[0], list) else None)
