"""A whole CLIP from OpenCLIP's own weights, as transformers' CLIPModel: the package open_clip_torch is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .original import CLIP_HEAD_DIM, below, clip_layers, clip_sizes, count_parts, filled_network, vision_parts
from .package import transformers

TEXT = "text_model."


def build_clip(original: Mapping[str, Tensor], config: Mapping[str, Any], ends: tuple[int, int]) -> nn.Module:
    """Build CLIP from OpenCLIP's weights; config: model_cfg of open_clip_config.json; ends: ids of begin and end.

    OpenCLIP pads a text with zeros and pools at the end token; attention is causal, so padding changes nothing."""
    weights, vision = vision_parts(below(original, "visual."))
    width, dim = original["text_projection"].shape
    layers = count_parts(original, "transformer.resblocks.")
    vision_options, text_options = config["vision_cfg"], config["text_cfg"]
    vision["num_attention_heads"] = vision["hidden_size"] // int(vision_options.get("head_width", CLIP_HEAD_DIM))
    text = {
        **clip_sizes(original, width, layers),
        "vocab_size": original["token_embedding.weight"].shape[0],
        "max_position_embeddings": original["positional_embedding"].shape[0],
        "num_attention_heads": int(text_options.get("heads", 8)),  # OpenCLIP's default
        "projection_dim": dim,
        "bos_token_id": ends[0], "eos_token_id": ends[1], "pad_token_id": ends[1],
    }
    weights |= {
        "logit_scale": original["logit_scale"].reshape(()),
        "text_projection.weight": original["text_projection"].T.contiguous(),
        f"{TEXT}embeddings.token_embedding.weight": original["token_embedding.weight"],
        f"{TEXT}embeddings.position_embedding.weight": original["positional_embedding"],
        f"{TEXT}final_layer_norm.weight": original["ln_final.weight"],
        f"{TEXT}final_layer_norm.bias": original["ln_final.bias"],
        **clip_layers(original, TEXT, layers),
    }
    act = {"hidden_act": "quick_gelu" if config.get("quick_gelu") else "gelu"}
    whole = transformers().CLIPConfig(text_config=text | act, vision_config=vision | act, projection_dim=dim)
    return filled_network(lambda: transformers().CLIPModel(whole), weights)
