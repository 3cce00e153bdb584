"""Dispatch of commands, and exit codes: 0 done, 2 bad input (one sentence), 1 a run that failed, 130 interrupted."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..utils.device import keep_freed_pages
from ..utils.text import first_line, shorten
from .ablate import ablate
from .args import parser
from .benchmark.benchmark import benchmark
from .console import check_options, print_anything, was_printed
from .dreambooth import dreambooth
from .estimate import estimate
from .evaluate import evaluate_scenes
from .export import export_file
from .folder import RunFolder, used_folder
from .info import describe
from .invert import invert
from .prepare import RunOptions
from .prior_check import prior_check
from .progress import Interrupted
from .render import render_file
from .report import summary
from .run import run_pipeline
from .run_options import animate_run, demo_run

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
        print(f"Stopped {stopped}. To continue: {_resume_line(arguments, hasattr(options, 'resume'))}")
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


def _resume_line(arguments: list[str], has_option: bool) -> str:
    """The same command, with the Python that runs it; some go on by themselves."""
    again = [a for a in arguments if a != "--resume"] + ["--resume"] * has_option
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
    "benchmark": benchmark,
    "invert": invert,
    "dreambooth": dreambooth,
}
