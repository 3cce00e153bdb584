"""What the host's graph says about a node that runs in it."""

from __future__ import annotations

from typing import Any


def wired_outputs(graph: Any, unique_id: str | None) -> set[int]:
    """Return which outputs of a node lead to another one; empty without a graph."""
    if graph is None or unique_id is None or not hasattr(graph, "all_node_ids"):
        return set()
    values = [value for node in graph.all_node_ids() for value in graph.get_node(node)["inputs"].values()]
    return {value[1] for value in values if isinstance(value, list) and len(value) == 2 and value[0] == unique_id}
