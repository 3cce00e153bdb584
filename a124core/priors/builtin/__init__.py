"""Built-in priors: exact denoisers over a bank of procedural moving scenes. No weights; the bank holds the answer.

make_priors(reference, prompt, ...) -> BuiltInPriors: image, view, video, refine, upscale (Guidance each), truth,
summary. example_image(subject, size) -> image, mask. SUBJECTS and MOTIONS: the names that a prompt can mean.
Reading order: surfaces -> subject -> animals, objects; warps -> motions; appearance -> bank -> denoisers -> make.
solid, back, rim -> inflate turns a user's image into a subject; each file's head holds its numbers to tune.
Prompts: vocabulary, languages (data) -> lexicon (forms) -> verbs, characters (candidates) -> prompt (the choice).
"""

from __future__ import annotations

from .bank import GroundTruth
from .make import BuiltInPriors, check_built_in, example_image, make_priors
from .prompt import FROM_PROMPT, MOTIONS, SUBJECTS, parse_prompt

__all__ = [
    "FROM_PROMPT",
    "MOTIONS",
    "SUBJECTS",
    "BuiltInPriors",
    "GroundTruth",
    "check_built_in",
    "example_image",
    "make_priors",
    "parse_prompt",
]
