"""`invert`: textual inversion of the subject on a Stable Diffusion folder."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..inversion.config import TokenConfig
from ..inversion.learn import learn_token
from ..priors.diffusers.inversion import load_inversion_model
from ..priors.diffusers.offload import offload_policy
from ..priors.latents import check_image_size
from ..reference.read_image import read_image
from ..runs.store import TOKEN_FORMAT
from ..utils.text import count_noun
from .folder import refuse_overwriting, used_folder
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


def add_invert_args(p: argparse.ArgumentParser) -> None:
    """The release's script: 3,000 steps of 16 crops at 512 pixels, learning rate 1e-4."""
    default = TokenConfig()
    p.add_argument("--image", type=Path, required=True, help="picture of the subject, with its background as released")
    p.add_argument("--image-model", type=Path, required=True, metavar="DIR", help="a Stable Diffusion folder")
    p.add_argument("--word", required=True, help="the kind of thing, in one plain word, as which it begins")
    p.add_argument("--out", type=Path, required=True, help=f"file for the word, NAME{SUFFIX}; prompts write <token>")
    p.add_argument("--steps", type=int, default=default.steps, help="steps of learning (%(default)s)")
    p.add_argument("--batch", type=int, default=default.batch, help="crops of a step (%(default)s)")
    p.add_argument("--chunk", type=int, default=2, help="crops that pass through the model at once; less needs less "
                   "memory, the result is the same (%(default)s)")
    p.add_argument("--rate", type=float, default=default.lr, help="learning rate (%(default)s)")
    p.add_argument("--size", type=int, default=default.size, help="pixels a side (%(default)s)")
    p.add_argument("--seed", type=int, default=0, help="same seed, threads and backend: same word")
    add_learning_args(p)


def add_learning_args(p: argparse.ArgumentParser) -> None:
    """Add what says where and how learning runs, not what is learned."""
    p.add_argument("--resume", action="store_true", help="continue the interrupted run beside --out")
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu")
    p.add_argument("--quiet", action="store_true", help="no progress bar")


def invert(args: Any) -> None:
    """Check everything before the first step, then learn; Ctrl-C keeps the last step."""
    check_suffix(args.out, "embedding")
    if len(args.word.split()) > 1:
        raise ValueError(f"--word is {args.word!r}: one plain word is needed, such as fox.")
    check_image_size(args.size)
    refuse_overwriting(args.image, args.out, preview := preview_file(args.out))
    config = TokenConfig(steps=args.steps, batch=args.batch, chunk=args.chunk, lr=args.rate, size=args.size)
    with used_folder(args.out.parent, say, args.out):
        image, _, _ = read_image(args.image)
        policy = offload_policy("full", available_device(args.device))
        store = progress_store(args.out, TOKEN_FORMAT)
        snapshot = resumed_snapshot(store, args.resume)
        with interrupted_if(snapshot_file(store).is_file):
            say("Reading the model ...")
            model = load_inversion_model(args.image_model, args.word.strip(), policy)
            work = f"{count_noun(config.steps, 'step')} of {count_noun(config.batch, 'crop')}, {config.chunk} at once"
            for line in memory_lines(f"invert: {work}", model.weight_bytes(), policy.device):
                say(line)
            with step_bar("invert", 0 if snapshot is None else snapshot.step, config.steps, args.quiet) as bar:
                progress, advice = LearnProgress(bar, preview), partial(less_memory, config.chunk)
                run = partial(learn_token, image, model, config)
                embedding = learn(run, args.seed, progress, store, snapshot, advice)
            notes = {"made_by": "animate124", "init_word": args.word.strip(), "steps": str(config.steps)}
            finish(store, args.out, embedding, notes, "embedding")
    size = f"{count_noun(len(embedding), 'vector')} of {embedding.shape[1]} numbers"
    print(f"Written: {args.out}, {size}. Use it: animate --priors diffusers --token {args.out} --refine-prompt "
          "'a <token> is dancing'")


def less_memory(chunk: int, resumable: bool) -> str:
    """Say what to do when memory ran out."""
    advice = f"--chunk 1{' --resume' if resumable else ''}" if chunk != 1 else "a smaller --size and another --out"
    return f"learning the word is out of memory: start it again with {advice}."
