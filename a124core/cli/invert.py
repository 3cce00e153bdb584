"""`invert`: a new word for the picture's subject, learned on a Stable Diffusion folder."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from ..export.embedding import load_progress, save_progress, write_embedding
from ..export.images.sheets import side_by_side, write_image
from ..inversion.config import TokenConfig
from ..inversion.learn import TokenSnapshot, TokenStep, learn_token
from ..priors.diffusers.inversion import FolderInversionModel, load_inversion_model
from ..priors.diffusers.offload import OffloadPolicy, offload_policy
from ..protocols import Run
from ..reference.read_image import read_image
from ..runs.memory import MemoryEstimate, shortfall
from ..utils.device import is_out_of_memory
from ..utils.text import count_noun
from .folder import created_folder
from .machine import available_device
from .prepare import check_writable
from .progress import Interrupted, advance, interrupted_if, interruptible, step_bar

SAVE_SECONDS, SHOW_SECONDS = 120.0, 10.0
SUFFIX = ".safetensors"


def invert_options(p: argparse.ArgumentParser) -> None:
    """The release's script: 3,000 steps of 16 crops at 512 pixels, learning rate 1e-4."""
    default = TokenConfig()
    p.add_argument("--image", type=Path, required=True, help="picture of the subject, with its background as released")
    p.add_argument("--image-model", type=Path, required=True, metavar="DIR", help="a Stable Diffusion folder")
    p.add_argument("--word", required=True, help="the kind of thing, in one plain word, as which it begins")
    p.add_argument("--out", type=Path, required=True, help=f"file for the word, NAME{SUFFIX}; prompts write <token>")
    p.add_argument("--steps", type=int, default=default.steps, help="steps of learning (%(default)s)")
    p.add_argument("--batch", type=int, default=default.batch, help="crops a step looks at (%(default)s)")
    p.add_argument("--chunk", type=int, default=2, help="crops that pass through the model at once; less needs less "
                   "memory, the result is the same (%(default)s)")  # fmt: skip
    p.add_argument("--rate", type=float, default=default.lr, help="learning rate (%(default)s)")
    p.add_argument("--size", type=int, default=default.size, help="pixels a side (%(default)s)")
    p.add_argument("--seed", type=int, default=0, help="same seed, same word")
    p.add_argument("--resume", action="store_true", help="continue the interrupted run beside --out")
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu")
    p.add_argument("--quiet", action="store_true", help="no progress bar")


def invert(options: Any) -> None:
    """Everything is looked at before the first step; Ctrl-C keeps the last one."""
    if options.out.suffix != SUFFIX:
        raise ValueError(f"--out is {options.out}: the word's file must end in {SUFFIX}.")
    if len(options.word.split()) > 1:
        raise ValueError(f"--word is {options.word!r}: one plain word is needed, such as fox.")
    config = TokenConfig(
        steps=options.steps, batch=options.batch, chunk=options.chunk, lr=options.rate, size=options.size
    )
    picture, _, _ = read_image(options.image)
    policy = offload_policy("full", available_device(options.device))
    with created_folder(options.out.parent):
        check_writable(options.out.parent)
        keep = Progress(options.out)
        start = keep.begin(options.resume)
        with interrupted_if(keep.state.is_file):
            _invert(picture, config, policy, keep, start, options)


def _invert(
    picture: Tensor,
    config: TokenConfig,
    policy: OffloadPolicy,
    keep: Progress,
    start: TokenSnapshot | None,
    options: Any,
) -> None:
    """From reading the model to the word's file."""
    print("Reading the model ...", flush=True)
    made = load_inversion_model(options.image_model, options.word.strip(), policy)
    for line in announced(made, config):
        print(line, flush=True)
    with following(config.steps, 0 if start is None else start.step, keep, options.quiet) as watch:
        word = _learned(picture, made, config, options.seed, watch, start)
    keep.finish(word, {"init_word": options.word.strip(), "steps": str(config.steps)})
    size = f"{count_noun(len(word), 'vector')} of {word.shape[1]} numbers"
    print(f"Written: {options.out}, {size}. Use it: animate --priors diffusers --token {options.out} --refine-prompt "
          "'a <token> is dancing'")  # fmt: skip


