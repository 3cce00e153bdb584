"""Zero123 from a folder or from its original file: does another view belong to the picture?"""

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
from .checks import UNET2D, schedule, unet_config
from .denoiser import Encoder, FolderPrior, Network, Told
from .load import WEIGHTS, load_part, transformer_part, weight_files
from .offload import OffloadPolicy, collect
from .zero123_file import parts_of_file

EXAMPLE = "Yuyang-z/zero123-xl"
CAMERA_PARTS = ("cc_projection", "clip_camera_projection")  # two converters' names for the same layer
WHITE = (1.0, 1.0, 1.0)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's own
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
POSE = 4  # numbers


@dataclass
class Zero123:
    """Its networks. The picture's encoder is dropped when the picture is encoded."""

    unet: nn.Module
    vae: nn.Module
    vision: nn.Module
    weight: Tensor  # (d, d + 4) of the layer that joins picture and pose
    bias: Tensor  # (d,)
    sigmas: Tensor
    kind: str


def view_prior(
    path: Path, reference: Reference | None, which: str, cfg: float, size: int, place: OffloadPolicy
) -> FolderPrior:
    """The picture on white, as Zero123 was trained, and the pose of each render relative to it."""
    if reference is None:
        raise ValueError("a view guidance compares with your picture: give one (wire the reference from node 1).")
    if which not in KINDS:
        raise ValueError(f"kind is {which!r}: choose one of {', '.join(KINDS)}.")
    made = _of_file(path, place) if path.is_file() else _of_folder(path, place)
    encoder = Encoder(made.vae, place)
    with torch.no_grad():
        shown = reference.on(WHITE, size).float()
        told = Pose(embedding(made.vision, shown), encoder.unscaled(shown).cpu(), made.weight, made.bias, which)
    network = Network(made.unet, made.sigmas, made.kind, place)
    del made
    collect()
    return FolderPrior(network, encoder, told, cfg, size)


def _of_folder(folder: Path, place: OffloadPolicy) -> Zero123:
    """unet, vae, image_encoder, scheduler and the camera's layer."""
    unet_config(folder, 8, EXAMPLE)
    weight, bias = camera_layer(folder)
    sigmas, kind = schedule(folder)
    unet = load_part(folder, "unet", UNET2D, place.dtype, str(place))
    vision = transformer_part(folder, "image_encoder", "CLIPVisionModelWithProjection")
    return Zero123(unet, load_part(folder, "vae", "AutoencoderKL"), vision, weight, bias, sigmas, kind)


def _of_file(path: Path, place: OffloadPolicy) -> Zero123:
    """zero123-xl.ckpt and its kin, converted on load; all have Stable Diffusion's schedule and predict eps."""
    parts = parts_of_file(path)
    unet = parts.unet.to(place.dtype)
    return Zero123(unet, parts.vae, parts.vision, parts.weight, parts.bias, scaled_linear_sigmas(), EPS)


def camera_layer(folder: Path) -> tuple[Tensor, Tensor]:  # (d, d + 4), (d,)
    """The layer that joins the picture's embedding and the pose."""
    names = [name for name in CAMERA_PARTS if weight_files(folder / name)]
    if not names:
        raise ValueError(
            f"{folder} has neither {' nor '.join(CAMERA_PARTS)}, the layer that reads the camera: it is a picture "
            f"editing model, or not complete. Give the whole folder of {EXAMPLE}, or Zero123's original file."
        )
    part = folder / names[0]
    file = next(n for end in WEIGHTS for n in weight_files(part) if n.endswith(end))
    found = read_weights(part / file)
    weight = next((w for n, w in found.items() if n.endswith("weight") and w.ndim == 2), None)
    bias = next((w for n, w in found.items() if n.endswith("bias")), None)
    if weight is None or bias is None or weight.shape[1] != weight.shape[0] + POSE:
        raise ValueError(f"{part} does not hold a layer from {POSE} more numbers than it gives: copy it again.")
    return weight.float(), bias.float()


def embedding(vision: nn.Module, shown: Tensor) -> Tensor:  # (1, 3, S, S) in [0, 1] -> (1, 1, d)
    """CLIP's projected description, of the picture enlarged as Zero123 did it (bicubic, corners aligned)."""
    side = int(vision.config.image_size)
    picture = functional.interpolate(shown, (side, side), mode="bicubic", align_corners=True)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return vision(pixel_values=(picture - mean) / std).image_embeds[:, None].float()


class Pose:
    """One token made of the picture and the pose, and the picture's latents, unscaled; without: zeros (release)."""

    def __init__(self, embedding: Tensor, latents: Tensor, weight: Tensor, bias: Tensor, which: str) -> None:
        self.embedding, self.latents = embedding, latents  # (1, 1, d), (1, 4, h, w)
        self.weight, self.bias, self.which = weight, bias, which

    def at(self, view: View, x_t: Tensor) -> Told:
        pose = pose_vector(view.cameras, view.reference, self.which).cpu().float()
        joined = torch.cat([self.embedding.expand(len(pose), -1, -1), pose[:, None]], dim=-1)
        token = functional.linear(joined, self.weight, self.bias)
        latents = self.latents.expand(len(pose), -1, -1, -1)
        return Told(token, torch.zeros_like(token), beside=(latents, torch.zeros_like(latents)))
