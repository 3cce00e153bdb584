"""A network of the host's as a copy of our own: normal tensors that stay where they are and let a gradient pass."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# What the host's dynamic loading leaves on a layer (ComfyUI 0.16 to 0.28.1, ModelPatcherDynamic.load and ops.py): its
# place in virtual memory, views of it, page-locked buffers, LoRAs to be added on the way. They own memory by address:
# a copy would give the original's memory back when it dies, and reading a view may find the pages gone.
RUNTIME = ("_v", "_prefetch", "dynamic_vbars", "dynamic_pins")
RUNTIME_BEGINS, RUNTIME_ENDS = ("_v_", "_pin"), "_lowvram_function"
PLAIN = (bool, int, float, str, type(None))  # these are the same object everywhere


class _Left:
    """Stands where something of the original was left out."""


def private_copy(module: nn.Module, patches: dict, prefix: str, dtype: torch.dtype) -> nn.Module:
    """A frozen copy of normal tensors on the CPU, patched as the wire says. Raises ValueError on quantised weights."""
    import comfy.lora

    made = own_copy(module).to("cpu")
    for name, parameter in list(made.named_parameters()):
        if not parameter.is_floating_point() or type(parameter.data) is not Tensor:
            raise ValueError(
                "the MODEL's weights are quantised (GGUF, scaled fp8 ...), and no gradient passes through those: load "
                "the checkpoint in 16 bits."
            )
        weight = parameter.detach().to(torch.float32, copy=True)
        if prefix + name in patches:
            weight = comfy.lora.calculate_weight(patches[prefix + name], weight, prefix + name)
        owner = made.get_submodule(name.rpartition(".")[0])
        setattr(owner, name.rpartition(".")[2], nn.Parameter(weight.to(dtype), requires_grad=False))
    for part in made.modules():
        if hasattr(part, "comfy_cast_weights"):
            part.comfy_cast_weights = False  # weights stay where they are: no paging, no casting
    made.dtype = dtype
    return made.eval()


def own_copy(module: nn.Module) -> nn.Module:
    """A deep copy of a module that may be loaded, without what its loading left on the layers. It is not touched."""
    left, memo = _Left(), {}
    for part in module.modules():
        for name, value in vars(part).items():
            if _is_runtime(name) and not isinstance(value, PLAIN):
                memo[id(value)] = left
    made = copy.deepcopy(module, memo)
    for part in made.modules():
        for name in [n for n in vars(part) if _is_runtime(n)]:
            delattr(part, name)
    return made


def _is_runtime(name: str) -> bool:
    return name in RUNTIME or name.startswith(RUNTIME_BEGINS) or name.endswith(RUNTIME_ENDS)


def spare_norms(module: nn.Module) -> None:
    """The host adds to x in place, as in x += attention(norm(x)); a norm's gradient needs the x it saw: a copy."""
    for part in module.modules():
        if isinstance(part, (nn.LayerNorm, nn.GroupNorm)):
            part.forward = partial(_on_copy, part.forward)


def _on_copy(forward: Any, x: Tensor) -> Tensor:
    return forward(x.clone())


def run_again(part: nn.Module) -> None:
    """The part is run again when its gradient is due, so that its activations are kept no longer than needed."""
    part.forward = partial(_checkpointed, part.forward)


def _checkpointed(forward: Any, *args: Any, **options: Any) -> Any:
    """Dicts are copied: the host writes the number of the block into its options, and goes on writing."""
    kept = [copy.copy(a) if isinstance(a, dict) else a for a in args]
    named = {name: copy.copy(o) if isinstance(o, dict) else o for name, o in options.items()}
    return checkpoint(forward, *kept, use_reentrant=False, **named)
