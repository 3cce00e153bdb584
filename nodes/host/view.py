"""Zero123 and Stable-Zero123 as the prior of other views, conditioned on the reference image and the render's pose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...a124core.priors.zero123_pose import check_reference, pose_vector
from ...a124core.protocols import View
from ...a124core.reference.reference import Reference
from .checks import check_vae, model_family
from .denoiser import Conditioner, Conds, HostDenoiser
from .prior import NativePrior

EMBEDDING_DIM = 768  # of the image; 4 numbers of the pose follow


def view_prior(
    model: Any, clip_vision: Any, vae: Any, reference: Reference | None, kind: str, cfg: float, size: int
) -> NativePrior:
    """Return the prior of the reference image, on white as Zero123 was trained, and of poses relative to it."""
    check_vae(model, vae)
    check_reference(reference is not None)
    if not hasattr(model.model, "cc_projection"):
        raise ValueError(
            f"this MODEL ({model_family(model)}) has no cc_projection, so it takes no camera pose: wire a Zero123 or "
            "Stable-Zero123 checkpoint from Image Only Checkpoint Loader (img2vid model)."
        )
    pose = PoseConditioner(_embedding(clip_vision, reference, size), vae, reference, kind, size)
    return NativePrior(model, vae, pose, cfg, size)


@torch.inference_mode()
def _embedding(clip_vision: Any, reference: Reference, size: int) -> Tensor:  # (1, 1, EMBEDDING_DIM)
    if clip_vision is None:
        raise ValueError(
            "the checkpoint has no CLIP_VISION: wire one from Load CLIP Vision, CLIP's ViT-L, as Zero123 uses it."
        )
    embeds = clip_vision.encode_image(_on_white(reference, size)).image_embeds
    if embeds.shape[-1] != EMBEDDING_DIM:
        raise ValueError(
            f"this CLIP_VISION's embeddings have {embeds.shape[-1]} dimensions, but Zero123 expects {EMBEDDING_DIM}: "
            "wire the ViT-L that Image Only Checkpoint Loader brings."
        )
    return embeds.reshape(1, 1, EMBEDDING_DIM).float().cpu()


def _on_white(reference: Reference, size: int) -> Tensor:  # IMAGE
    return reference.composite(size).movedim(1, -1)


class PoseConditioner(Conditioner):
    """One token made of the image's embedding and the pose, and the image's latents as concat channels."""

    def __init__(self, embedding: Tensor, vae: Any, reference: Reference, kind: str, size: int) -> None:
        self.embedding, self.kind = embedding, kind
        with torch.inference_mode():
            latents = vae.encode(_on_white(reference, size)).float().cpu()  # unscaled, as it was trained
        self.conds = {
            "positive": [[embedding, {"concat_latent_image": latents}]],
            "negative": [[torch.zeros_like(embedding), {"concat_latent_image": torch.zeros_like(latents)}]],
        }

    @torch.inference_mode()
    def __call__(self, denoiser: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        pose = pose_vector(view.cameras, view.reference, self.kind)
        joined = torch.cat([self.embedding.expand(len(pose), -1, -1), pose[:, None].cpu()], dim=-1)
        token = denoiser.inner_model.cc_projection(joined.to(denoiser.model.load_device))
        positive = denoiser.processed_conds["positive"][0]
        text = positive["model_conds"]["c_crossattn"]._copy_with(token)
        model_conds = {**positive["model_conds"], "c_crossattn": text}
        return [{**positive, "model_conds": model_conds}], denoiser.processed_conds["negative"]
