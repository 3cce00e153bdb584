"""2 Priors: loads ModelScope text-to-video, the method's video prior, from models/text2video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..host import modelscope as host
from ..host.file_stamps import NEVER_SAME
from ..queued import when_queued

NOTHING = "nothing in models/text2video yet"


class A124ModelScopeLoader:
    """Three files as the host's MODEL, CLIP and VAE."""

    DESCRIPTION = "Loads ModelScope text-to-video (or a ZeroScope) for the video guidance. Nothing is downloaded."
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 modelscope", "text to video", "ZeroScope", "t2v", "load video model"]
    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    RETURN_NAMES = ("model", "clip", "vae")
    OUTPUT_TOOLTIPS = (
        "The video model, for A124VideoGuidance; its latents are (B, 4, frames, height / 8, width / 8).",
        "OpenCLIP ViT-H, which the model was trained on.",
        "Stable Diffusion's VAE, frame by frame.",
    )
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "model": (host.unets() or [NOTHING], {"tooltip": (
                    "The UNet under models/text2video: text2video_pytorch_model.pth, or the file in the unet folder of "
                    "a diffusers text-to-video model."
                )}),
                "text_encoder": ([host.AUTO, *host.folder_files("text_encoders")], {"default": host.AUTO, "tooltip": (
                    "auto: open_clip_pytorch_model.bin or the text_encoder folder beside the model. Otherwise an "
                    "OpenCLIP ViT-H file of models/text_encoders."
                )}),
                "vae": ([host.AUTO, *host.folder_files("vae")], {"default": host.AUTO, "tooltip": (
                    "auto: VQGAN_autoencoder.pth or the vae folder beside the model. Otherwise a file of models/vae: "
                    "any VAE of Stable Diffusion 1 or 2 fits."
                )}),
            }
        }

    @classmethod
    def VALIDATE_INPUTS(
        cls, model: str | None = None, text_encoder: str | None = None, vae: str | None = None
    ) -> bool:
        with when_queued():
            if model is not None:
                cls._paths(model, text_encoder or host.AUTO, vae or host.AUTO)
        return True

    @classmethod
    def IS_CHANGED(
        cls, model: str | None = None, text_encoder: str | None = None, vae: str | None = None
    ) -> str | float:
        if model is None or text_encoder is None or vae is None:
            return NEVER_SAME
        return str([(p.stat().st_size, p.stat().st_mtime_ns) for p in map(Path, cls._paths(model, text_encoder, vae))])

    @staticmethod
    def _paths(model: str, text_encoder: str, vae: str) -> tuple[str, str, str]:
        """Resolve all three first, so that a missing one is reported before gigabytes are read."""
        return (
            host.unet_path(model),
            host.companion_path(model, text_encoder, "text encoder", "text_encoders"),
            host.companion_path(model, vae, "VAE", "vae"),
        )

    def load(self, model: str, text_encoder: str, vae: str) -> tuple[Any, Any, Any]:
        unet, clip, vae = self._paths(model, text_encoder, vae)
        return host.load_model(unet), host.load_clip(clip), host.load_vae(vae)
