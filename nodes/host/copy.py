"""A host network as a copy of our own: normal tensors that stay where they are and let a gradient pass."""

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
RUNTIME_PREFIXES, RUNTIME_SUFFIX = ("_v_", "_pin"), "_lowvram_function"
PLAIN = (bool, int, float, str, type(None))  # these are the same object everywhere


def patched_copy(module: nn.Module, patches: dict, prefix: str, dtype: torch.dtype) -> nn.Module:
    """Return a frozen copy of normal tensors on the CPU with the patches added; refuse quantised weights."""
    import comfy.lora

    copied = clean_copy(module).to("cpu")
    for name, parameter in list(copied.named_parameters()):
        if not parameter.is_floating_point() or type(parameter.data) is not Tensor:
            raise ValueError(
                "the MODEL's weights are quantised (GGUF, scaled fp8 ...), and no gradient passes through those: load "
                "the checkpoint in 16 bits."
            )
        weight = parameter.detach().to(torch.float32, copy=True)
        if prefix + name in patches:
            weight = comfy.lora.calculate_weight(patches[prefix + name], weight, prefix + name)
        owner, _, key = name.rpartition(".")
        setattr(copied.get_submodule(owner), key, nn.Parameter(weight.to(dtype), requires_grad=False))
    disable_weight_casting(copied)
    copied.dtype = dtype
    return copied.eval()


def disable_weight_casting(module: nn.Module) -> None:
    """Switch the host's paging and casting of weights off."""
    for part in module.modules():
        if hasattr(part, "comfy_cast_weights"):
            part.comfy_cast_weights = False


def clean_copy(module: nn.Module) -> nn.Module:
    """Return a deep copy of a module that may be loaded, without what loading left on its layers."""
    omitted = object()
    memo = {
        id(value): omitted
        for part in module.modules()
        for name, value in vars(part).items()
        if _is_runtime(name) and not isinstance(value, PLAIN)
    }
    copied = copy.deepcopy(module, memo)
    for part in copied.modules():
        for name in [n for n in vars(part) if _is_runtime(n)]:
            delattr(part, name)
    return copied


def _is_runtime(name: str) -> bool:
    return name in RUNTIME or name.startswith(RUNTIME_PREFIXES) or name.endswith(RUNTIME_SUFFIX)


def clone_norm_inputs(module: nn.Module) -> None:
    """Give every norm a copy of its input: the host adds to it in place, as in x += attention(norm(x))."""
    for part in module.modules():
        if isinstance(part, (nn.LayerNorm, nn.GroupNorm)):
            part.register_forward_pre_hook(lambda _, args: (args[0].clone(), *args[1:]))


def checkpoint_forward(part: nn.Module) -> None:
    """Run the part again in the backward pass (gradient checkpointing) instead of keeping its activations."""
    part.forward = partial(_checkpointed, part.forward)


def _checkpointed(forward: Any, *args: Any, **options: Any) -> Any:
    """Dicts are copied: the host writes the number of the block into its options, and goes on writing."""
    args = [copy.copy(a) if isinstance(a, dict) else a for a in args]
    options = {name: copy.copy(o) if isinstance(o, dict) else o for name, o in options.items()}
    return checkpoint(forward, *args, use_reentrant=False, **options)
