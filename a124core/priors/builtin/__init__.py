"""Built-in priors: exact denoisers over a bank of procedural moving scenes. No weights; the bank holds the answer.

make_priors(reference, prompt, ...) -> BuiltInPriors: image, view, video, refine, upscale (Guidance each), truth,
summary. example_image(subject, size) -> image, mask. SUBJECTS and MOTIONS: the names that a prompt can mean.
Reading order: surfaces -> subject -> animals, objects; warps -> pose -> motions -> fit; appearance -> bank ->
denoisers -> make. solid, back, rim -> inflate turns a user's image into a subject, whose limbs silhouette and parts
find in its outline; own_model takes a mesh or Gaussians in place of the inflated image. Each file's head holds its
numbers to tune.
Prompts: vocabulary, languages (data) -> lexicon (forms) -> verbs, characters (candidates) -> prompt (the choice).
"""

from __future__ import annotations

from .bank import GroundTruth
from .make import BuiltInPriors, RequestedMotion, check_built_in, example_image, make_priors
from .motions import AS_USUAL
from .pose import MAX_SPEED, MAX_STRENGTH, Manner
from .prompt import FROM_PROMPT, MOTIONS, SUBJECTS, parse_prompt, without_motion

__all__ = [
    "AS_USUAL",
    "FROM_PROMPT",
    "MAX_SPEED",
    "MAX_STRENGTH",
    "MOTIONS",
    "SUBJECTS",
    "BuiltInPriors",
    "GroundTruth",
    "Manner",
    "RequestedMotion",
    "check_built_in",
    "example_image",
    "make_priors",
    "parse_prompt",
    "without_motion",
]
