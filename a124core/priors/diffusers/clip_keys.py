"""CLIP's and OpenCLIP's original weight names -> transformers', for the half that reads and the half that looks."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .ldm_keys import numbers

BLOCK = {
    "ln_1.": "layer_norm1.",
    "ln_2.": "layer_norm2.",
    "attn.out_proj.": "self_attn.out_proj.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
}


def vision_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`visual.` -> CLIPVisionModelWithProjection."""
    found = {
        "vision_model.embeddings.class_embedding": weights["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": weights["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": weights["positional_embedding"],
        "visual_projection.weight": weights["proj"].T.contiguous(),
    }
    for theirs, ours in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):  # their spelling
        for end in ("weight", "bias"):
            found[f"vision_model.{ours}.{end}"] = weights[f"{theirs}.{end}"]
    return found | _blocks(weights, "vision_model.", len(numbers(weights, "transformer.resblocks.")))


def text_weights(weights: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The reading half -> CLIPTextModel's names without a prefix, its first `layers` layers."""
    found = {
        "embeddings.token_embedding.weight": weights["token_embedding.weight"],
        "embeddings.position_embedding.weight": weights["positional_embedding"],
        "final_layer_norm.weight": weights["ln_final.weight"],
        "final_layer_norm.bias": weights["ln_final.bias"],
    }
    return found | _blocks(weights, "", layers)


def _blocks(weights: Mapping[str, Tensor], prefix: str, layers: int) -> dict[str, Tensor]:
    """Query, key and value stand in one matrix there, and in three here."""
    found = {}
    for k in range(layers):
        theirs, ours = f"transformer.resblocks.{k}.", f"{prefix}encoder.layers.{k}."
        for end in ("weight", "bias"):
            parts = weights[f"{theirs}attn.in_proj_{end}"].chunk(3)
            for name, part in zip(("q", "k", "v"), parts, strict=True):
                found[f"{ours}self_attn.{name}_proj.{end}"] = part.contiguous()
            for their_part, our_part in BLOCK.items():
                found[f"{ours}{our_part}{end}"] = weights[f"{theirs}{their_part}{end}"]
    return found
