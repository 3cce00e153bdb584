"""The trained tiny set behind the diffusers guidances: four wires, and the word for the picture's colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from a124core.export.embedding import read_embedding, write_embedding
from a124core.inversion.config import TokenConfig
from a124core.inversion.learn import learn_token
from a124core.inversion.steps import LearnRun
from a124core.priors.defaults import NORMALISED_BUILT_IN, RoleDefaults
from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.inversion import load_inversion_model
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.diffusers.roles import RoleRequest, folder_guidance, folder_prior
from a124core.priors.diffusers.text import PLACEHOLDER
from a124core.protocols import Guidances
from a124core.reference.reference import Reference
from tools.tiny_set.words import prompt

SIZE = 32  # pixels a side that the set was trained at
# Of both families, tuned on scenes of the training: cfg where a learned prior keeps contrast (python -m a124core
# prior-check --curve), noise that falls as the field gets better, weights at which no role drowns the others.
# The video role is asked at high noise alone: at low noise a clip says itself how it moves, and the source cancels it.
_UNIT = {"size": SIZE, "weight_unit": "normalised"}
NUMBERS = {
    "image": RoleDefaults(4.0, NORMALISED_BUILT_IN["image"], 0.02, 0.98, 0.3, **_UNIT),
    "view": RoleDefaults(2.0, 0.25 * NORMALISED_BUILT_IN["view"], 0.02, 0.98, 0.3, **_UNIT),
    "video": RoleDefaults(3.0, NORMALISED_BUILT_IN["video"], 0.3, 0.98, 0.9, **_UNIT),
    "refine": RoleDefaults(2.0, 0.05 * NORMALISED_BUILT_IN["refine"], 0.05, 0.6, 0.2, **_UNIT),
}
WORD = TokenConfig(steps=300, batch=16, lr=5e-3, size=SIZE)


def tiny_prior(role: str, path: Path, text: str, cfg: float, **options: Any) -> FolderPrior:
    """Load a role through the adapter that opens the real weights."""
    numbers = RoleDefaults(cfg, weight=1.0, t_min=0.02, t_max=0.98, size=SIZE)
    return folder_prior(RoleRequest(role, path, text, numbers, **options), OffloadPolicy())


def guidances(models: Path, reference: Reference, subject: str, motion: str, word: Tensor) -> Guidances:
    """All four roles; the video role tells motion from the same scene under a text in which nothing moves."""
    cfg = {role: numbers.cfg for role, numbers in NUMBERS.items()}
    image = tiny_prior("image", models / "image", prompt(subject), cfg["image"])
    view = tiny_prior("view", models / "view", "", cfg["view"], reference=reference)
    video = folder_guidance(
        RoleRequest("video", models / "video", prompt(subject, motion), NUMBERS["video"], still=prompt(subject)),
        OffloadPolicy(),
    )
    refine = tiny_prior(
        "refine", models / "image", prompt(PLACEHOLDER, motion), cfg["refine"], control=models / "control",
        embeddings={"subject": word},
    )
    return replace(with_numbers(Guidances(image, view, video.prior, refine)), video=video)


def with_numbers(priors: Guidances) -> Guidances:
    """Guidances of these priors, or of those of these guidances, with NUMBERS."""
    found = {role: getattr(value, "prior", value) for role, value in vars(priors).items()}
    return Guidances(**{role: NUMBERS[role].guidance(prior, "") for role, prior in found.items()})


def word_for(models: Path, reference: Reference, subject: str, seed: int, path: Path) -> Tensor:  # (1, d)
    """Textual inversion by the core's loop, on the picture as it was given, on white; a word that is there is read."""
    if path.is_file():
        return next(iter(read_embedding(path).values()))
    model = load_inversion_model(models / "image", subject, OffloadPolicy())
    word = learn_token(reference.composite(4 * SIZE), model, WORD, LearnRun(seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(path, word)
    return word
