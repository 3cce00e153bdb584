"""A LoRA's names in a file, and which weights of a UNet it changes."""

from __future__ import annotations

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # the projections of attention, as diffusers' script trains them
DOWN, UP, ALPHA = ".lora_down.weight", ".lora_up.weight", ".alpha"  # endings of names in a file, kohya's
PREFIX = "lora_unet_"


def is_target(module: str) -> bool:
    """Return whether a module of a UNet is a projection of attention, by its name."""
    return module.endswith(tuple(f".{target}" for target in TARGETS))


def file_name(module: str) -> str:
    """Return the name in a file of a projection, by its name in diffusers' UNet."""
    return PREFIX + module.replace(".", "_")


def check_rank(rank: int, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse a model without attention projections, by name (out, in), and a rank above their dimensions."""
    if not shapes:
        raise ValueError(
            f"this model has no attention projections ({', '.join(TARGETS)}) to train: take a Stable Diffusion 1 or 2."
        )
    smallest = min(min(shape) for shape in shapes.values())
    if rank > smallest:
        raise ValueError(
            f"rank is {rank}, but the smallest attention projection has {smallest} dimensions: choose a rank up to "
            f"{smallest}; 4 to 32 are usual."
        )
