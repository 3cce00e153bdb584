"""Networks of diffusers and transformers built from original weights: single files bring no config.

UNet and VAE are renamed by diffusers' own converters, but not through its from_single_file, which asks a hub for the
config and fills missing weights with random numbers. CLIP is renamed here: diffusers has nothing for the image encoder,
and its OpenCLIP converter supports only ViT-H and the names of one release of transformers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ...utils.device import is_out_of_memory
from ...utils.text import first_line
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


MAX_MODULES = 64  # of one kind in a row; the networks here have up to 32
ORIGINAL_FILE = "give the original file of Zero123 or ModelScope"


class UnfitWeightsError(Exception):
    """Weights that are not those of a network, in one sentence."""


def refuses_unfit(build: Callable[[Mapping[str, Tensor]], nn.Module]) -> Callable[[Mapping[str, Tensor]], nn.Module]:
    """Let a builder raise ValueError only: converters and constructors raise anything for weights of other shapes."""

    @functools.wraps(build)
    def checked(original: Mapping[str, Tensor]) -> nn.Module:
        try:
            return build(original)
        except UnfitWeightsError as error:
            raise ValueError(str(error)) from None
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise ValueError(
                f"the file's weights are incomplete or of other shapes ({type(error).__name__}: {first_line(error)}): "
                f"{ORIGINAL_FILE}."
            ) from None

    return checked


def below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights below a prefix, without it."""
    return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}


def count_parts(names: Iterable[str], prefix: str) -> int:
    """Return how many numbers follow the prefix."""
    count = len({name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)})
    if count > MAX_MODULES:
        raise UnfitWeightsError(f"the file has {count} parts under {prefix}, more than any network: {ORIGINAL_FILE}.")
    return count


