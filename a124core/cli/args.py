"""The arguments of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from ..cameras.rig import FOVY, RADIUS
from ..field.config import BACKBONES
from ..field.hexplane import REFERENCE_AZIMUTH
from ..models3d.read import ANY_UP, UPWARDS
from ..priors.builtin import AS_USUAL, FROM_PROMPT, MAX_SPEED, MAX_STRENGTH, MOTIONS, SUBJECTS
from ..reference.segment import MASK_MARKS
from ..stages.config import CONDITIONS
from ..utils.text import shorten
from .camera_args import add_camera_args, add_film_args
from .dreambooth import add_dreambooth_args
from .evaluate import add_evaluate_args
from .export import add_export_args
from .invert import add_invert_args
from .models import add_model_args
from .prepare import REFINES
from .prior_check import add_prior_check_args
from .recipe_args import (
    add_calibrate_arg,
    add_machine_args,
    add_preset_arg,
    add_priors_arg,
    add_recipe_args,
    add_reference_arg,
    add_steps_arg,
)
from .variants import TABLE_2, VARIANTS

CAMERA = (  # of the picture: option, default, meaning
    ("elevation", 0.0, "degrees that the camera of the picture looked down from"),
    ("azimuth", None, f"degrees that it stood to the side (0; with --backbone HexPlane {REFERENCE_AZIMUTH:g})"),
    ("radius", RADIUS, "its distance; the scene reaches from -1 to 1"),
    ("fovy", FOVY, "its field of view from top to bottom, degrees"),
)
MAX_MESSAGE = 300  # characters: what was typed may be a file
EPILOG = "Built-in priors replay a known puppet: they test the machinery and move any cut-out, they do not imagine."


class Parser(argparse.ArgumentParser):
    """A parser that knows options by their whole names only, and refuses others in one sentence: exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)  # --steps 10 must not mean --steps-scale 10

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; name the option that an unknown one resembles."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            similar = get_close_matches(unknown[0], self._option_string_actions, n=1)
            self.error(f"unknown: {' '.join(unknown)}" + (f"; did you mean {similar[0]}" if similar else ""))
        if getattr(options, "image", "") is None and getattr(options, "no_reference", None) is False:
            self.error("--image is required, unless --no-reference makes the scene of the prompt alone")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, without the list of all options, and where they are explained."""
        self.exit(2, f"error: {shorten(message, MAX_MESSAGE)}. Options: {self.prog} --help\n")


def parser() -> Parser:
    """All commands and their options."""
    top = Parser(
        prog="python -m a124core", description="From a picture and a sentence to a moving 3D scene.", epilog=EPILOG
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    _demo(
        commands.add_parser("demo", help="a built-in subject from its picture to a moving scene, in minutes on a CPU")
    )
    _animate(commands.add_parser("animate", help="animate a picture of your own"))
    _prior_check(commands.add_parser("prior-check", help="what each prior makes of a picture, before hours are spent"))
    _render(commands.add_parser("render", help="a video of a saved field from chosen cameras: a quick look"))
    add_export_args(commands.add_parser("export", help="a saved field as videos, images and meshes for other programs"))
    _info(commands.add_parser("info", help="describe a saved field or snapshot"))
    add_evaluate_args(commands.add_parser("evaluate", help="the paper's metrics and those without CLIP, as a table"))
    _ablate(commands.add_parser("ablate", help="the paper's ablations on built-in scenes, as a table"))
    _benchmark(commands.add_parser("benchmark", help="folders of pictures through the compared systems, with tables, "
                                   "contact sheets and a page for votes"))
    add_invert_args(commands.add_parser("invert", help="learn a word for the picture's subject, on Stable Diffusion"))
    add_dreambooth_args(commands.add_parser("dreambooth", help="learn the picture's subject as a LoRA of Stable "
                                            "Diffusion"))
    return top


def _demo(p: argparse.ArgumentParser) -> None:
    p.add_argument("--subject", choices=SUBJECTS, default="robot", help="who moves (%(default)s)")
    p.add_argument("--motion", choices=MOTIONS, default="sway", help="how it moves (%(default)s)")
    _manner_options(p)
    p.add_argument("--out", type=Path, default=Path("output/demo"), help="folder for the results (%(default)s)")
    p.add_argument("--preset", choices=("demo", "good"), default="demo",
                   help="the recipe: good has larger images and more steps, ten minutes or so (%(default)s)")
    _run_options(p)


def _animate(p: argparse.ArgumentParser) -> None:
    _scene_options(p)
    _run_options(p)
    add_calibrate_arg(p)
    compare = p.add_argument_group("for comparisons with the paper")
    compare.add_argument("--sampling", choices=("balanced", "random", "never-zero"), help="how the times of "
                         "a clip are drawn: balanced, as in the paper; the others are for comparison (the preset's)")
    add_reference_arg(compare)
    compare.add_argument("--no-reference", action="store_true", help="no stage is compared with the picture and no "
                         "prior of other views looks at it, as in text-to-4D; --image is then only what built-in "
                         "priors draw, and may be left out where the prompt names one of their subjects")
    compare.add_argument("--no-image-prior", action="store_true", help="leave out the prior that guides single images "
                         "by the prompt (Zero-1-to-3-V)")
    compare.add_argument("--no-moving-view-prior", action="store_true", help="the prior that guides the other views "
                         "does so in the static stage alone (Zero-1-to-3-V)")
    compare.add_argument("--no-motion-words", action="store_true", help="all prompts end before their verb: 'a panda "
                         "is dancing' becomes 'a panda' (image-to-4D)")
    compare.add_argument("--condition", choices=CONDITIONS, help="what the refinement prior repairs: the "
                         "scene as the coarse stage left it, as in the paper, or as it is now (the preset's)")


def _prior_check(p: argparse.ArgumentParser) -> None:
    _scene_options(p)
    add_prior_check_args(p)


def _scene_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--image", type=Path, help="picture of the subject: PNG, JPEG, WebP, GIF, TIFF ...")
    p.add_argument("--mask", type=Path, help="where the subject is; needed unless the picture has transparency or an "
                   "even background")
    p.add_argument("--depth", type=Path, help="depth map, near = bright")
    p.add_argument("--prompt", help='what moves and how: "a panda is dancing"; not needed with --clip and '
                   "--model or --images, which show it")
    p.add_argument("--motion", choices=(FROM_PROMPT, *MOTIONS), default=FROM_PROMPT, help="overrules the prompt")
    _manner_options(p)
    p.add_argument("--out", type=Path, help="folder for the results; only --estimate needs none")
    add_priors_arg(p)
    p.add_argument("--model", type=Path, metavar="FILE", help="a 3D model of the subject, aligned to the picture: "
                   "built-in motions move it, and with --clip it guides all other views; .glb, .obj, .ply (mesh or "
                   "Gaussians), .splat, .spz, or a folder with one file for each time, which moves by itself (with "
                   "--priors builtin)")
    p.add_argument("--model-up", choices=(*UPWARDS, ANY_UP), default="y", help="the axis that is up in its "
                   "file; auto: the one with which it fits the picture best (%(default)s)")
    p.add_argument("--clip", type=Path, nargs="+", metavar="FILE", help="a clip that drives the motion, or one of "
                   "each of several cameras: a film, an animated picture, or a folder of frames, with transparency or "
                   "an even background (with --priors builtin)")
    p.add_argument("--clip-cameras", type=Path, metavar="JSON", help="where the clips were filmed from: "
                   "transforms.json or a list of camera keys, one for each clip, or one for each frame of a camera "
                   "that moves (the picture's camera)")
    p.add_argument("--images", type=Path, metavar="FOLDER", help="pictures of the subject at rest from all around, in "
                   "place of a 3D model, with transparency or an even background; needs --images-cameras (with "
                   "--priors builtin)")
    p.add_argument("--images-cameras", type=Path, metavar="JSON", help="where these pictures were taken from: "
                   "transforms.json, by the names of the pictures if it lists them all, or a list of camera keys, one "
                   "for each picture, in the order of their names")
    p.add_argument("--mask-marks", choices=MASK_MARKS, default="auto", help="what white means in the mask")
    p.add_argument("--recentre", action="store_true", help="frame the subject in the middle")
    for name, value, meaning in CAMERA:
        p.add_argument(f"--{name}", type=float, default=value, help=meaning if value is None else
                       f"{meaning} (%(default)g)")
    add_preset_arg(p)
    p.add_argument("--skip", choices=("coarse", "fine"), action="append", default=[], help="leave a stage out")
    p.add_argument("--no-view-prior", action="store_true", help="leave out the prior that guides the other views")
    p.add_argument("--refine", choices=REFINES, default="tile", help="what repairs the details in the fine stage: "
                   "tile; upscale, which never saw the picture (the paper's counter-example); naive: the learned word "
                   "alone (diffusers folders only); or none (%(default)s)")
    add_model_args(p)


def _manner_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--strength", type=float, default=AS_USUAL.strength, help=f"how far the built-in motion goes: 0 "
                   f"stands still, {MAX_STRENGTH:g} is twice as far (%(default)g)")
    p.add_argument("--speed", type=int, default=AS_USUAL.speed, help=f"how often the film does the built-in motion, 1 "
                   f"to {MAX_SPEED} times; above 2 a preset of few time grids blurs it (%(default)s)")


def _run_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--seed", type=int, default=0, help="same seed, threads and backend: same result")
    add_steps_arg(p)
    p.add_argument("--backbone", choices=BACKBONES, default=BACKBONES[0], help="what holds the scene's features: 4D "
                   "grid, the paper's; for comparison HexPlane, six planes of space and time, or tiny-cuda-nn, the "
                   "grid of that package (%(default)s)")
    p.add_argument("--resume", action="store_true", help="continue the interrupted run in the output folder")
    add_machine_args(p)
    p.add_argument("--estimate", action="store_true", help="only try a few steps of each stage and say how long a run "
                   "would take and how much memory; nothing is written")
    p.add_argument("--quiet", action="store_true", help="no progress bar")


def _render(p: argparse.ArgumentParser) -> None:
    p.add_argument("field", type=Path, help="field.safetensors")
    p.add_argument("--out", type=Path, required=True, help="video (.mp4, .webm, .gif, .webp), or a folder for PNG "
                   "frames, masks, depth, normals and transforms.json")
    add_camera_args(p)
    add_film_args(p)


def _info(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", type=Path, help="a field or a snapshot (.safetensors), or the folder of a finished run")


def _ablate(p: argparse.ArgumentParser) -> None:
    p.add_argument("--out", type=Path, default=Path("output/ablate"), help="folder for the tables (%(default)s)")
    p.add_argument("--scenes", nargs="+", metavar="SUBJECT:MOTION", default=["panda:wave", "rocket:fly", "duck:spin"],
                   help="built-in subjects and how they move (panda:wave rocket:fly duck:spin)")
    p.add_argument("--seeds", nargs="+", type=int, default=[0, 1], help="each scene is made once with each (0 1)")
    p.add_argument("--steps-scale", type=float, default=0.25, help="shorter than a demo: many runs (%(default)s)")
    p.add_argument("--jobs", type=int, default=0, help="runs side by side, each on its share of the cores; "
                   "0: one a core, which is quickest (%(default)s)")


def _benchmark(p: argparse.ArgumentParser) -> None:
    variants = "; ".join(f"{variant.name}: {variant.meaning}" for variant in VARIANTS)
    p.description = "Run again with the same options, it goes on where it ended; finished runs are kept."
    p.epilog = f"Variants are {variants}."
    p.add_argument("folder", type=Path, help="NAME/image.jpg for each scene, where there are any with rgba.png, "
                   "depth.png, learned_embeds.bin, clip and model; and captions.json")
    p.add_argument("--captions", type=Path, metavar="JSON", help='{"NAME": "a panda is dancing"} (captions.json of the '
                   "folder)")
    p.add_argument("--out", type=Path, default=Path("output/benchmark"), help="folder for the results (%(default)s)")
    p.add_argument("--scenes", nargs="+", metavar="NAME", help="only these (all)")
    p.add_argument("--variants", nargs="+", metavar="NAME", help="what is compared, the first with all others "
                   f"({' '.join(TABLE_2)})", default=list(TABLE_2))
    p.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="each scene is made once with each: "
                   "intervals are over them (0 1 2)")
    p.add_argument("--workers", type=int, default=1, help="runs side by side on this machine; more than one need the "
                   "package ray (%(default)s)")
    p.add_argument("--address", metavar="HOST:PORT", help="run on this Ray cluster (auto: this machine's), as many at "
                   "once as it has room for; its machines read the pictures and write the results under the same paths "
                   "as this one")
    p.add_argument("--threads", type=int, default=0, help="processor threads of each run; 0: a share of the cores "
                   "(%(default)s)")
    p.add_argument("--quiet", action="store_true", help="one line for each run, no progress bar")
    add_recipe_args(p)
