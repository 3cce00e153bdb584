"""Dispatch of commands, and exit codes: 0 done, 2 bad input (one sentence), 1 a run that failed, 130 interrupted."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..cameras.rig import reference_camera
from ..field.hexplane import default_azimuth
from ..priors.builtin import Manner, example_image
from ..reference.read_image import read_depth, read_image, read_mask
from ..reference.reference import Reference, make_reference
from ..utils.device import keep_freed_pages
from ..utils.text import first_line, shorten
from ..utils.validate import checked_prompt
from .ablate import ablate
from .args import parser
from .console import check_options, print_anything, was_printed
from .estimate import estimate
from .evaluate import evaluate_scenes
from .export import export_file
from .folder import RunFolder, refuse_overwriting, used_folder
from .info import describe
from .invert import invert
from .machine import available_device
from .models import models_from_args
from .outputs import IMAGES
from .prepare import RunOptions
from .prior_check import prior_check
from .progress import Interrupted
from .render import render_file
from .report import summary
from .run import run_pipeline
from .unused_options import unused_options

DEMO_SIZE = 512  # pixels of the built-in picture
MAX_ERROR = 600  # characters of a message's line: a path in it may have thousands
WRITE_AT_ONCE = ("render", "export", "ablate", "prior-check")  # commands whose files appear when all is done


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    print_anything()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(arguments)
    command: Callable[..., None] = COMMANDS[options.command]
    keep_freed_pages()
    try:
        check_options(options)
        command(options)
    except Interrupted as stopped:
        print(f"Stopped {stopped}. To continue: {_resume_line(arguments)}")
        return 130
    except KeyboardInterrupt:
        if getattr(options, "estimate", False):
            print("Stopped: nothing was written.", file=sys.stderr)
        elif hasattr(options, "resume"):
            print("Stopped: nothing was kept, earlier files are as they were.", file=sys.stderr)
        elif options.command in WRITE_AT_ONCE:
            print("Stopped: nothing was written, earlier files are kept.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        return _failed(error, 2)
    except RuntimeError as error:
        return _failed(error, 1)
    except MemoryError as error:
        return _failed(RuntimeError(f"the memory is full ({first_line(error)}): close other programs and retry."), 1)
    only_prints = options.command == "info" or getattr(options, "estimate", False)
    return 0 if was_printed() or not only_prints else 2


def _resume_line(arguments: list[str]) -> str:
    """The same command, with the Python that runs it."""
    again = [a for a in arguments if a != "--resume"] + ["--resume"]
    python = sys.executable if os.name == "nt" else os.path.relpath(sys.executable)  # other drives have no way there
    return shlex.join([python, "-m", "a124core", *again])


def _failed(error: Exception, code: int) -> int:
    """One sentence; the whole story with A124_TRACEBACK=1."""
    if os.environ.get("A124_TRACEBACK"):
        raise error
    reason = getattr(error, "strerror", None)  # the system's, which nobody has put into a sentence
    named = f"{getattr(error, 'filename', None) or 'a file'} cannot be used ({reason}): check it and its disk."
    sentence = named if reason else str(error)
    lines = (shorten(line, MAX_ERROR) for line in sentence.split("\n"))  # lists of models have several
    print("error:", "\n".join(lines), file=sys.stderr)
    return code


def demo_run(options: object) -> RunOptions:
    """A built-in subject, from its photograph."""
    image, mask = example_image(options.subject, DEMO_SIZE)
    return RunOptions(
        make_reference(
            image, mask, mask_marks="subject", camera=reference_camera(azimuth=default_azimuth(options.backbone))
        ),
        f"a {options.subject}, {options.motion}",
        options.motion,
        options.subject,
        options.seed,
        options.preset,
        options.steps_scale,
        memory=options.memory,
        device=available_device(options.device),
        manner=Manner(options.strength, options.speed),
        backbone=options.backbone,
        reference_source=f"example {options.subject}, {DEMO_SIZE} pixels",
    )


def animate_run(options: object) -> RunOptions:
    """A picture of the user's own."""
    prompt = _prompt(options)
    for source in (options.image, options.mask, options.depth) if options.out is not None else ():
        refuse_overwriting(source, *(options.out / name for name in IMAGES))
    models = models_from_args(options)
    if note := unused_options(options):
        print(note, flush=True)
    return RunOptions(
        reference=read_reference(options),
        prompt=prompt,
        motion=options.motion,
        manner=Manner(options.strength, options.speed),
        seed=options.seed,
        preset=options.preset,
        steps_scale=options.steps_scale,
        skip=tuple(sorted(set(options.skip))),
        with_view=not options.no_view_prior,
        refine=options.refine,
        sampling=options.sampling,
        reference_mode=options.reference_mode,
        condition=options.condition,
        calibrate=options.calibrate,
        memory=options.memory,
        device=available_device(options.device),
        models=models,
        model=options.model,
        model_up=options.model_up,
        clips=tuple(options.clip or ()),
        clip_cameras=options.clip_cameras,
        images=options.images,
        images_cameras=options.images_cameras,
        backbone=options.backbone,
        reference_source=_file_digests(options),
    )


