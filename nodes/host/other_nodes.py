"""Nodes of the host and of other packs, named as the user meets them."""

from __future__ import annotations

from .runtime import host_module

BACKGROUND_REMOVAL = "RemoveBackground"  # id of the host's own node; ComfyUI 0.3.64 has none


def display_name(node_id: str) -> str | None:
    """Return a node's name in the menu; None where the host has no such node."""
    nodes = host_module("nodes")
    if node_id not in getattr(nodes, "NODE_CLASS_MAPPINGS", {}):
        return None
    return getattr(nodes, "NODE_DISPLAY_NAME_MAPPINGS", {}).get(node_id) or node_id


def mask_advice() -> str:
    """Say how an image gets a mask in this host."""
    name = display_name(BACKGROUND_REMOVAL)
    source = "a background-removal node" if name is None else f"the node {name}"
    return f"wire a mask from {source}, paint one in the mask editor, or load a picture cut out (a transparent PNG)"
