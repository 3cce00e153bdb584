"""Settings that a chosen format has no use for, named where they were changed: else they look as if they had worked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...a124core.utils.text import unused_note


def unused_options(node: type, format: str, names: Iterable[str], chosen: dict[str, Any]) -> str:
    """A sentence on those of the named inputs that differ from their defaults; empty if none does."""
    declared = node.INPUT_TYPES()
    specs = {**declared["required"], **declared.get("optional", {})}
    return unused_note(format, (name for name in names if chosen[name] != _default(specs[name])))


def _default(spec: tuple) -> Any:
    return spec[1].get("default", spec[0][0] if isinstance(spec[0], list) else None)
