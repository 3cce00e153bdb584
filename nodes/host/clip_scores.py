"""The host's CLIP and CLIP_VISION as one encoder of captions and images, for the CLIP scores of Evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ...a124core.evaluation.clip_encoder import describe_variant
from ...a124core.evaluation.clip_scores import unit
from .images import to_image

ADVICE = (
    "wire a whole CLIP's two halves, such as clip_l.safetensors through Load CLIP and CLIP's ViT-L through Load CLIP "
    "Vision, or leave CLIP unplugged (then CLIP-R and CLIP-T are left out)"
)


class HostClip:
    """CLIP_VISION for images, CLIP for captions; without CLIP only images can be compared."""

    def __init__(self, clip: Any, clip_vision: Any) -> None:
        self.clip, self.clip_vision = clip, clip_vision
        variant, self.is_paper = vision_variant(clip_vision)
        self.label = f"{variant} (CLIP_VISION)"
        self.dim = self.images(torch.ones(1, 3, 8, 8)).shape[-1]

    @torch.inference_mode()
    def images(self, image: Tensor) -> Tensor:  # (B, 3, H, W) in [0, 1] -> (B, D)
        """Encode square images; the host resizes them."""
        embeds = self.clip_vision.encode_image(to_image(image)).image_embeds
        return unit(embeds.float().cpu()).clone()

    @torch.inference_mode()
    def texts(self, captions: Sequence[str]) -> Tensor:  # (N, D)
        """Encode captions into the space of the images."""
        return unit(torch.cat([self._text(caption) for caption in captions])).clone()

    def _text(self, caption: str) -> Tensor:  # (1, D)
        """Return the projected end of a text. Parentheses would be weights to the host. Text encoders of SD 1.x give it
        unprojected, others projected: it is projected here in any case."""
        plain = caption.replace("(", "\\(").replace(")", "\\)")
        pooled = self.clip.encode_from_tokens(self.clip.tokenize(plain), return_pooled="unprojected")[1]
        pooled = None if pooled is None else pooled.float().cpu()
        weight = None if pooled is None else text_projection(self.clip, pooled.shape[-1])
        if weight is None:
            raise ValueError(f"this CLIP has no projection of its texts into the space of images: {ADVICE}.")
        if len(weight) != self.dim:
            raise ValueError(
                f"this CLIP's texts have {len(weight)} dimensions, but CLIP_VISION's images have {self.dim}: {ADVICE}."
            )
        return pooled @ weight.T


def vision_variant(clip_vision: Any) -> tuple[str, bool]:
    """Name a CLIP_VISION by the sizes of its network, for older hosts keep no config; refuse what is no CLIP: SigLIP
    has no class embedding, DINO neither these parts nor a projection."""
    model = getattr(clip_vision, "model", None)
    network = getattr(model, "vision_model", None)
    embeddings = getattr(network, "embeddings", None)
    projection = getattr(getattr(model, "visual_projection", None), "weight", None)
    if getattr(embeddings, "class_embedding", None) is None or projection is None:
        raise ValueError(f"this CLIP_VISION is no CLIP but another encoder, such as SigLIP or DINO: {ADVICE}.")
    width, _, patch, _ = embeddings.patch_embedding.weight.shape
    vision = SimpleNamespace(
        hidden_size=width, num_hidden_layers=len(network.encoder.layers), patch_size=patch,
        image_size=clip_vision.image_size, hidden_act=(getattr(clip_vision, "config", None) or {}).get("hidden_act"),
    )
    return describe_variant(SimpleNamespace(vision_config=vision, projection_dim=len(projection)))


def text_projection(clip: Any, dim: int) -> Tensor | None:  # (D, dim)
    """Return the weight that projects texts of this width; None where the file had none. Without one the host leaves
    the weight as it was made: zeros, or whatever lay in that memory."""
    for module in clip.cond_stage_model.modules():
        weight = getattr(getattr(module, "text_projection", None), "weight", None)
        if weight is not None and weight.shape[-1] == dim:
            weight = weight.detach().float().cpu()
            spread = float(weight.std())  # CLIP's lies near 1 / sqrt(dim)
            return weight if 0.1 < spread * dim**0.5 < 10.0 else None
    return None
