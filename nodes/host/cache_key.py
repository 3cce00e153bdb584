"""What a result depends on, as one number: the same inputs find the snapshot of an earlier run again."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

from torch import Tensor

from ...a124core import __version__
from .file_stamps import file_stamps

FREE_INPUTS = ("resume", "memory")  # of our nodes: how to get there, not where
FREE_OF = dict.fromkeys(("A124TextualInversion", "A124DreamBooth"), ("chunk", "name"))


class Graph(Protocol):
    """The host's DYNPROMPT: the queued nodes and those that other nodes' expansions (loops) added."""

    def has_node(self, node_id: str) -> bool: ...

    def get_node(self, node_id: str) -> dict: ...


class UnknownInputError(ValueError):
    """An input that cannot be distinguished from others of its kind, such as a loaded model."""


def cache_key(graph: Graph | None, unique_id: str | None, stage: str, reference: Any, inputs: Any) -> str:
    """Return the first of cache_keys."""
    return cache_keys(graph, unique_id, stage, reference, inputs)[0]


def cache_keys(graph: Graph | None, unique_id: str | None, stage: str, reference: Any, inputs: Any) -> tuple[str, ...]:
    """Return hex digits of everything upstream of a node, and of the reference image itself unless nodes of ours made
    it: their widgets say it, and its last bits depend on a backend. A second key is the one of former versions.

    inputs stand in for the graph where there is none (a script). An input that cannot be distinguished that way, such
    as a native prior, gives digits that never come again: better no result kept than that of another run.
    """
    try:
        known = graph is not None and unique_id is not None and graph.has_node(unique_id)
        sources = upstream(graph, unique_id, {}) if known else digest(inputs)
        drawn = known and _made_by_ours(graph, graph.get_node(unique_id)["inputs"].get("reference"))
        references = (None, reference) if drawn else (reference,)
        return tuple(digest([__version__, stage, sources, image])[:24] for image in references)
    except UnknownInputError:
        return (secrets.token_hex(12),)


def _made_by_ours(graph: Graph, value: Any) -> bool:
    """Return whether a link leads to nodes of ours alone, all the way up."""
    if not _is_link(graph, value):
        return False
    node = graph.get_node(value[0])
    links = [link for link in node["inputs"].values() if _is_link(graph, link)]
    return node["class_type"].startswith("A124") and all(_made_by_ours(graph, link) for link in links)


def _is_link(graph: Graph, value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and graph.has_node(value[0])


def upstream(graph: Graph, node_id: str, digests: dict[str, str]) -> str:
    """SHA-256 of a node's class and literals and, through its links, of all its ancestors. Node ids do not enter."""
    if node_id not in digests:
        node = graph.get_node(node_id)
        kind = node["class_type"]
        free = (*FREE_INPUTS, *FREE_OF.get(kind, ())) if kind.startswith("A124") else ()
        literals = {name: value for name, value in node["inputs"].items() if name not in free}
        described = {name: _described(value, graph, digests) for name, value in literals.items()}
        digests[node_id] = digest([kind, described, _is_changed(kind, literals)])
    return digests[node_id]


def _is_changed(kind: str, literals: dict[str, Any]) -> Any:
    """What a node of ours reports to the host about files that it looks up by itself."""
    from .. import NODE_CLASS_MAPPINGS  # which imports all nodes, those that ask for an identity among them

    ask = getattr(NODE_CLASS_MAPPINGS.get(kind), "IS_CHANGED", None)
    try:
        return None if ask is None else ask(**{n: v for n, v in literals.items() if not isinstance(v, list)})
    except (TypeError, ValueError, OSError):  # a name comes by a wire, or a file is gone: the node itself says so
        return None


def _described(value: Any, graph: Graph, digests: dict[str, str]) -> Any:
    if _is_link(graph, value):
        return [upstream(graph, value[0], digests), value[1]]
    if isinstance(value, str):
        return [value, file_stamps(value)]
    return value


def digest(value: Any) -> str:
    """SHA-256 of numbers, texts, tensors and whatever dataclasses, dicts and lists hold of them.

    Raises UnknownInputError for anything else.
    """
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
        raise UnknownInputError(f"a {type(value).__qualname__} cannot be distinguished from another.")
