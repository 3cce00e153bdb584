"""Wires that cannot work, each refused in one sentence: what is wired, what is needed, what to wire instead."""

from __future__ import annotations

import math
import os
from typing import Any

FEW_STEPS = ("turbo", "schnell", "lightning", "distill", "hyper-sd", "lcm", "4step", "8step")  # in names of files


def check_vae(model: Any, vae: Any) -> None:
    """Require a VAE of the MODEL's latent space."""
    if vae is None or getattr(vae, "first_stage_model", None) is None:
        raise ValueError(
            "the loader brought no VAE, and without one no gradient reaches the render: wire the VAE of the MODEL's "
            "family from Load VAE."
        )
    expected, channels = model.model.latent_format.latent_channels, vae.latent_channels
    if expected != channels:
        raise ValueError(
            f"this VAE's latents have {channels} channels, but the MODEL ({model_family(model)}) expects {expected}: "
            "wire the VAE that belongs to this MODEL."
        )


def check_channels(model: Any) -> None:
    """Require a MODEL whose only image input is the noisy one."""
    config = getattr(model.model.model_config, "unet_config", {})
    channels, latents = config.get("in_channels", config.get("in_dim")), model.model.latent_format.latent_channels
    if channels is not None and channels not in (latents, latents * _pixels_of_patch(model)):
        raise ValueError(
            f"this MODEL ({model_family(model)}) has {channels} input channels where the latents have {latents}: it is "
            "made for inpainting, editing or animating an image; wire its plain text-to-image (or text-to-video) "
            "version."
        )


def _pixels_of_patch(model: Any) -> int:
    """Return the latent pixels that a transformer sees as one: Qwen-Image's channels count them all."""
    patch = getattr(model.model.diffusion_model, "patch_size", 1)
    return math.prod(patch) if isinstance(patch, (tuple, list)) else int(patch) ** 2


def distillation(model: Any) -> str:
    """Return how a MODEL shows that it was distilled for few steps or without cfg; empty if it does not."""
    if getattr(model.model.model_config, "unet_config", {}).get("guidance_embed"):
        return f"{model_family(model)} takes its guidance as an input, as FLUX.1-dev does"
    if model_family(model) == "FluxSchnell":
        return "FLUX.1-schnell"
    if type(model.get_model_object("model_sampling")).__name__.endswith("Distilled"):  # the host's own, for LCM
        return "its sampling is that of LCM"
    name = next((part for part in FEW_STEPS if part in model_file(model).lower()), None)
    return "" if name is None else f"its file is called {name}"


def model_file(model: Any) -> str:
    """Return the file name that a MODEL was loaded from; empty where the host does not keep it."""
    arguments = (getattr(model, "cached_patcher_init", None) or (None, ()))[1]
    paths = [value for value in arguments if isinstance(value, (str, os.PathLike))]
    return os.path.basename(paths[0]) if paths else ""


def check_video(model: Any, vae: Any) -> None:
    """Require a MODEL that denoises a clip as a whole."""
    if getattr(model.model, "a124_family", None) == "modelscope":
        return
    if getattr(model.model.latent_format, "latent_dimensions", 2) != 3 or getattr(vae, "latent_dim", 2) != 3:
        raise ValueError(
            f"this MODEL ({model_family(model)}) and its VAE are made for single images, not clips: wire ModelScope "
            "from this pack's loader or a native text-to-video MODEL such as Wan 2.1 (AnimateDiff sets itself up "
            "inside a sampler run only, so render its clip and wire that through Clip as video guidance)."
        )


def check_embedding_dim(model: Any, dim: int) -> None:
    """Require a CLIP whose embeddings have as many dimensions as the MODEL's cross-attention expects."""
    expected = context_dim(model.model.diffusion_model)
    if expected is not None and expected != dim:
        raise ValueError(
            f"this CLIP's embeddings have {dim} dimensions, but the MODEL's cross-attention ({model_family(model)}) "
            f"expects {expected}: wire the CLIP of the same checkpoint (SD 1.5 768, SD 2 and ModelScope 1024, SDXL "
            "2048)."
        )


def check_control(model: Any, control: Any) -> None:
    """Require a ControlNet made for the MODEL's family."""
    import comfy.controlnet

    if isinstance(control, comfy.controlnet.ControlLora):
        raise ValueError(
            "the CONTROL_NET is a control LoRA, which ComfyUI builds again from the whole MODEL at every step: wire a "
            "full tile ControlNet (for SD 1.5: control_v11f1e_sd15_tile), or leave it unplugged."
        )
    network = getattr(control, "control_model", None)
    if network is None:  # adapters bring no network of their kind
        return
    expected, dim = context_dim(model.model.diffusion_model), context_dim(network)
    if expected != dim:
        raise ValueError(
            f"the CONTROL_NET's cross-attention expects {dim or 'another kind of'} dimensions, but the MODEL's "
            f"({model_family(model)}) {expected or 'another kind'}: wire a tile ControlNet of the MODEL's family (for "
            "SD 1.5: control_v11f1e_sd15_tile), or leave it unplugged."
        )


def context_dim(network: Any) -> int | None:
    """Return the dimensions of the embeddings that a network (UNet, ControlNet, Wan) attends to; None if unknown."""
    if hasattr(network, "text_width"):  # our ModelScope: the attn2 of its temporal layers is self-attention
        return network.text_width
    for name, part in network.named_modules():
        if name.endswith(("attn2.to_k", "text_embedding.0")):
            return int(part.in_features)  # not the weight's shape: GGUF keeps it as raw bytes
    return None


def model_family(model: Any) -> str:
    """Return the host's name for the family of a MODEL."""
    return type(model.model.model_config).__name__