def announced(made: FolderInversionModel, config: TokenConfig) -> list[str]:
    """Steps and counted memory, as of a stage; a second line if that is more than there is. The word itself, its
    gradient and its moments are some kilobytes."""
    needs = MemoryEstimate(field=0, beside=0, networks=made.weight_bytes(), passing=0)
    device = made.policy.device
    lack = shortfall(needs, device, "choose a smaller model or another --device")
    work = f"{count_noun(config.steps, 'step')} of {count_noun(config.batch, 'crop')}, {config.chunk} at once"
    return [line for line in (f"invert: {work}, {needs.line()}.", lack) if line is not None]


def _learned(
    picture: Tensor,
    made: FolderInversionModel,
    config: TokenConfig,
    seed: int,
    watch: Watch,
    start: TokenSnapshot | None,
) -> Tensor:  # (n, d)
    """The word; whatever ends the learning early, its last whole step is kept."""
    try:
        return learn_token(picture, made, config, Run(seed, on_step=watch, resume=start))
    except BaseException as error:
        watch.keep_last()
        if not is_out_of_memory(error):
            raise
        raise RuntimeError(less_memory(config.chunk, watch.last is not None or start is not None)) from error


def less_memory(chunk: int, resumable: bool) -> str:
    """What to do when memory ran out."""
    advice = f"--chunk 1{' --resume' if resumable else ''}" if chunk != 1 else "a smaller --size and another --out"
    return f"learning the word is out of memory: start it again with {advice}."


class Progress:
    """The word's file, where its learning stands, and a picture of it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.state, self.picture = (out.with_name(f"{out.stem}.{end}") for end in ("progress", "preview.png"))

    def begin(self, resume: bool) -> TokenSnapshot | None:
        """What an interrupted run left is either continued or left alone."""
        if resume and not self.state.is_file():
            raise ValueError(f"{self.state} is not there, so nothing was interrupted: leave out --resume.")
        if not resume and self.state.is_file():
            raise ValueError(
                f"an interrupted run is kept in {self.state}: add --resume to continue it, delete the file to begin "
                "again, or choose another --out."
            )
        return TokenSnapshot(*load_progress(self.state)) if resume else None

    def save(self, step: TokenStep) -> None:
        found = step.snapshot()
        save_progress(self.state, found.tensors, found.meta)

    def show(self, step: TokenStep) -> None:
        write_image(self.picture, side_by_side(*step.preview().split(1)))

    def finish(self, word: Tensor, about: dict[str, str]) -> None:
        write_embedding(self.out, word, {"made_by": "animate124", **about})
        self.state.unlink(missing_ok=True)


class Watch:
    """Bar, preview, snapshots; a Ctrl-C is answered after the step."""

    def __init__(self, keep: Progress, bar: tqdm) -> None:
        self.keep, self.bar, self.stop = keep, bar, False
        self.last: TokenStep | None = None
        self.saved = self.shown = time.monotonic()

    def __call__(self, step: TokenStep) -> None:
        self.last = step
        self.bar.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
        advance(self.bar)
        if self.stop:
            raise Interrupted("after this step")
        now = time.monotonic()
        if now - self.saved > SAVE_SECONDS and step.step < step.steps:
            self.keep.save(step)
            self.saved = now
        if now - self.shown > SHOW_SECONDS or step.step == step.steps:
            self.keep.show(step)
            self.shown = now

    def keep_last(self) -> None:
        if self.last is not None:
            self.keep.save(self.last)


@contextmanager
def following(steps: int, done: int, keep: Progress, quiet: bool) -> Iterator[Watch]:
    """The first Ctrl-C asks to stop after this step, the second stops at once."""
    with step_bar("invert", done, steps, quiet) as bar:
        watch = Watch(keep, bar)
        with interruptible(watch):
            yield watch
