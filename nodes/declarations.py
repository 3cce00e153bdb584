"""Inputs and outputs as nodes declare them to the host, each in one call with its tooltip."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from ..a124core.utils.text import unused_note
from . import sockets

Spec = tuple[Any, dict[str, Any]]  # socket type or choices, options

NODE_ID = {"unique_id": "UNIQUE_ID"}  # hidden input: where progress and text are shown
RUN_ID = {"graph": "DYNPROMPT", **NODE_ID}  # hidden inputs by which the host gives a node its graph


class Node:
    """A node whose inputs are the same whenever the host asks."""

    REQUIRED: ClassVar[dict[str, Spec]] = {}
    OPTIONAL: ClassVar[dict[str, Spec]] = {}
    HIDDEN: ClassVar[dict[str, str]] = {}

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict]:
        """Return the inputs in the host's groups."""
        groups = {"required": cls.REQUIRED, "optional": cls.OPTIONAL, "hidden": cls.HIDDEN}
        return {name: dict(group) for name, group in groups.items() if group}


def socket(kind: str, tooltip: str) -> Spec:
    """Declare an input that is wired."""
    return kind, {"tooltip": tooltip}


def integer(default: int, low: int, high: int, tooltip: str, **options: Any) -> Spec:
    """Declare a whole number in [low, high]; options: step and the host's other ones."""
    return "INT", {"default": default, "min": low, "max": high, "tooltip": tooltip, **options}


def number(default: float, low: float, high: float, step: float, tooltip: str, **options: Any) -> Spec:
    """Declare a number in [low, high]; options: the host's other ones."""
    return "FLOAT", {"default": default, "min": low, "max": high, "step": step, "tooltip": tooltip, **options}


def text(default: str, tooltip: str, **options: Any) -> Spec:
    """Declare a text; options: multiline and the host's other ones."""
    return "STRING", {"default": default, "tooltip": tooltip, **options}


def flag(tooltip: str, **options: Any) -> Spec:
    """Declare a switch, off at first."""
    return "BOOLEAN", {"default": False, "tooltip": tooltip, **options}


def choice(values: Iterable[str], tooltip: str, **options: Any) -> Spec:
    """Declare one of several values, the first unless options have another default."""
    return list(values), {"tooltip": tooltip, **options}


def field(tooltip: str = "The scene, from any optimizer or from Load field.") -> Spec:
    """Declare the scene as an input."""
    return socket(sockets.FIELD, tooltip)


def outputs(*declared: tuple[str, str, str]) -> Callable[[type], type]:
    """Declare a node's outputs, each by its name, socket type and tooltip."""

    def decorate(node: type) -> type:
        node.RETURN_NAMES, node.RETURN_TYPES, node.OUTPUT_TOOLTIPS = zip(*declared, strict=True)
        return node

    return decorate


def unused_options(node: type, target: str, names: Iterable[str], values: dict[str, Any]) -> str:
    """Return a sentence on those of the named inputs that were changed though the target does not use them: else they
    seem to have worked; empty if there are none."""
    declared = node.INPUT_TYPES()
    specs = {**declared["required"], **declared.get("optional", {})}
    return unused_note(target, (name for name in names if values[name] != _default(*specs[name])))


def _default(kind: str | list[str], options: dict[str, Any]) -> Any:
    return options.get("default", kind[0] if isinstance(kind, list) else None)
