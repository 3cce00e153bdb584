"""The text encoder learns its words before any picture, and stays as it is then, as CLIP's does in the real models.

Trained by the image role's own loss it spread the subject over all tokens (a distance of 6 to 7 between two subjects)
and kept the motion at the motion's own word (2.5 there, 0.15 at the others), where the video role did not find it in
4,000 steps: a jumping and a swaying robot were the same clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from a124core.priors.view_text import SIDES

from .config import Config, Course
from .lessons import SIDED_SHARE, Desk, Lesson, python_rng
from .words import COLOURS, caption


class Readers(nn.Module):
    """One linear layer for each question: what each padding token says of subject, motion, colours and side."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.answers = {
            "subject": config.world.subjects, "motion": config.world.motions, "colours": COLOURS, "side": SIDES,
        }
        width = config.nets.text_width
        self.layers = nn.ModuleDict({name: nn.Linear(width, len(a) + 1) for name, a in self.answers.items()})

    def numbers(self, labels: list[dict[str, str | None]], device: torch.device) -> dict[str, Tensor]:  # (B,) each
        """Return the number of each answer, 0 where the text has none."""
        places = {name: [None, *answers] for name, answers in self.answers.items()}
        return {n: torch.tensor([p.index(row[n]) for row in labels], device=device) for n, p in places.items()}


def text_lesson(desk: Desk, encoder: nn.Module, readers: Readers, course: Course) -> Lesson:
    """Every token after a text must tell subject, motion, colours and side: cross-entropy of linear readers."""

    def lesson(rng: torch.Generator) -> Tensor:
        choices = python_rng(rng)
        labels, texts = [], []
        for _ in range(course.batch):
            subject, motion = choices.choice(desk.config.world.trained)
            still, drifted = choices.random() < 0.3, choices.random() < 0.5
            side = choices.choice(SIDES) if choices.random() < SIDED_SHARE else None
            text = caption(subject, None if still else motion, drifted, choices)
            texts.append(text if side is None else f"{text}, {side}")
            named = COLOURS[drifted] if COLOURS[drifted] in text else None
            labels.append({"subject": subject, "motion": None if still else motion, "colours": named, "side": side})
        padding = desk.padding(texts)
        hidden = desk.read(encoder, texts)[padding]
        numbers = readers.numbers(labels, desk.device)
        return sum(
            cross_entropy(readers.layers[name](hidden), number[:, None].expand_as(padding)[padding])
            for name, number in numbers.items()
        )

    return lesson