def _prompt(options: object) -> str:
    """Return the prompt; empty where none was given and all priors of the run are the user's own."""
    views, details = options.model or options.images, options.refine in ("tile", "none") or "fine" in options.skip
    if options.prompt is None and options.priors == "builtin" and views and options.clip and details:
        return ""
    if options.prompt is None:
        raise ValueError(
            'no prompt came: say what moves and how, for example --prompt "a panda is dancing"; only a run with '
            "--clip and with --model or --images, without --refine upscale, needs none."
        )
    return checked_prompt(options.prompt)


def read_reference(options: object) -> Reference:
    """Picture, mask and depth files to a reference whose note also says what reading converted."""
    image, alpha, note = read_image(options.image)
    mask, mask_note = read_mask(options.mask) if options.mask else (None, "")
    depth, depth_note = read_depth(options.depth) if options.depth else (None, "")
    azimuth = default_azimuth(options.backbone) if options.azimuth is None else options.azimuth
    camera = reference_camera(options.elevation, azimuth, options.radius, options.fovy)
    reference = make_reference(image, mask, alpha, depth, options.mask_marks, options.recentre, camera)
    labelled = (("Picture", note), ("Mask", mask_note), ("Depth", depth_note))
    notes = [f"{name}: {text}" for name, text in labelled if text]
    return replace(reference, note=" ".join([reference.note, *(f"{text}." for text in notes)]))


def _file_digests(options: object) -> str:
    """Name the picture's files by their content, and how they are read."""
    paths = {"image": options.image, "mask": options.mask, "depth": options.depth}
    hashes = [f"{name} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}" for name, path in paths.items() if path]
    return ", ".join([*hashes, f"mask marks {options.mask_marks}", f"recentre {options.recentre}"])


def _run(describe: Callable[[object], RunOptions], options: object) -> None:
    if options.estimate:
        return estimate(describe(options), _say)
    if options.out is None:
        raise ValueError("no folder for the results is named: add --out FOLDER, or --estimate to write nothing.")
    folder = RunFolder(Path(options.out))
    with used_folder(folder.out, _say):
        outcome = run_pipeline(describe(options), folder, options.resume, options.quiet)
        written = folder.publish()
    print(summary(outcome.report))
    print("Written: " + ", ".join(str(path) for path in written))
    video, sheet = folder.out / "result.mp4", folder.out / "contact.png"
    print(f"Look first at {video} (the moving scene) and {sheet} (from three sides).")


def _say(line: str) -> None:
    print(line, flush=True)


def info(options: object) -> None:
    print(describe(options.file))


COMMANDS = {
    "demo": partial(_run, demo_run),
    "animate": partial(_run, animate_run),
    "prior-check": partial(prior_check, animate_run),
    "render": render_file,
    "export": export_file,
    "info": info,
    "evaluate": evaluate_scenes,
    "ablate": ablate,
    "invert": invert,
}
