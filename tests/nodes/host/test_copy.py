"""Copies of networks that the host may have loaded: loader state is not copied, and checkpointing is exact."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture
def host_copy(pack_module: Callable[[str], ModuleType]) -> ModuleType:
    return pack_module("nodes.host.copy")


class Owner:
    """Memory by address, as the host's virtual memory and page-locked buffers are held: a copy would free it twice."""

    freed = 0

    def __del__(self) -> None:
        Owner.freed += 1


class Pages(Tensor):
    """A view of memory that has been freed: reading it fails."""

    def __deepcopy__(self, memo: dict) -> Tensor:
        raise AssertionError("freed pages were read")


def loaded_network() -> nn.Module:
    """Layers as ModelPatcherDynamic.load and the casts of a forward pass leave them."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 2)))
    net[0].options = {"on": True, "count": 3, "nothing": None}
    vbar, state, hook = Owner(), {"weights": (Owner(), [])}, Owner()
    for layer in (net[0], net[1][0]):
        layer._v, layer._pin_state, layer._v_signature = (vbar, 4096, 512), state, None
        layer._v_weight = torch.zeros(2).as_subclass(Pages)
        layer._pin, layer._pin_registered, layer._pin_stack_index = torch.zeros(2).as_subclass(Pages), True, 3
        layer._prefetch = {"signature": Owner()}
        layer.weight_lowvram_function, layer.bias_lowvram_function = hook, None
    state["weights"][1].append((net[0], 0))
    return net


def test_loader_state_of_layers_is_not_copied_and_stays_on_the_original(host_copy: ModuleType) -> None:
    net = loaded_network()
    before, Owner.freed = {n: dict(vars(part)) for n, part in net.named_modules()}, 0
    copied = host_copy.clean_copy(net)
    x = torch.rand(5, 3)
    assert torch.equal(copied(x), net(x))
    assert copied[0].weight.data_ptr() != net[0].weight.data_ptr()
    assert copied[0].options == {"on": True, "count": 3, "nothing": None}, "plain values that equal a loader's are kept"
    for part in copied.modules():
        assert not [n for n in vars(part) if n.startswith(("_v_", "_pin", "_prefetch")) or "lowvram" in n or n == "_v"]
    del copied
    assert Owner.freed == 0, "nothing of the original's memory was freed"
    for name, part in net.named_modules():
        assert vars(part).keys() == before[name].keys()
        assert all(vars(part)[key] is value for key, value in before[name].items())


class Numbered(nn.Module):
    """A part of a UNet whose attention patch depends on the number of its block, as in the host's transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, transformer_options: dict) -> Tensor:
        return torch.tanh(self.layer(x) * transformer_options["patch"](transformer_options["block"]))


def run(parts: nn.ModuleList, x: Tensor, options: dict[str, Any]) -> Tensor:
    for number, part in enumerate(parts):
        options["block"] = ("input", number)
        x = part(x, options) if number % 2 else part(x, transformer_options=options)
    return x


def test_a_patch_gets_its_own_block_also_in_the_recomputed_forward_pass(host_copy: ModuleType) -> None:
    torch.manual_seed(0)
    parts = nn.ModuleList([Numbered() for _ in range(3)])
    blocks: list[tuple] = []

    def patch(block: tuple) -> float:
        blocks.append(block)
        return 1.0 + block[1]

    x = torch.rand(2, 4, requires_grad=True)
    (plain,) = torch.autograd.grad(run(parts, x, {"patch": patch}).sum(), x)
    for part in parts:
        host_copy.checkpoint_forward(part)
    blocks.clear()
    (again,) = torch.autograd.grad(run(parts, x, {"patch": patch}).sum(), x)
    assert torch.equal(again, plain)
    assert sorted(blocks) == sorted(2 * [("input", k) for k in range(3)]), "each part ran twice, with its own number"
