"""What a result depends on, as one number: the same inputs find the snapshot of an earlier run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from ..a124core import __version__
from . import bridge

FREE_INPUTS = ("resume", "memory")  # of our optimizers: how to get there, not where


def identity(prompt: dict | None, unique_id: str | None, stage: str, reference: Any, inputs: Any) -> str:
    """Hex digits made of everything upstream of a node, and of the reference picture itself.

    inputs stands in for the graph where the host shows none (a node made by another node's expansion).
    """
    known = prompt is not None and unique_id in prompt
    graph = upstream(prompt, unique_id) if known else digest(inputs)
    return digest([__version__, stage, graph, reference])[:24]


def upstream(prompt: dict, node_id: str, seen: dict[str, str] | None = None) -> str:
    """SHA-256 of a node's class and literals and, through its links, of all its ancestors. Node ids do not enter."""
    seen = {} if seen is None else seen
    if node_id not in seen:
        node = prompt[node_id]
        ours = node["class_type"].startswith("A124")
        described = {
            name: _described(value, prompt, seen)
            for name, value in node["inputs"].items()
            if not (ours and name in FREE_INPUTS)
        }
        seen[node_id] = digest([node["class_type"], described])
    return seen[node_id]


def _described(value: Any, prompt: dict, seen: dict[str, str]) -> Any:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in prompt:
        return [upstream(prompt, value[0], seen), value[1]]
    if isinstance(value, str):
        return [value, bridge.file_stamp(value)]
    return value


def digest(value: Any) -> str:
    """SHA-256 of numbers, texts, tensors and whatever dataclasses, dicts and lists hold of them."""
    sha = hashlib.sha256()
    _feed(sha, value)
    return sha.hexdigest()


def _feed(sha: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        sha.update(f"{tuple(value.shape)} {value.dtype}".encode())
        sha.update(value.detach().cpu().contiguous().numpy().tobytes())
    elif is_dataclass(value):
        _feed(sha, {f.name: getattr(value, f.name) for f in fields(value)})
    elif isinstance(value, dict):
        _feed(sha, [[str(key), value[key]] for key in sorted(value, key=str)])
    elif isinstance(value, list | tuple):
        sha.update(f"[{len(value)}".encode())
        for item in value:
            _feed(sha, item)
    elif value is None or isinstance(value, str | int | float | bool):
        sha.update(json.dumps(value).encode() + b";")
    else:
        sha.update(type(value).__qualname__.encode())
