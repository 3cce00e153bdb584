"""Check the config.json of a network against its weights, before memory is taken for what it describes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...utils.json_files import read_json
from ...utils.safetensors_layout import read_layout
from ...utils.text import quote_value
from ..weight_files import SAFETENSORS, checkpoint_layout

AGAIN = "copy the model's folder again"
MAX_SIZE = 2**20  # of any number; vocabularies have 49,408 tokens
MAX_ITEMS = 64  # of a list; networks have up to 5 levels
DEPTHS = ("layers", "blocks")  # in the names of options that repeat modules, such as layers_per_block
SPARE = 100_000  # numbers that a network may have beside its weights, such as the indices of positions


def network_config(path: Path) -> dict[str, Any]:
    """Return a config whose numbers and lists have the size of a network's: ValueError otherwise."""
    config = read_json(path, AGAIN)
    for name, value in _options(config):
        if isinstance(value, list) and len(value) > MAX_ITEMS:
            raise ValueError(f"{path}: {quote_value(name)} has {len(value)} items, no network has as many: {AGAIN}.")
        if isinstance(value, (int, float)) and not abs(value) <= MAX_SIZE:  # NaN is refused too
            raise ValueError(f"{path}: {quote_value(name)} is larger than in any network: {AGAIN}.")
    return config


def _options(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of the config with the name of the option that it belongs to."""
    children = group.items() if isinstance(group, dict) else ((name, value) for value in group)
    for key, value in children:
        yield key, value
        if isinstance(value, (dict, list)):
            yield from _options(value, key)


def check_fits(build: Callable[[], nn.Module], config: dict[str, Any], files: list[Path]) -> None:
    """Refuse a config that describes a larger network than the files hold numbers for.

    build makes the network; it is called on torch's meta device, where tensors take no memory.
    """
    shapes = [shape for file in files for shape in weight_shapes(file)]
    described, numbers = _depth(config), sum(map(math.prod, shapes))
    if described > len(shapes):
        raise ValueError(f"config.json describes {described} layers or more, but {len(shapes)} weights are there")
    with torch.device("meta"):
        described = sum(parameter.numel() for parameter in build().parameters())
    if described > numbers + SPARE:
        raise ValueError(f"config.json describes {described} numbers, but the weights hold {numbers}")


def weight_shapes(file: Path) -> list[tuple[int, ...]]:
    """Return the shapes of all tensors in a file of weights, none of which is read."""
    if file.suffix in SAFETENSORS:
        return [entry.shape for entry in read_layout(file).entries.values()]
    return [tensor.shape for tensor in checkpoint_layout(file).tensors]


def _depth(config: dict[str, Any]) -> int:
    """Return the least number of layers that the options repeat: their product, times the levels."""
    levels, depth = 1, 1
    for name, value in config.items():
        items = value if isinstance(value, list) else [value]
        levels = max(levels, len(items))
        if any(part in name for part in DEPTHS):
            depth *= max([n for n in items if type(n) is int and n > 0], default=1)
    return levels * depth
