"""Built-in priors: exact denoisers over a bank of procedural moving scenes. No weights; the bank holds the answer.

make_priors(reference, prompt, ...) -> BuiltInPriors: image, view, video, refine, upscale (Guidance each), truth,
understood. example_image(subject, size) -> image, mask. SUBJECTS and MOTIONS: the words that are known.
Reading order: surfaces -> body -> animals, things -> palettes; warps -> motions; splat; scenes -> bank -> denoisers
-> make. inflate turns a user's picture into a subject; words reads the prompt; recipe.py holds every number to tune.
"""

from __future__ import annotations

from .make import BuiltInPriors, example_image, make_priors
from .truth import Truth
from .words import FROM_PROMPT, MOTIONS, SUBJECTS, understand

__all__ = [
    "FROM_PROMPT",
    "MOTIONS",
    "SUBJECTS",
    "BuiltInPriors",
    "Truth",
    "example_image",
    "make_priors",
    "understand",
]
