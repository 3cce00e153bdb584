"""Options of animate that change nothing in a run, named before it begins: silence would look like success."""

from __future__ import annotations

import argparse

from ..priors.builtin import AS_USUAL, FROM_PROMPT
from ..priors.diffusers.text import PLACEHOLDER
from ..stages.loop import STAGES
from ..utils.text import unused_note
from .args import CAMERA
from .models import PUBLIC_MODELS, add_model_args, required_roles


def unused_options(options: argparse.Namespace) -> str:
    """Name the options that were changed and are not used; empty if all are."""
    parser = argparse.ArgumentParser()
    add_model_args(parser)
    defaults = {**vars(parser.parse_args([])), **vars(AS_USUAL), "motion": FROM_PROMPT, "refine": "tile",
                "sampling": None, "condition": None, "calibrate": False, "model_up": "y", "clip_cameras": None,
                "images_cameras": None, "no_image_prior": False, "no_moving_view_prior": False,
                **{name: value for name, value, _ in CAMERA}}
    names = [name for name, used in used_options(options).items() if not used and vars(options)[name] != defaults[name]]
    scope = f"the {'built-in priors' if options.priors == 'builtin' else 'models'} and stages of this run"
    return unused_note(scope, (f"--{name.replace('_', '-')}" for name in names))


def used_options(options: argparse.Namespace) -> dict[str, bool]:
    """Return of the options that not every run uses, whether this one does."""
    stages = tuple(stage for stage in STAGES if stage not in options.skip)
    with_view = not (options.no_view_prior or options.no_reference)
    used = {
        "model_up": options.model is not None,
        "clip_cameras": bool(options.clip),
        "images_cameras": options.images is not None,
        "refine": "fine" in stages,
        "no_image_prior": "static" in stages,
        "no_moving_view_prior": with_view and ("fine" in stages or "coarse" in stages),
        **dict.fromkeys((name for name, *_ in CAMERA), not options.no_reference),
        "sampling": "fine" in stages or "coarse" in stages,
        "calibrate": options.priors != "builtin",
        "condition": "fine" in stages and options.refine in ("tile", "upscale"),
    }
    if options.priors == "builtin":  # which refuses --models, --token, --lora and single folders: they mean another run
        texts = ("static_prompt", "refine_prompt", "negative_prompt", "still_prompt")
        return used | dict.fromkeys(("view_kind", *texts), False)
    roles = required_roles(stages, with_view, options.refine, not options.no_image_prior)
    return used | {
        **dict.fromkeys(("motion", "strength", "speed"), False),
        "view_kind": "view" in roles,
        "token": "refine" in roles or PLACEHOLDER in (options.static_prompt or ""),
        "lora": "refine" in roles,
        "still_prompt": "video" in roles,
        "refine_prompt": "refine" in roles or "upscale" in roles,
        **{f"{role}_model": role in roles for role in PUBLIC_MODELS},
    }
