"""The trained tiny set behind the diffusers guidances: four wires, and the word for the picture's colours."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from a124core.export.embedding import read_embedding, write_embedding
from a124core.inversion.learn import TokenConfig, learn_token
from a124core.priors.diffusers.checks import schedule
from a124core.priors.diffusers.image import encoder, image_prior
from a124core.priors.diffusers.load import load_part
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.diffusers.refine import refine_prior
from a124core.priors.diffusers.text import PLACEHOLDER, encoded, prompt_ids, reader
from a124core.priors.diffusers.video import video_prior
from a124core.priors.diffusers.view import view_prior
from a124core.priors.parameterization import nearest_timestep, scale_input, to_x0
from a124core.priors.zero123_pose import ZERO123
from a124core.protocols import Guidance, Guidances
from a124core.reference.reference import Reference
from tools.tiny_set.words import prompt

SIZE = 32  # pixels a side that the set was trained at
PLACE = OffloadPolicy()
# Found by trial on "robot sway". Above three quarters of the schedule the set guesses backgrounds, which leaves fog.
IMAGE = {"weight": 5e-5, "t_min": 0.02, "t_max": 0.7, "t_max_end": 0.2, "form": "clean"}
VIEW = {"weight": 2e-3, "t_min": 0.02, "t_max": 0.7, "t_max_end": 0.1, "form": "clean"}
VIDEO = {"weight": 1e-3, "t_min": 0.02, "t_max": 0.8, "t_max_end": 0.3, "form": "clean"}
REFINE = {"weight": 2e-3, "t_min": 0.02, "t_max": 0.8, "t_max_end": 0.2, "form": "clean"}
CFG = {"image": 1.5, "view": 1.0, "video": 2.0, "refine": 2.0}
WORD = TokenConfig(steps=300, batch=16, lr=5e-3, size=SIZE)


def guidances(models: Path, reference: Reference, subject: str, motion: str, word: Tensor) -> Guidances:
    """All four roles, each by the adapter that opens the real weights."""
    image = image_prior(models / "image", prompt(subject), CFG["image"], SIZE, PLACE)
    view = view_prior(models / "view", reference, ZERO123, CFG["view"], SIZE, PLACE)
    video = video_prior(models / "video", prompt(subject, motion), CFG["video"], SIZE, PLACE)
    sentence = prompt(PLACEHOLDER, motion)
    refine = refine_prior(
        models / "image", models / "control", sentence, CFG["refine"], SIZE, PLACE, {"subject": word}
    )
    settings = ((image, IMAGE), (view, VIEW), (video, VIDEO), (refine, REFINE))
    return Guidances(*(Guidance(prior, **numbers) for prior, numbers in settings))


def word_for(models: Path, reference: Reference, subject: str, seed: int, kept: Path) -> Tensor:  # (1, d)
    """Textual inversion by the core's loop, on the picture as it was given, on white; a word that is there is read."""
    if kept.is_file():
        return next(iter(read_embedding(kept).values()))
    folder = models / "image"
    reads, unet, pictures = reader(folder), load_part(folder, "unet", "UNet2DConditionModel"), encoder(folder, PLACE)
    sigmas, kind = schedule(folder)
    (start,) = reads.ids(subject)

    def denoise(x_t: Tensor, sigma: Tensor, token: Tensor, templates: list[str]) -> Tensor:
        text = encoded(reads, [prompt_ids(reads, t.format(PLACEHOLDER), {"": token}) for t in templates])
        s = sigma.view(-1, 1, 1, 1)
        out = unet(scale_input(x_t, s, kind), nearest_timestep(sigma, sigmas), text).sample
        return to_x0(out, x_t, s, kind)

    row = reads.table().weight[start : start + 1]
    word = learn_token(reference.on(torch.ones(3), 4 * SIZE), pictures, denoise, sigmas, row, WORD, seed)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(kept, word)
    return word
