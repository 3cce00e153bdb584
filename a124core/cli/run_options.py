"""What the options of `demo` and `animate` mean: the options of a run, with its picture read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..cameras.rig import reference_camera
from ..field.hexplane import default_azimuth
from ..priors.builtin import Manner, example_image, without_motion
from ..reference.read_image import read_depth, read_image, read_mask
from ..reference.reference import Reference, make_reference
from ..utils.validate import checked_prompt
from .args import parser
from .folder import refuse_overwriting
from .machine import available_device
from .models import Models, models_from_args
from .outputs import IMAGES
from .prepare import RunOptions
from .unused_options import unused_options

DEMO_SIZE = 512  # pixels of the built-in picture


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
    prompt, models = _prompt(options), models_from_args(options)
    if options.no_motion_words:
        prompt, models = still_prompts(prompt, models)
        print(f"The prompt without its motion: {prompt!r}.", flush=True)
    for source in (options.image, options.mask, options.depth) if options.out is not None else ():
        refuse_overwriting(source, *(options.out / name for name in IMAGES))
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
        **method_options(options),
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
        reference_source=_file_digests(options),
    )


def method_options(options: object) -> dict[str, Any]:
    """Return which parts of the method are left out or changed: what the compared systems differ in."""
    return {
        "skip": tuple(sorted(set(options.skip))),
        "with_reference": not options.no_reference,
        "with_image": not options.no_image_prior,
        "with_view": not (options.no_view_prior or options.no_reference),
        "view_when_moving": not options.no_moving_view_prior,
        "refine": options.refine,
        "sampling": options.sampling,
        "reference_mode": options.reference_mode,
        "condition": options.condition,
        "backbone": options.backbone,
    }


def changed_options(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the same of some options of `animate` alone."""
    return method_options(parser().parse_args(["animate", "--image=", *arguments]))


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


def still_prompts(prompt: str, models: Models | None) -> tuple[str, Models | None]:
    """Return the prompts of a run without their motion: the object's name is left."""
    if models is not None:
        texts = {name: getattr(models, name) for name in ("static_prompt", "refine_prompt")}
        models = replace(models, **{name: text and without_motion(text) for name, text in texts.items()})
    return without_motion(prompt), models


def read_reference(options: object) -> Reference | None:
    """Picture, mask and depth files to a reference whose note also says what reading converted; None without any. One
    that supervises nothing is what built-in priors draw: it has the usual camera, as the stages then have."""
    if options.image is None:
        if options.mask or options.depth:
            raise ValueError("--mask and --depth came without --image: add the picture that they belong to.")
        return None
    image, alpha, note = read_image(options.image)
    mask, mask_note = read_mask(options.mask) if options.mask else (None, "")
    depth, depth_note = read_depth(options.depth) if options.depth else (None, "")
    azimuth = default_azimuth(options.backbone) if options.azimuth is None else options.azimuth
    camera = reference_camera(options.elevation, azimuth, options.radius, options.fovy)
    camera = reference_camera() if options.no_reference else camera
    reference = make_reference(image, mask, alpha, depth, options.mask_marks, options.recentre, camera)
    labelled = (("Picture", note), ("Mask", mask_note), ("Depth", depth_note))
    notes = [f"{name}: {text}" for name, text in labelled if text]
    return replace(reference, note=" ".join([reference.note, *(f"{text}." for text in notes)]))


def _file_digests(options: object) -> str:
    """Name the picture's files by their content, and how they are read."""
    paths = {"image": options.image, "mask": options.mask, "depth": options.depth}
    hashes = [f"{name} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}" for name, path in paths.items() if path]
    return ", ".join([*hashes, f"mask marks {options.mask_marks}", f"recentre {options.recentre}"])