@refuses_unfit
def build_unet(original: Mapping[str, Tensor]) -> nn.Module:
    """Build Stable Diffusion 1's UNet with any number of input channels."""
    layers = 0  # before the first downsampling
    while f"input_blocks.{layers + 1}.0.in_layers.2.weight" in original and layers < MAX_MODULES:
        layers += 1
    named = {f"model.diffusion_model.{name}": w for name, w in original.items()}
    weights = _converted(_converters().convert_ldm_unet_checkpoint, named, {"layers_per_block": layers})
    levels = range(count_parts(weights, "down_blocks."))
    attends = [f"down_blocks.{k}.attentions.0.norm.weight" in weights for k in levels]
    return filled_network(
        lambda: diffusers().UNet2DConditionModel(
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


@refuses_unfit
def build_vae(original: Mapping[str, Tensor]) -> nn.Module:
    """Build Stable Diffusion's VAE."""
    named = {name: w for name, w in original.items() if not name.startswith("loss.")}
    levels = count_parts(named, "encoder.down.")
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * levels, "up_block_types": ("UpDecoderBlock2D",) * levels}
    weights = _converted(_converters().convert_ldm_vae_checkpoint, named, blocks)
    return filled_network(
        lambda: diffusers().AutoencoderKL(
            **blocks,
            block_out_channels=tuple(
                weights[f"encoder.down_blocks.{k}.resnets.0.conv1.weight"].shape[0] for k in range(levels)
            ),
            layers_per_block=count_parts(weights, "encoder.down_blocks.0.resnets."),
            latent_channels=weights["quant_conv.weight"].shape[0] // 2,
            scaling_factor=LATENT_SCALE,
        ),
        weights,
    )


def _converters() -> ModuleType:
    diffusers()
    from diffusers.loaders import single_file_utils

    return single_file_utils


def _converted(convert: Callable, original: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """Rename weights by a converter of diffusers, which drops unknown ones without an error."""
    weights = convert(original, config)
    if len(weights) != len(original):
        raise UnfitWeightsError(
            f"{len(original) - len(weights)} of the file's weights are not Stable Diffusion 1's: give Zero123's or "
            "ModelScope's original file."
        )
    return weights


@refuses_unfit
def build_vision(original: Mapping[str, Tensor]) -> nn.Module:
    """Build OpenAI's CLIP image encoder from the weights below `visual.`."""
    weights, sizes = vision_parts(original)
    config = transformers().CLIPVisionConfig(**sizes, hidden_act="quick_gelu")
    return filled_network(lambda: transformers().CLIPVisionModelWithProjection(config), weights)


def vision_parts(original: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Rename the weights below `visual.` of CLIP and OpenCLIP, and read the sizes of the image encoder from them."""
    weights = {
        "vision_model.embeddings.class_embedding": original["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": original["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": original["positional_embedding"],
        "visual_projection.weight": original["proj"].T.contiguous(),
    }
    for theirs, ours in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):  # their spelling
        for end in ("weight", "bias"):
            weights[f"vision_model.{ours}.{end}"] = original[f"{theirs}.{end}"]
    layers = count_parts(original, "transformer.resblocks.")
    weights |= clip_layers(original, "vision_model.", layers)
    width, _, patch, _ = original["conv1.weight"].shape
    sizes = {
        **clip_sizes(original, width, layers),
        "patch_size": patch,
        "image_size": patch * round((original["positional_embedding"].shape[0] - 1) ** 0.5),
        "projection_dim": original["proj"].shape[1],
    }
    return weights, sizes


@refuses_unfit
def build_text(original: Mapping[str, Tensor]) -> nn.Module:
    """Build OpenCLIP's text encoder without its last layer: what ModelScope and SD 2 were trained on."""
    layers = count_parts(original, "transformer.resblocks.") - 1
    vocabulary, width = original["token_embedding.weight"].shape
    config = transformers().CLIPTextConfig(
        **clip_sizes(original, width, layers),
        vocab_size=vocabulary,
        max_position_embeddings=original["positional_embedding"].shape[0],
        hidden_act="gelu",
    )
    # releases of transformers differ in the prefix of these names
    token_embedding = "embeddings.token_embedding.weight"
    names = _outline(lambda: transformers().CLIPTextModel(config)).state_dict()
    prefix = next(n for n in names if n.endswith(token_embedding)).removesuffix(token_embedding)
    weights = {
        f"{prefix}{token_embedding}": original["token_embedding.weight"],
        f"{prefix}embeddings.position_embedding.weight": original["positional_embedding"],
        f"{prefix}final_layer_norm.weight": original["ln_final.weight"],
        f"{prefix}final_layer_norm.bias": original["ln_final.bias"],
    }
    return filled_network(lambda: transformers().CLIPTextModel(config), weights | clip_layers(original, prefix, layers))


def clip_sizes(original: Mapping[str, Tensor], width: int, layers: int) -> dict[str, int]:
    """Read width, layers, heads and the inner width of the blocks."""
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // CLIP_HEAD_DIM),
        "intermediate_size": original["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
    }


def clip_layers(original: Mapping[str, Tensor], prefix: str, layers: int) -> dict[str, Tensor]:
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


def _outline(make: Callable[[], nn.Module]) -> nn.Module:
    """Return a network made on torch's meta device, where tensors take no memory."""
    with torch.device("meta"):
        return make()


def filled_network(make: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with exactly these weights, frozen, in float32; it is made when they fit."""
    outline = _outline(make)
    shapes = {name: w.shape for name, w in outline.state_dict().items() if not name.endswith("position_ids")}
    weights = {name: w for name, w in weights.items() if not name.endswith("position_ids")}
    missing, unknown = sorted(shapes.keys() - weights.keys()), sorted(weights.keys() - shapes.keys())
    other = sorted(n for n in shapes.keys() & weights.keys() if shapes[n] != weights[n].shape)
    faults = [*missing, *unknown, *other]
    if faults:
        raise UnfitWeightsError(
            f"the file's weights do not fit a {type(outline).__name__} ({len(faults)} names, such as "
            f"{faults[0][:80]}): {ORIGINAL_FILE}."
        )
    model = make()
    model.load_state_dict({n: w.to(torch.float32) for n, w in weights.items()}, strict=False)
    return model.requires_grad_(False).eval()
