"""The priors of all roles from folders, by name: image, view, video, refine and upscale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...protocols import Guidance
from ...reference.reference import Reference
from ...utils.validate import check_text
from ..defaults import NOISE_LEVEL, RELEASED, RoleDefaults
from ..view_text import CONTROL_TEXT, DYNAMIC_SUFFIX, STATIC_SUFFIX
from ..zero123_pose import ZERO123, check_reference
from .checks import UNET3D, check_control, check_unet, read_schedule
from .denoiser import FolderPrior, load_denoiser
from .load import load_part
from .modelscope import load_modelscope, load_modelscope_text, unet_file
from .offload import OffloadPolicy, collect, rounded_for
from .refine import LowResConditioner, TileConditioner, control_image_factor
from .text import Embeddings, ViewText, encode_prompt, load_text_encoder, load_view_text
from .vae import KL, VaeEncoder, load_vae
from .zero123 import load_zero123

ROLES = ("image", "view", "video", "refine", "upscale")


@dataclass(frozen=True)
class RoleRequest:
    """A role, its model and its options; a role ignores options that it does not use."""

    role: str  # one of ROLES
    path: Path  # a folder; of Zero123 also its original file
    prompt: str
    numbers: RoleDefaults
    control: Path | None = None  # refine: a tile ControlNet's folder; None: the paper's naive personalised prior
    reference: Reference | None = None  # view
    negative: str = ""
    embeddings: Embeddings | None = None  # image, refine
    kind: str = ZERO123  # view: which pose the model was trained with
    noise_level: int = NOISE_LEVEL  # upscale
    still: str = ""  # video: a prompt in which nothing moves, of the guidance's source; empty: none
    lora: Path | None = None  # refine: a file whose LoRA is added to the UNet

    def __post_init__(self) -> None:
        check_text(self.prompt, "the prompt")
        check_text(self.negative, "the negative prompt")
        check_text(self.still, "the still prompt")


def folder_guidance(request: RoleRequest, policy: OffloadPolicy) -> Guidance:
    """Return the prior of a role with the role's numbers, and with a source where a still prompt asks for one."""
    prior = folder_prior(request, policy)
    guidance = request.numbers.guidance(prior, f"{request.role}: {request.path.name}")
    if request.role != "video" or not request.still.strip():
        return guidance
    text = _video_text(request.path, request.still, request.negative)
    return replace(guidance, source=prior.with_conditioner(text))


def folder_prior(request: RoleRequest, policy: OffloadPolicy) -> FolderPrior:
    """Validate and load the networks of a role."""
    loaders = {
        "image": image_prior, "view": view_prior, "video": video_prior, "refine": refine_prior, "upscale": upscale_prior
    }
    if request.role not in loaders:
        raise ValueError(f"role is {request.role!r}: choose one of {', '.join(ROLES)}.")
    return loaders[request.role](request, rounded_for(_highest_cfg(request), policy))


def _highest_cfg(request: RoleRequest) -> float:
    """Return the scale that a role's UNet is asked with. Image and refine share one, in memory once."""
    cfg = request.numbers.cfg
    return max(cfg, RELEASED["image"].cfg) if request.role in ("image", "refine") else cfg


def image_prior(request: RoleRequest, policy: OffloadPolicy) -> FolderPrior:
    """Load any Stable Diffusion 1.x or 2.x folder, eps or v: unet, vae, text_encoder, tokenizer, scheduler."""
    folder, n = request.path, request.numbers
    unet = check_unet(folder, "image")
    text = load_view_text(folder, unet, request.prompt, STATIC_SUFFIX, request.negative, request.embeddings)
    return FolderPrior(load_denoiser(folder, policy), load_vae(folder, policy), text, n.cfg, n.size)


def view_prior(request: RoleRequest, policy: OffloadPolicy) -> FolderPrior:
    """Load Zero123, from a folder or from its original file."""
    check_reference(request.reference is not None)
    n = request.numbers
    parts = load_zero123(request.path, request.reference, request.kind, n.size, policy)
    return FolderPrior(*parts, n.cfg, n.size)


def video_prior(request: RoleRequest, policy: OffloadPolicy) -> FolderPrior:
    """Load ModelScope or ZeroScope: clip latents (1, 4, F, h, w), one noise level for a clip, noise for each frame."""
    folder, n = request.path, request.numbers
    text = _video_text(folder, request.prompt, request.negative)
    if unet_file(folder) is not None:
        return FolderPrior(*load_modelscope(folder, policy), text, n.cfg, n.size, is_video_clip=True)
    denoiser = load_denoiser(folder, policy, UNET3D)
    return FolderPrior(denoiser, load_vae(folder, policy), text, n.cfg, n.size, is_video_clip=True)


def _video_text(folder: Path, prompt: str, negative: str) -> ViewText:
    """Encode a prompt with the video model's text encoder."""
    if unet_file(folder) is not None:
        return load_modelscope_text(folder, prompt + DYNAMIC_SUFFIX, negative)
    return load_view_text(folder, check_unet(folder, "video"), prompt, DYNAMIC_SUFFIX, negative)


def refine_prior(request: RoleRequest, policy: OffloadPolicy) -> FolderPrior:
    """Load Stable Diffusion with a tile ControlNet, which gets the frozen coarse result enlarged like the frames."""
    folder, n = request.path, request.numbers
    unet = check_unet(folder, "image")
    if request.control is not None:
        check_control(folder, unet, request.control)
    encoder = load_text_encoder(folder, unet)
    conditioner = encode_prompt(encoder, request.prompt, DYNAMIC_SUFFIX, request.negative, request.embeddings)
    if request.control is not None:
        with torch.no_grad():
            control_text = encoder.encode([encoder.token_ids(CONTROL_TEXT)])
        conditioner = TileConditioner(conditioner, control_text, control_image_factor(request.control))
    del encoder
    collect()
    denoiser = load_denoiser(folder, policy, controlnet=request.control, lora=request.lora)
    return FolderPrior(denoiser, load_vae(folder, policy), conditioner, n.cfg, n.size)


def upscale_prior(request: RoleRequest, policy: OffloadPolicy) -> FolderPrior:
    """Load the SD x4 upscaler, whose 7 channels are the noisy latents and a low-resolution image of their size."""
    folder, n, level = request.path, request.numbers, request.noise_level
    unet = check_unet(folder, "upscale")
    levels = int(unet.get("num_class_embeds") or 0)
    if not 0 <= level < levels:
        raise ValueError(f"noise_level is {level}: {folder} accepts 0 to {levels - 1}, and 20 is usual.")
    sigmas, _ = read_schedule(folder, "low_res_scheduler")
    text = load_view_text(folder, unet, request.prompt, DYNAMIC_SUFFIX, request.negative)
    encoder = VaeEncoder(load_part(folder, "vae", KL), policy)  # a tiny VAE has other latents
    conditioner = LowResConditioner(text, sigmas[level], level)
    return FolderPrior(load_denoiser(folder, policy), encoder, conditioner, n.cfg, n.size)
