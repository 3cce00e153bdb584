"""Any role from a folder, by its name: what the command line and the node share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...protocols import Guidance
from ...reference.reference import Reference
from ..released import NOISE_LEVEL, Numbers
from ..zero123_pose import ZERO123
from .denoiser import FolderPrior
from .image import image_prior
from .offload import OffloadPolicy
from .refine import refine_prior
from .text import Words
from .upscale import upscale_prior
from .video import video_prior
from .view import view_prior

ROLES = ("image", "view", "video", "refine", "upscale")


@dataclass(frozen=True)
class RoleRequest:
    """A role, its model, and what is said to it. A role leaves alone what says nothing to it."""

    role: str  # one of ROLES
    path: Path  # a folder; of Zero123 also its original file
    prompt: str
    numbers: Numbers
    control: Path | None = None  # refine: a tile ControlNet's folder
    reference: Reference | None = None  # view: the picture
    negative: str = ""
    words: Words | None = None  # image, refine: learned ones
    kind: str = ZERO123  # view: which pose it reads
    noise_level: int = NOISE_LEVEL  # upscale


def folder_prior(w: RoleRequest, place: OffloadPolicy) -> FolderPrior:
    """The role's networks, checked and loaded."""
    cfg, size = w.numbers.cfg, w.numbers.size
    if w.role == "image":
        return image_prior(w.path, w.prompt, cfg, size, place, w.negative, words=w.words)
    if w.role == "view":
        return view_prior(w.path, w.reference, w.kind, cfg, size, place)
    if w.role == "video":
        return video_prior(w.path, w.prompt, cfg, size, place, w.negative)
    if w.role == "refine":
        return refine_prior(w.path, w.control, w.prompt, cfg, size, place, w.words, w.negative)
    if w.role == "upscale":
        return upscale_prior(w.path, w.prompt, cfg, size, w.noise_level, place, w.negative)
    raise ValueError(f"role is {w.role!r}: choose one of {', '.join(ROLES)}.")


def folder_guidance(w: RoleRequest, place: OffloadPolicy) -> Guidance:
    return as_guidance(folder_prior(w, place), w.numbers, f"{w.role}: {w.path.name}")


def as_guidance(prior: FolderPrior, n: Numbers, note: str) -> Guidance:
    """A prior with a role's numbers; one prior may be in two, with another weight."""
    return Guidance(prior, n.weight, n.t_min, n.t_max, form=n.form, angle_weight=n.angle_weight, note=note)
