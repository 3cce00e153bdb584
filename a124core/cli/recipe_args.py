"""Options that say how a scene is made, whatever it shows: those of `animate` that all runs of a benchmark share."""

from __future__ import annotations

import argparse
from typing import Any

from ..stages.presets import MEMORY, PRESETS
from .models import add_model_args

Arguments = Any  # a parser, or a group of one


def add_recipe_args(p: argparse.ArgumentParser) -> None:
    """Add all of them."""
    add_priors_arg(p)
    add_preset_arg(p)
    add_steps_arg(p)
    add_reference_arg(p)
    add_calibrate_arg(p)
    add_machine_args(p)
    add_model_args(p)


def add_priors_arg(p: Arguments) -> None:
    p.add_argument("--priors", choices=("builtin", "diffusers"), default="builtin", help="what guides the "
                   "scene: built-in puppets, or models of yours in diffusers folders (%(default)s)")


def add_preset_arg(p: Arguments) -> None:
    p.add_argument("--preset", choices=PRESETS, default="auto", help="the recipe: demo for a CPU, good for "
                   "larger images in ten minutes or so, draft for a GPU, released and paper for hours of a large "
                   "one; auto: draft with --priors diffusers, else demo (%(default)s)")


def add_steps_arg(p: Arguments) -> None:
    p.add_argument("--steps-scale", type=float, default=1.0, help="multiplies the steps of every stage: "
                   "0.2 is a quick look (%(default)s)")


def add_reference_arg(p: Arguments) -> None:
    p.add_argument("--reference-mode", choices=("paper", "released", "every"), help="how often the "
                   "moving scene is compared with the picture: paper: in clips that begin with it; released: at "
                   "every fourth step; every: at each step (the preset's)")


def add_calibrate_arg(p: Arguments) -> None:
    p.add_argument("--calibrate", action="store_true", help="let each stage choose cfg and noise range of the models "
                   "when it begins, so that the scene neither fades nor over-saturates: 33 queries to each")


def add_machine_args(p: Arguments) -> None:
    p.add_argument("--memory", choices=("auto", *MEMORY), default="auto", help="how much of a picture is rendered at "
                   "once: low needs least and takes longest; the result is the same (%(default)s)")
    p.add_argument("--device", default="cpu", help="cpu (fastest for built-in priors), cuda, mps, xpu")
