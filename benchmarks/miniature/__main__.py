"""Miniatures of the paper's tables 1 and 2 and of its compared images: python -m benchmarks.miniature

Six held-out drawings, three seeds, a quarter of a demo's steps. The same command again goes on where it ended;
`--steps-scale 1` makes whole runs. The page is OUT/miniature.md, written anew after every subject and seed;
`--page docs/miniature.md` puts it there as well. `--clip FOLDER` fills the columns of CLIP.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from a124core.cli.args import parser as command_line
from a124core.cli.benchmark.benchmark import benchmark
from a124core.cli.benchmark.plan import Task
from a124core.cli.folder import used_folder
from a124core.cli.progress import Interrupted
from a124core.utils.text import format_duration

from .cells import CellRunner, benchmark_arguments, cells_of, plan_of, read_runs, run_cells
from .figures import SHEETS, write_figures
from .orderings import VARIANTS
from .page import fill, page, write_text
from .subjects import CAPTIONS, write_subjects


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    pictures = options.out / "pictures"
    with used_folder(options.out, print):
        write_subjects(pictures)
        tasks = plan_of(pictures, options.out, options, VARIANTS).tasks
        problems = _run(pictures, tasks, options)
    if not problems:  # all runs are finished, so that the verb only writes its tables, contact sheets and votes
        benchmark(command_line().parse_args(benchmark_arguments(pictures, options.out, options, VARIANTS)))
    return 1 if problems else 0


def _run(pictures: Path, tasks: tuple[Task, ...], options: argparse.Namespace) -> list[str]:
    """Run what is missing and write the page after every cell; return why runs failed."""
    began, problems = time.monotonic(), []
    extra = _sheet_tasks(pictures, options)
    cells = [cell for part in (tasks, extra) for cell in cells_of(part, options.seeds, options.subjects)]
    try:
        for k, (cell, failed, seconds) in enumerate(
            run_cells(cells, CellRunner(options.out, options.clip), options.jobs), start=1
        ):
            problems += failed
            print(f"{k}/{len(cells)}: {cell.scene}, seed {cell.seed}: {seconds:.0f} CPU s, "
                  f"{format_duration(time.monotonic() - began)} since the start", flush=True)
            _write_page(tasks, (*tasks, *extra), options, problems)
    except (Interrupted, KeyboardInterrupt):
        print("Stopped: the same command goes on from here.", flush=True)
        raise SystemExit(130) from None
    return problems


def _sheet_tasks(pictures: Path, options: argparse.Namespace) -> list[Task]:
    """Return the runs of the sheets that no table has: of one subject each, with the first seed. They come last."""
    single = argparse.Namespace(**vars(options) | {"seeds": options.seeds[:1]})
    tasks = []
    for sheet in SHEETS:
        if sheet.subject in options.subjects:
            single.subjects = [sheet.subject]
            others = [name for name in sheet.variants if name not in VARIANTS]
            tasks += plan_of(pictures, options.out, single, others).tasks if others else ()
    return tasks


def _write_page(
    tasks: Sequence[Task], compared: Sequence[Task], options: argparse.Namespace, problems: Sequence[str]
) -> None:
    images = options.out / "images"
    sheets = write_figures(images, compared, options.seeds[0])
    runs = read_runs(tasks, options.out)
    text = page(runs, len(tasks), sheets, problems)
    write_text(options.out / "miniature.md", text + "\n")
    if options.page is not None:
        fill(options.page, text)
        (options.page.parent / "images").mkdir(exist_ok=True)
        for sheet in sheets:
            shutil.copy(images / sheet.file, options.page.parent / "images" / sheet.file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.miniature", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("output/miniature"), help="for everything (%(default)s)")
    parser.add_argument("--page", type=Path, metavar="MD", help="a page whose marked part is written anew")
    parser.add_argument("--subjects", nargs="+", choices=CAPTIONS, default=list(CAPTIONS), metavar="NAME",
                        help=f"of {', '.join(CAPTIONS)} (all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(0 1 2)")
    parser.add_argument("--steps-scale", type=float, default=0.25, help="of a demo; 1 for whole runs (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each (%(default)s)")
    parser.add_argument("--clip", type=Path, metavar="FOLDER", help="a CLIP of transformers or OpenCLIP; the paper's "
                        "is OpenAI's ViT-B/32")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
