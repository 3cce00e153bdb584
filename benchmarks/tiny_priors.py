"""The trained tiny set behind the diffusers guidances: four wires, and the word for the picture's colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from a124core.export.embedding import read_embedding, write_embedding
from a124core.inversion.config import TokenConfig
from a124core.inversion.learn import TokenRun, learn_token
from a124core.priors.defaults import RoleDefaults
from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.inversion import load_inversion_model
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.diffusers.roles import RoleRequest, folder_prior
from a124core.priors.diffusers.text import PLACEHOLDER
from a124core.protocols import Guidance, Guidances
from a124core.reference.reference import Reference
from tools.tiny_set.words import prompt

SIZE = 32  # pixels a side that the set was trained at
# Found by trial on "robot sway". Above three quarters of the schedule the set guesses backgrounds, which leaves fog.
IMAGE = {"weight": 5e-5, "t_min": 0.02, "t_max": 0.7, "t_max_end": 0.2, "form": "clean"}
VIEW = {"weight": 2e-3, "t_min": 0.02, "t_max": 0.7, "t_max_end": 0.1, "form": "clean"}
VIDEO = {"weight": 1e-3, "t_min": 0.02, "t_max": 0.8, "t_max_end": 0.3, "form": "clean"}
REFINE = {"weight": 2e-3, "t_min": 0.02, "t_max": 0.8, "t_max_end": 0.2, "form": "clean"}
WORD = TokenConfig(steps=300, batch=16, lr=5e-3, size=SIZE)


def tiny_prior(role: str, path: Path, text: str, cfg: float, **options: Any) -> FolderPrior:
    """Load a role through the adapter that opens the real weights."""
    numbers = RoleDefaults(cfg, weight=1.0, t_min=0.02, t_max=0.98, size=SIZE)
    return folder_prior(RoleRequest(role, path, text, numbers, **options), OffloadPolicy())


def guidances(models: Path, reference: Reference, subject: str, motion: str, word: Tensor) -> Guidances:
    """All four roles."""
    image = tiny_prior("image", models / "image", prompt(subject), 1.5)
    view = tiny_prior("view", models / "view", "", 1.0, reference=reference)
    video = tiny_prior("video", models / "video", prompt(subject, motion), 2.0)
    refine = tiny_prior(
        "refine", models / "image", prompt(PLACEHOLDER, motion), 2.0, control=models / "control",
        embeddings={"subject": word},
    )
    settings = ((image, IMAGE), (view, VIEW), (video, VIDEO), (refine, REFINE))
    return Guidances(*(Guidance(prior, **numbers) for prior, numbers in settings))


def word_for(models: Path, reference: Reference, subject: str, seed: int, path: Path) -> Tensor:  # (1, d)
    """Textual inversion by the core's loop, on the picture as it was given, on white; a word that is there is read."""
    if path.is_file():
        return next(iter(read_embedding(path).values()))
    model = load_inversion_model(models / "image", subject, OffloadPolicy())
    word = learn_token(reference.composite(4 * SIZE), model, WORD, TokenRun(seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(path, word)
    return word
