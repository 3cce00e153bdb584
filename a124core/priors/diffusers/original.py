"""Networks of diffusers and transformers built from original weights: single files bring no config.

UNet and VAE are renamed by diffusers' own converters, but not through its from_single_file, which asks a hub for the
config and fills missing weights with random numbers. CLIP is renamed here: diffusers has nothing for the image encoder,
and its OpenCLIP converter knows only the layers of ViT-H and the names of one transformers release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .package import diffusers, transformers

HEADS = 8  # of every attention in Stable Diffusion 1's UNet
CLIP_HEAD_DIM = 64  # in all sizes of CLIP
LATENT_SCALE = 0.18215  # of Stable Diffusion 1 and 2
CLIP_BLOCK = {
    "ln_1.": "layer_norm1.",
    "ln_2.": "layer_norm2.",
    "attn.out_proj.": "self_attn.out_proj.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
}


def below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights below a prefix, without it."""
    return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}


def _count(names: Iterable[str], prefix: str) -> int:
    """Return how many numbers follow the prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)})


def build_unet(original: Mapping[str, Tensor]) -> nn.Module:
    """Build Stable Diffusion 1's UNet with any number of input channels."""
    layers = 0  # before the first downsampling
    while f"input_blocks.{layers + 1}.0.in_layers.2.weight" in original:
        layers += 1
    named = {f"model.diffusion_model.{name}": w for name, w in original.items()}
    weights = _converted("convert_ldm_unet_checkpoint", named, {"layers_per_block": layers})
    levels = range(_count(weights, "down_blocks."))
    attends = [f"down_blocks.{k}.attentions.0.norm.weight" in weights for k in levels]
    return _filled(
        diffusers().UNet2DConditionModel(
            in_channels=weights["conv_in.weight"].shape[1],
            out_channels=weights["conv_out.weight"].shape[0],
            block_out_channels=tuple(weights[f"down_blocks.{k}.resnets.0.conv1.weight"].shape[0] for k in levels),
            layers_per_block=layers,
            down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
            cross_attention_dim=next(w.shape[1] for n, w in weights.items() if n.endswith("attn2.to_k.weight")),
            attention_head_dim=HEADS,  # diffusers' name for their number
        ),
        weights,
    )


def build_vae(original: Mapping[str, Tensor]) -> nn.Module:
    """Build Stable Diffusion's VAE."""
    named = {name: w for name, w in original.items() if not name.startswith("loss.")}
    levels = _count(named, "encoder.down.")
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * levels, "up_block_types": ("UpDecoderBlock2D",) * levels}
    weights = _converted("convert_ldm_vae_checkpoint", named, blocks)
    return _filled(
        diffusers().AutoencoderKL(
            **blocks,
            block_out_channels=tuple(
                weights[f"encoder.down_blocks.{k}.resnets.0.conv1.weight"].shape[0] for k in range(levels)
            ),
            layers_per_block=_count(weights, "encoder.down_blocks.0.resnets."),
            latent_channels=weights["quant_conv.weight"].shape[0] // 2,
            scaling_factor=LATENT_SCALE,
        ),
        weights,
    )


def _converted(converter: str, original: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """Rename weights by a converter of diffusers; it leaves out silently what it does not know."""
    diffusers()
    from diffusers.loaders import single_file_utils

    convert: Callable[..., dict[str, Tensor]] = getattr(single_file_utils, converter)
    weights = convert(original, config)
    if len(weights) != len(original):
        raise ValueError(
            f"{len(original) - len(weights)} of the file's weights are not Stable Diffusion 1's: give Zero123's or "
            "ModelScope's original file."
        )
    return weights


def build_vision(original: Mapping[str, Tensor]) -> nn.Module:
    """Build OpenAI's CLIP image encoder from the weights below `visual.`."""
    weights = {
        "vision_model.embeddings.class_embedding": original["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": original["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": original["positional_embedding"],
        "visual_projection.weight": original["proj"].T.contiguous(),
    }
    for theirs, ours in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):  # their spelling
        for end in ("weight", "bias"):
            weights[f"vision_model.{ours}.{end}"] = original[f"{theirs}.{end}"]
    layers = _count(original, "transformer.resblocks.")
    weights |= _clip_layers(original, "vision_model.", layers)
    width, _, patch, _ = original["conv1.weight"].shape
    config = transformers().CLIPVisionConfig(
        **_clip_sizes(original, width, layers),
        patch_size=patch,
        image_size=patch * round((original["positional_embedding"].shape[0] - 1) ** 0.5),
        projection_dim=original["proj"].shape[1],
        hidden_act="quick_gelu",
    )
    return _filled(transformers().CLIPVisionModelWithProjection(config), weights)


def build_text(original: Mapping[str, Tensor]) -> nn.Module:
    """Build OpenCLIP's text encoder without its last layer: what ModelScope and SD 2 were trained on."""
    layers = _count(original, "transformer.resblocks.") - 1
    vocabulary, width = original["token_embedding.weight"].shape
    config = transformers().CLIPTextConfig(
        **_clip_sizes(original, width, layers),
        vocab_size=vocabulary,
        max_position_embeddings=original["positional_embedding"].shape[0],
        hidden_act="gelu",
    )
    model = transformers().CLIPTextModel(config)
    # releases of transformers differ in the prefix of these names
    token_embedding = "embeddings.token_embedding.weight"
    prefix = next(n for n in model.state_dict() if n.endswith(token_embedding)).removesuffix(token_embedding)
    weights = {
        f"{prefix}{token_embedding}": original["token_embedding.weight"],
        f"{prefix}embeddings.position_embedding.weight": original["positional_embedding"],
        f"{prefix}final_layer_norm.weight": original["ln_final.weight"],
        f"{prefix}final_layer_norm.bias": original["ln_final.bias"],
    }
    return _filled(model, weights | _clip_layers(original, prefix, layers))


def _clip_sizes(original: Mapping[str, Tensor], width: int, layers: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // CLIP_HEAD_DIM),
        "intermediate_size": original["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
    }


def _clip_layers(original: Mapping[str, Tensor], prefix: str, layers: int) -> dict[str, Tensor]:
    """Rename the layers of CLIP and OpenCLIP, and split the matrix of query, key and value."""
    weights = {}
    for k in range(layers):
        theirs, ours = f"transformer.resblocks.{k}.", f"{prefix}encoder.layers.{k}."
        for end in ("weight", "bias"):
            parts = original[f"{theirs}attn.in_proj_{end}"].chunk(3)
            for name, part in zip(("q", "k", "v"), parts, strict=True):
                weights[f"{ours}self_attn.{name}_proj.{end}"] = part.contiguous()
            for their_part, our_part in CLIP_BLOCK.items():
                weights[f"{ours}{our_part}{end}"] = original[f"{theirs}{their_part}{end}"]
    return weights


def _filled(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the model with exactly these weights, frozen, in float32."""
    buffers = {n for n in model.state_dict() if n.endswith("position_ids")}
    missing, unknown = model.load_state_dict({n: w.to(torch.float32) for n, w in weights.items()}, strict=False)
    faults = [*(n for n in missing if n not in buffers), *unknown]
    if faults:
        raise ValueError(
            f"the file's weights do not fit a {type(model).__name__} ({len(faults)} names, such as {faults[0]}): give "
            "the original file of Zero123 or ModelScope."
        )
    return model.requires_grad_(False).eval()
