"""Options of animate that change nothing in a run, named before it begins: silence would look like success."""

from __future__ import annotations

import argparse

from ..priors.builtin import FROM_PROMPT
from ..stages.loop import STAGES
from ..utils.text import unused_note
from .models import PUBLIC_MODELS, add_model_args, required_roles


def unused_options(options: argparse.Namespace) -> str:
    """Name the options that were given and are not used; empty if all are."""
    builtin = options.priors == "builtin"
    readers = _readers_of_stages(options) | (_readers_builtin() if builtin else _readers_of_models(options))
    usual = _usual()
    names = [name for name, read in readers.items() if not read and getattr(options, name) != usual[name]]
    scope = f"the {'built-in priors' if builtin else 'models'} and stages of this run"
    return unused_note(scope, (f"--{name.replace('_', '-')}" for name in names))


def _readers_of_stages(options: argparse.Namespace) -> dict[str, bool]:
    """What both families read, and when."""
    fine = "fine" not in options.skip
    return {
        "refine": fine,
        "sampling": fine or "coarse" not in options.skip,
        "condition": fine and options.refine in ("tile", "upscale"),
    }


def _readers_builtin() -> dict[str, bool]:
    """--models, --token and single folders are refused there: who gives them wants another run."""
    return dict.fromkeys(("view_kind", "static_prompt", "refine_prompt", "negative_prompt"), False)


def _readers_of_models(options: argparse.Namespace) -> dict[str, bool]:
    stages = tuple(stage for stage in STAGES if stage not in options.skip)
    roles = required_roles(stages, not options.no_view_prior, options.refine)
    repairs = "refine" in roles or "upscale" in roles
    return {
        "motion": False,
        "view_kind": "view" in roles,
        "token": "refine" in roles,
        "refine_prompt": repairs,
        **{f"{role}_model": role in roles for role in PUBLIC_MODELS},
    }


def _usual() -> dict[str, object]:
    """What each is when nobody says it."""
    parser = argparse.ArgumentParser()
    add_model_args(parser)
    return {**vars(parser.parse_args([])), "motion": FROM_PROMPT, "refine": "tile", "sampling": None, "condition": None}
