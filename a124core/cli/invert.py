"""`invert`: textual inversion of the subject on a Stable Diffusion folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from ..export.images.sheets import side_by_side, write_image
from ..inversion.config import TokenConfig
from ..inversion.learn import TokenSnapshot, learn_token
from ..inversion.steps import LearnRun, LearnStep
from ..priors.diffusers.inversion import FolderInversionModel, load_inversion_model
from ..priors.diffusers.offload import offload_policy
from ..priors.latents import check_image_size
from ..reference.read_image import read_image
from ..runs.memory import MemoryEstimate, shortfall
from ..runs.monitor import Intervals, RunMonitor
from ..runs.store import TOKEN_FORMAT, RunStore, save_elsewhere
from ..utils.device import is_out_of_memory
from ..utils.text import count_noun
from .folder import refuse_overwriting, used_folder
from .machine import available_device
from .progress import Interrupted, advance, interrupted_if, interruptible, plain_interrupt_unless, step_bar

INTERVALS = Intervals(preview=10.0, preview_last=True)
SUFFIX = ".safetensors"


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
    p.add_argument("--resume", action="store_true", help="continue the interrupted run beside --out")
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu")
    p.add_argument("--quiet", action="store_true", help="no progress bar")


def invert(args: Any) -> None:
    """Check everything before the first step, then learn; Ctrl-C keeps the last step."""
    if args.out.suffix != SUFFIX:
        raise ValueError(f"--out is {args.out}: the embedding's file must end in {SUFFIX}.")
    if len(args.word.split()) > 1:
        raise ValueError(f"--word is {args.word!r}: one plain word is needed, such as fox.")
    check_image_size(args.size)
    refuse_overwriting(args.image, args.out, preview := args.out.with_name(f"{args.out.stem}.preview.png"))
    config = TokenConfig(steps=args.steps, batch=args.batch, chunk=args.chunk, lr=args.rate, size=args.size)
    with used_folder(args.out.parent, _say, args.out):
        image, _, _ = read_image(args.image)
        policy = offload_policy("full", available_device(args.device))
        state = args.out.with_name(f"{args.out.stem}.progress")
        store = RunStore(args.out.parent, (state.name,), TOKEN_FORMAT)
        snapshot = _resume(store, state, args.resume)
        with interrupted_if(state.is_file):
            print("Reading the model ...", flush=True)
            model = load_inversion_model(args.image_model, args.word.strip(), policy)
            for line in memory_lines(model, config):
                print(line, flush=True)
            with step_bar("invert", 0 if snapshot is None else snapshot.step, config.steps, args.quiet) as bar:
                progress = InversionProgress(bar, preview)
                embedding = _learn(image, model, config, args.seed, progress, store, snapshot)
            notes = {"made_by": "animate124", "init_word": args.word.strip(), "steps": str(config.steps)}
            _finish(store, args.out, embedding, notes)
    size = f"{count_noun(len(embedding), 'vector')} of {embedding.shape[1]} numbers"
    print(f"Written: {args.out}, {size}. Use it: animate --priors diffusers --token {args.out} --refine-prompt "
          "'a <token> is dancing'")


def _say(line: str) -> None:
    print(line, flush=True)


def _finish(store: RunStore, out: Path, embedding: Tensor, notes: dict[str, str]) -> None:
    """Write the embedding; where that fails, into the system's folder for temporary files, and OSError names it."""
    try:
        return store.finish(out.name, embedding, notes)
    except OSError as error:
        place = save_elsewhere(TOKEN_FORMAT, out.name, embedding, notes)
        raise OSError(f"{str(error).rstrip('.')}; the embedding is learned and was saved in {place}.") from error


def _resume(store: RunStore, state: Path, resume: bool) -> TokenSnapshot | None:
    """Continue what an interrupted run left, or leave it alone."""
    if resume and not state.is_file():
        raise ValueError(f"{state} is not there, so nothing was interrupted: leave out --resume.")
    if not resume and state.is_file():
        raise ValueError(
            f"an interrupted run is kept in {state}: add --resume to continue it, delete the file to begin again, or "
            "choose another --out."
        )
    snapshot = store.newest() if resume else None  # of a later release: refused there
    if resume and snapshot is None:
        raise ValueError(f"{state} is damaged: delete it to begin again, without --resume.")
    return snapshot


def memory_lines(model: FolderInversionModel, config: TokenConfig) -> list[str]:
    """Say the steps and the estimated memory; a second line if that is more than there is. The embedding, its gradient
    and its moments are some kilobytes."""
    estimate = MemoryEstimate(field=0, auxiliary=0, networks=model.weight_bytes(), transient=0)
    lack = shortfall(estimate, model.policy.device, "choose a smaller model or another --device")
    work = f"{count_noun(config.steps, 'step')} of {count_noun(config.batch, 'crop')}, {config.chunk} at once"
    return [line for line in (f"invert: {work}, {estimate.line()}.", lack) if line is not None]


def _learn(
    image: Tensor,
    model: FolderInversionModel,
    config: TokenConfig,
    seed: int,
    progress: InversionProgress,
    store: RunStore,
    snapshot: TokenSnapshot | None,
) -> Tensor:  # (n, d)
    """Learn the embedding; whatever ends the run early, its last whole step is kept."""
    monitor = RunMonitor(progress, lambda step: store.save(step.snapshot()), INTERVALS)
    run = LearnRun(seed, monitor.on_step, snapshot)
    try:
        with plain_interrupt_unless(lambda: store.newest() is not None), interruptible(progress):
            with monitor.saving_on_error():
                return learn_token(image, model, config, run)
    except BaseException as error:
        if not is_out_of_memory(error):
            raise
        resumable = monitor.last is not None or snapshot is not None
        raise RuntimeError(less_memory(config.chunk, resumable)) from error


def less_memory(chunk: int, resumable: bool) -> str:
    """Say what to do when memory ran out."""
    advice = f"--chunk 1{' --resume' if resumable else ''}" if chunk != 1 else "a smaller --size and another --out"
    return f"learning the word is out of memory: start it again with {advice}."


class InversionProgress:
    """The front end of textual inversion on a terminal."""

    def __init__(self, bar: tqdm, preview: Path) -> None:
        self.bar, self.preview = bar, preview
        self.stop = False  # set by Ctrl-C, answered after the step

    def on_step(self, step: LearnStep) -> None:
        """Move the bar; stop here after a Ctrl-C."""
        self.bar.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
        advance(self.bar)
        if self.stop:
            raise Interrupted("after this step")

    def on_preview(self, step: LearnStep) -> None:
        """Write a training image and what the model makes of it."""
        write_image(self.preview, side_by_side(*step.preview().split(1)))

    def on_problem(self, message: str) -> None:
        """Tell it above the bar."""
        self.bar.write(message, file=sys.stderr)
