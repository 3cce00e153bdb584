"""Wires that cannot work, each refused in one sentence: what came, what is needed, what to wire instead."""

from __future__ import annotations

from typing import Any


def check_vae(model: Any, vae: Any) -> None:
    """A VAE of the MODEL's latent space."""
    if vae is None or getattr(vae, "first_stage_model", None) is None:
        raise ValueError(
            "the loader brought no VAE, and without one no gradient reaches the picture: wire the VAE of the MODEL's "
            "family from Load VAE."
        )
    wanted, came = model.model.latent_format.latent_channels, vae.latent_channels
    if wanted != came:
        raise ValueError(
            f"the VAE makes latents of {came} channels, but the MODEL ({kind(model)}) reads {wanted}: wire the VAE "
            "that belongs to this MODEL."
        )


def check_channels(model: Any) -> None:
    """A MODEL that needs no other picture beside the noisy one."""
    config = getattr(model.model.model_config, "unet_config", {})
    reads, latents = config.get("in_channels", config.get("in_dim")), model.model.latent_format.latent_channels
    if reads is not None and reads != latents:
        raise ValueError(
            f"this MODEL ({kind(model)}) reads {reads} channels where the latents have {latents}: it is made for "
            "inpainting, editing or animating a picture; wire its plain text-to-picture (or text-to-video) version."
        )


def check_clip(model: Any, vae: Any) -> None:
    """A MODEL that judges a clip as a whole."""
    if getattr(model.model, "a124_family", None) == "modelscope":
        return
    if getattr(model.model.latent_format, "latent_dimensions", 2) != 3 or getattr(vae, "latent_dim", 2) != 3:
        raise ValueError(
            f"this MODEL ({kind(model)}) and its VAE know single pictures, not clips: wire ModelScope from this pack's "
            "loader or a native text-to-video MODEL such as Wan 2.1 (AnimateDiff sets itself up inside a sampler run "
            "only, so render its clip and wire that through Clip as video guidance)."
        )


def check_text(model: Any, conditioning: list) -> None:
    """A CLIP whose words are as wide as the MODEL reads them."""
    wanted, came = text_width(model.model.diffusion_model), conditioning[0][0].shape[-1]
    if wanted is not None and wanted != came:
        raise ValueError(
            f"the CLIP writes words {came} wide, but the MODEL ({kind(model)}) reads {wanted}: wire the CLIP of the "
            "same checkpoint (SD 1.5 768, SD 2 and ModelScope 1024, SDXL 2048)."
        )


def check_control(model: Any, control: Any) -> None:
    """A ControlNet made for the MODEL's family."""
    import comfy.controlnet

    if isinstance(control, comfy.controlnet.ControlLora):
        raise ValueError(
            "the CONTROL_NET is a control LoRA, which the host builds anew from the whole MODEL at every step: wire a "
            "full tile ControlNet (for SD 1.5: control_v11f1e_sd15_tile), or leave it unplugged."
        )
    network = getattr(control, "control_model", None)
    if network is None:  # adapters bring no network of their kind
        return
    wanted, came = text_width(model.model.diffusion_model), text_width(network)
    if wanted != came:
        raise ValueError(
            f"the CONTROL_NET reads words {came or 'of another kind'} wide, but the MODEL ({kind(model)}) reads "
            f"{wanted or 'another kind'}: wire a tile ControlNet of the MODEL's family (for SD 1.5: "
            "control_v11f1e_sd15_tile), or leave it unplugged."
        )


def text_width(network: Any) -> int | None:
    """How wide the words are that a network reads (UNet, ControlNet, Wan); None: it has no place of these names."""
    if hasattr(network, "text_width"):  # our ModelScope: its layers in time have an attn2 that reads no words
        return network.text_width
    for name, part in network.named_modules():
        if name.endswith(("attn2.to_k", "text_embedding.0")):
            return int(part.in_features)  # not the weight's shape: GGUF keeps it as raw bytes
    return None


def kind(model: Any) -> str:
    """The host's name for the family of a MODEL."""
    return type(model.model.model_config).__name__
