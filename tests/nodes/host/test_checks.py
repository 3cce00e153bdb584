"""The dimensions of the embeddings that a network attends to, also where its weights are kept as raw bytes."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn


@pytest.mark.parametrize("path", ["input_blocks.1.attn2.to_k", "text_embedding.0"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_dimensions_are_those_of_the_layer_not_of_its_packed_weight(
    pack_module: Callable[[str], ModuleType], path: str, packed: bool
) -> None:
    layer = nn.Linear(768, 320)
    if packed:  # Q4 of GGUF: blocks of 32 numbers in 18 bytes, as ComfyUI-GGUF keeps them
        layer.weight = nn.Parameter(torch.zeros(320, 768 // 32 * 18, dtype=torch.uint8), requires_grad=False)
    network: nn.Module = layer
    for name in reversed(path.split(".")):
        network = nn.ModuleDict({name: network})
    assert pack_module("nodes.host.checks").context_dim(network) == 768


def test_a_network_without_cross_attention_has_none(pack_module: Callable[[str], ModuleType]) -> None:
    assert pack_module("nodes.host.checks").context_dim(nn.Linear(3, 3)) is None
