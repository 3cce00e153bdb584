"""The options of `--priors diffusers`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..priors.zero123_pose import KINDS, ZERO123
from .models import KNOWN, Models


def model_options(p: argparse.ArgumentParser) -> None:
    """A folder for all roles, or one path for each."""
    group = p.add_argument_group("models in diffusers folders (--priors diffusers)", "Nothing is downloaded.")
    group.add_argument("--models", type=Path, help="a folder with the models' folders, each under its "
                       "role (image, view, video, control, upscale) or its public name")
    for role, known in KNOWN.items():
        group.add_argument(f"--{role}-model", type=Path, metavar="DIR", help=f"folder of {known.public} or its like")
    group.add_argument("--view-kind", choices=KINDS, default=ZERO123, help="the view model's family, for each reads "
                       "the camera in its own way (%(default)s, also for Zero123-XL)")  # fmt: skip
    group.add_argument("--token", type=Path, metavar="FILE", help="the subject's learned word: learned_embeds.bin or "
                       ".safetensors; written <token> in --refine-prompt")  # fmt: skip
    group.add_argument("--static-prompt", help="what the picture shows, standing still (a high-resolution DSLR image "
                       "of PROMPT)")  # fmt: skip
    group.add_argument("--refine-prompt", help='the prompt of the fine stage: "a <token> is dancing" (PROMPT)')
    group.add_argument("--negative-prompt", default="", help="what must not be seen; empty as released")


def chosen_models(options: argparse.Namespace) -> Models | None:
    """The models of a run; None with built-in priors, to which none of these options says anything."""
    given = [f"--{name}" for name in ("models", "token", *(f"{role}-model" for role in KNOWN))
             if getattr(options, name.replace("-", "_")) is not None]  # fmt: skip
    if options.priors == "builtin":
        if given:
            raise ValueError(f"{' and '.join(given)} go with --priors diffusers: add that, or leave them out.")
        return None
    paths = {role: getattr(options, f"{role}_model") for role in KNOWN}
    return Models(
        options.models, **paths, token=options.token, static_prompt=options.static_prompt,
        refine_prompt=options.refine_prompt, negative=options.negative_prompt, kind=options.view_kind,
    )  # fmt: skip
