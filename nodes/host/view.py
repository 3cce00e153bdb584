"""Zero123 and Stable-Zero123: does another view belong to the picture? The pose changes at every step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...a124core.priors.zero123_pose import pose_vector
from ...a124core.protocols import View
from ...a124core.reference.reference import Reference
from .checks import check_vae, kind
from .denoiser import Conds, HostDenoiser
from .prior import NativePrior

WIDTH = 768  # of the picture's embedding; 4 numbers of the pose follow
WHITE = (1.0, 1.0, 1.0)


def view_prior(
    model: Any, clip_vision: Any, vae: Any, reference: Reference | None, which: str, cfg: float, size: int
) -> NativePrior:
    """The picture that was given, on white as Zero123 was trained, and the pose of each render relative to it."""
    check_vae(model, vae)
    if reference is None:
        raise ValueError("a view guidance compares with your picture: wire the reference from node 1 Picture.")
    if not hasattr(model.model, "cc_projection"):
        raise ValueError(
            f"this MODEL ({kind(model)}) has no cc_projection, so it knows no camera: wire a Zero123 or Stable-Zero123 "
            "checkpoint from Image Only Checkpoint Loader (img2vid model)."
        )
    pose = Pose(_embedding(clip_vision, reference, size), vae, reference, which, size)
    return NativePrior(model, vae, pose, cfg, size)


@torch.inference_mode()
def _embedding(clip_vision: Any, reference: Reference, size: int) -> Tensor:  # (1, 1, 768)
    if clip_vision is None:
        raise ValueError(
            "the checkpoint brought no CLIP_VISION: wire one from Load CLIP Vision, CLIP's ViT-L, as Zero123 uses it."
        )
    found = clip_vision.encode_image(_shown(reference, size)).image_embeds
    if found.shape[-1] != WIDTH:
        raise ValueError(
            f"the CLIP_VISION describes a picture by {found.shape[-1]} numbers, Zero123 reads {WIDTH}: wire the ViT-L "
            "that Image Only Checkpoint Loader brings."
        )
    return found.reshape(1, 1, WIDTH).float().cpu()


def _shown(reference: Reference, size: int) -> Tensor:  # IMAGE
    return reference.on(WHITE, size).movedim(1, -1)


class Pose:
    """What Zero123 is told: one token made of the picture's embedding and the pose, and the picture's latents."""

    def __init__(self, embedding: Tensor, vae: Any, reference: Reference, which: str, size: int) -> None:
        self.embedding, self.which = embedding, which
        with torch.inference_mode():
            latents = vae.encode(_shown(reference, size)).float().cpu()  # unscaled, as it was trained
        nothing = torch.zeros(1, 1, WIDTH)
        self.conds = {
            "positive": [[embedding, {"concat_latent_image": latents}]],
            "negative": [[nothing, {"concat_latent_image": torch.zeros_like(latents)}]],
        }

    @torch.inference_mode()
    def at(self, scorer: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        pose = pose_vector(view.cameras, view.reference, self.which)
        told = torch.cat([self.embedding.expand(len(pose), -1, -1), pose[:, None].cpu()], dim=-1)
        token = scorer.net.cc_projection(told.to(scorer.model.load_device))
        positive = scorer.ready["positive"][0]
        text = positive["model_conds"]["c_crossattn"]._copy_with(token)
        told_now = {**positive["model_conds"], "c_crossattn": text}
        return [{**positive, "model_conds": told_now}], scorer.ready["negative"]
