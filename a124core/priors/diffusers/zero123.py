"""Zero123 from a folder or from its original file: is a render another view of the reference image?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...protocols import View
from ...reference.reference import Reference
from ..noise import scaled_linear_sigmas
from ..parameterization import EPS
from ..weight_files import read_weights
from ..zero123_pose import KINDS, pose_vector
from .checks import EXAMPLES, check_unet
from .denoiser import Conditioner, Conditioning, Denoiser, load_denoiser
from .load import WEIGHTS, load_part, load_transformer, weight_files
from .offload import OffloadPolicy, collect
from .original import below, build_unet, build_vae, build_vision
from .vae import KL, VaeEncoder

CAMERA_PARTS = ("cc_projection", "clip_camera_projection")  # two converters' names for the same layer
PREFIXES = {  # of the parts of the original file
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "vision": "cond_stage_model.model.visual.",
    "camera": "cc_projection.",
}
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's own
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
POSE_DIM = 4


class PoseConditioner(Conditioner):
    """One token from image and pose, and the image's unscaled latents; both are zero where unconditional (release)."""

    def __init__(self, embedding: Tensor, latents: Tensor, weight: Tensor, bias: Tensor, kind: str) -> None:
        self.embedding, self.latents = embedding, latents  # (1, 1, d), (1, 4, h, w)
        self.weight, self.bias, self.kind = weight, bias, kind

    def __call__(self, view: View, x_t: Tensor) -> Conditioning:
        pose = pose_vector(view.cameras, view.reference, self.kind).cpu().float()
        joined = torch.cat([self.embedding.expand(len(pose), -1, -1), pose[:, None]], dim=-1)
        token = functional.linear(joined, self.weight, self.bias)
        latents = self.latents.expand(len(pose), -1, -1, -1)
        return Conditioning(token, torch.zeros_like(token), (latents, torch.zeros_like(latents)))


@dataclass
class Zero123:
    """All networks of a folder or file."""

    denoiser: Denoiser
    vae: nn.Module
    vision: nn.Module  # CLIP's image encoder
    weight: Tensor  # (d, d + 4) of the layer that joins image embedding and pose
    bias: Tensor  # (d,)


def load_zero123(
    path: Path, reference: Reference, kind: str, size: int, policy: OffloadPolicy
) -> tuple[Denoiser, VaeEncoder, PoseConditioner]:
    """Load the networks and encode the reference image on white, as in training; its encoder is dropped."""
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: choose one of {', '.join(KINDS)}.")
    model = _from_file(path, policy) if path.is_file() else _from_folder(path, policy)
    denoiser, encoder, image = model.denoiser, VaeEncoder(model.vae, policy), reference.composite(size).float()
    with torch.no_grad():
        embedding, latents = embed_image(model.vision, image), encoder.unscaled(image).cpu()
    conditioner = PoseConditioner(embedding, latents, model.weight, model.bias, kind)
    del model
    collect()
    return denoiser, encoder, conditioner


def _from_folder(folder: Path, policy: OffloadPolicy) -> Zero123:
    """Load unet, vae, image_encoder, scheduler and the camera's layer."""
    check_unet(folder, "view")
    weight, bias = camera_layer(folder)
    vision = load_transformer(folder, "image_encoder", "CLIPVisionModelWithProjection")
    return Zero123(load_denoiser(folder, policy), load_part(folder, "vae", KL), vision, weight, bias)


def _from_file(path: Path, policy: OffloadPolicy) -> Zero123:
    """Load zero123-xl.ckpt, 105000.ckpt, stable_zero123.ckpt or a .safetensors of them, without EMA copies.

    All have Stable Diffusion's schedule and predict eps.
    """
    weights = read_weights(path)
    parts = {name: below(weights, prefix) for name, prefix in PREFIXES.items()}
    missing = [PREFIXES[name] for name, part in parts.items() if not part]
    if missing:
        raise ValueError(
            f"{path} has no weights under {', '.join(missing)}, so it is not Zero123's original file: give "
            "zero123-xl.ckpt or a diffusers folder of Zero123."
        )
    first, camera = parts["unet"].get("input_blocks.0.0.weight"), parts["camera"]
    channels = first.shape[1] if first is not None and first.ndim == 4 else 0
    if channels != 8:
        raise ValueError(
            f"the UNet in {path} has {channels} input channels, Zero123's has 8: give Zero123's original file."
        )
    denoiser = Denoiser(build_unet(parts["unet"]).to(policy.dtype), scaled_linear_sigmas(), EPS, policy)
    weight, bias = _checked_camera(camera.get("weight"), camera.get("bias"), path)
    return Zero123(denoiser, build_vae(parts["vae"]), build_vision(parts["vision"]), weight, bias)


def camera_layer(folder: Path) -> tuple[Tensor, Tensor]:  # (d, d + 4), (d,)
    """Return weight and bias of the layer that joins the image's embedding and the pose."""
    names = [name for name in CAMERA_PARTS if weight_files(folder / name)]
    if not names:
        raise ValueError(
            f"{folder} has neither {' nor '.join(CAMERA_PARTS)}, the layer that takes the camera: it is an image "
            f"editing model, or not complete. Give the whole folder of {EXAMPLES['view']}, or Zero123's original file."
        )
    part = folder / names[0]
    file = next(n for end in WEIGHTS for n in weight_files(part) if n.endswith(end))
    weights = read_weights(part / file)
    weight = next((w for n, w in weights.items() if n.endswith("weight") and w.ndim == 2), None)
    bias = next((w for n, w in weights.items() if n.endswith("bias")), None)
    return _checked_camera(weight, bias, part)


def _checked_camera(weight: Tensor | None, bias: Tensor | None, path: Path) -> tuple[Tensor, Tensor]:
    """Return the camera's layer in float32 if it has the shapes of one."""
    whole = weight is not None and bias is not None and weight.ndim == 2 and bias.shape == weight.shape[:1]
    if not whole or weight.shape[1] != weight.shape[0] + POSE_DIM or weight.is_complex() or bias.is_complex():
        raise ValueError(f"{path} holds no layer with {POSE_DIM} more inputs than outputs: copy it again.")
    return weight.float(), bias.float()


def embed_image(vision: nn.Module, image: Tensor) -> Tensor:  # (1, 3, S, S) in [0, 1] -> (1, 1, d)
    """Return CLIP's image embedding, of the image enlarged as by Zero123 (bicubic, corners aligned)."""
    side = int(vision.config.image_size)
    image = functional.interpolate(image, (side, side), mode="bicubic", align_corners=True)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return vision(pixel_values=(image - mean) / std).image_embeds[:, None].float()
