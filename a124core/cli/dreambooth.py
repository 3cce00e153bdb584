"""`dreambooth`: a LoRA of a Stable Diffusion folder that knows the subject."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..cameras.rig import reference_camera
from ..dreambooth.config import DreamBoothConfig
from ..dreambooth.learn import learn_lora
from ..dreambooth.subject import SubjectImages, cut_out, subject_of, with_renderings
from ..export.checkpoint import load_field
from ..priors.diffusers.dreambooth import load_lora_model
from ..priors.diffusers.offload import offload_policy
from ..priors.latents import check_image_size
from ..reference.read_image import read_image, read_mask
from ..reference.reference import make_reference
from ..reference.segment import MASK_MARKS
from ..runs.store import LORA_FORMAT
from ..utils.text import count_noun
from .camera_args import progress_bar
from .folder import refuse_overwriting, used_folder
from .invert import add_learning_args
from .learning import (
    SUFFIX,
    LearnProgress,
    check_suffix,
    finish,
    learn,
    memory_lines,
    preview_file,
    progress_store,
    resumed_snapshot,
    say,
    snapshot_file,
)
from .machine import available_device
from .progress import interrupted_if, step_bar

VIEWS = 8  # renderings of a field


def add_dreambooth_args(p: argparse.ArgumentParser) -> None:
    """diffusers' script for DreamBooth with a LoRA: 500 steps at 512 pixels, rank 4, learning rate 1e-4."""
    default = DreamBoothConfig("sks", class_weight=0.0)
    p.add_argument("--image", type=Path, required=True, help="picture of the subject; it is cut out")
    p.add_argument("--mask", type=Path, help="a mask for the picture, if its background is not plain")
    p.add_argument("--mask-marks", choices=MASK_MARKS, default="auto", help="what white means in the mask")
    p.add_argument("--field", type=Path, metavar="FILE", help="a saved static scene, whose renderings from around are "
                   "learned beside the picture")
    p.add_argument("--views", type=int, default=VIEWS, help="its renderings (%(default)s)")
    p.add_argument("--strength", type=float, default=default.strength, help="how much noise the model repairs in them, "
                   "as a share of its schedule; 0: none (%(default)s)")
    p.add_argument("--image-model", type=Path, required=True, metavar="DIR", help="a Stable Diffusion folder")
    p.add_argument("--instance-prompt", required=True, help="the subject with a rare word: 'a photo of sks robot'")
    p.add_argument("--class-prompt", default="", help="its kind without that word: 'a photo of a robot'")
    p.add_argument("--class-weight", type=float, default=1.0, help="weight of prior preservation; 0: none "
                   "(%(default)s)")
    p.add_argument("--class-images", type=int, default=default.class_images, help="images of the class that the model "
                   "makes before it learns (%(default)s)")
    p.add_argument("--out", type=Path, required=True, help=f"file for the LoRA, NAME{SUFFIX}")
    p.add_argument("--rank", type=int, default=default.rank, help="rows of each of its matrices (%(default)s)")
    p.add_argument("--steps", type=int, default=default.steps, help="steps of learning (%(default)s)")
    p.add_argument("--batch", type=int, default=default.batch, help="images of the subject in a step, and as many of "
                   "the class (%(default)s)")
    p.add_argument("--chunk", type=int, default=2, help="images that pass through the model at once; less needs less "
                   "memory, the result is the same (%(default)s)")
    p.add_argument("--rate", type=float, default=default.lr, help="learning rate (%(default)s)")
    p.add_argument("--size", type=int, default=default.size, help="pixels a side (%(default)s)")
    p.add_argument("--seed", type=int, default=0, help="same seed, threads and backend: same LoRA")
    add_learning_args(p)


def dreambooth(args: Any) -> None:
    """Check everything before the first step, then learn; Ctrl-C keeps the last step."""
    check_suffix(args.out, "LoRA")
    check_image_size(args.size)
    for source in (args.image, args.mask, args.field):
        refuse_overwriting(source, args.out, preview := preview_file(args.out))
    config = DreamBoothConfig(
        args.instance_prompt, args.class_prompt, args.steps, args.rank, args.batch, args.chunk, args.rate,
        class_weight=args.class_weight, class_images=args.class_images, size=args.size, strength=args.strength,
    )
    if args.field is not None and config.strength > 0:
        config.check_class_prompt("repairing renderings")
    with used_folder(args.out.parent, say, args.out):
        policy = offload_policy("full", available_device(args.device))
        store = progress_store(args.out, LORA_FORMAT)
        snapshot = resumed_snapshot(store, args.resume)
        with interrupted_if(snapshot_file(store).is_file):
            subject = _subject(args, policy.device)
            say("Reading the model ...")
            model = load_lora_model(args.image_model, config.rank, policy)
            for line in memory_lines(_work(config, len(subject.images)), model.weight_bytes(), policy.device):
                say(line)
            with step_bar("dreambooth", 0 if snapshot is None else snapshot.step, config.steps, args.quiet) as bar:
                progress, advice = LearnProgress(bar, preview), partial(less_memory, config.chunk)
                run = partial(learn_lora, subject, model, config, on_progress=progress.on_images)
                lora = learn(run, args.seed, progress, store, snapshot, advice)
            notes = {"made_by": "animate124", "instance_prompt": config.instance_prompt, "steps": str(config.steps)}
            finish(store, args.out, lora, notes, "LoRA")
    print(f"Written: {args.out}, rank {config.rank}. Use it: animate --priors diffusers --lora {args.out} "
          f"--refine-prompt '{config.instance_prompt} is dancing', or ComfyUI's Load LoRA.")


def _subject(args: Any, device: str) -> SubjectImages:
    """Return the picture's cut-out and, of a field, its renderings."""
    field = None if args.field is None else load_field(args.field)
    image, alpha, _ = read_image(args.image)
    mask, _ = read_mask(args.mask) if args.mask else (None, "")
    camera = reference_camera() if field is None else reference_camera(azimuth=field.front)
    reference = make_reference(image, mask, alpha, mask_marks=args.mask_marks, camera=camera)
    say(reference.note)
    subject = subject_of(cut_out(reference), args.size)
    if field is None:
        return subject
    if args.views < 1:
        raise ValueError(f"--views is {args.views}: at least 1 is needed, or leave out --field.")
    with progress_bar("render", args.views) as on_progress:
        return with_renderings(subject, field, reference, args.views, device, on_progress)


def _work(config: DreamBoothConfig, images: int) -> str:
    made = f" and {count_noun(config.class_images, 'class image')}" if config.class_weight > 0 else ""
    learned = f"{count_noun(images, 'image')} of the subject{made}"
    return f"dreambooth: {count_noun(config.steps, 'step')} with {learned}, {config.chunk or 'all'} at once"


def less_memory(chunk: int, resumable: bool) -> str:
    """Say what to do when memory ran out."""
    advice = f"--chunk 1{' --resume' if resumable else ''}" if chunk != 1 else "a smaller --size and another --out"
    return f"learning the LoRA is out of memory: start it again with {advice}."
