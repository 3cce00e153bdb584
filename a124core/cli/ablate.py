"""The paper's ablations on built-in scenes: what each part of the method is good for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from ..evaluation.evaluate import NOTE, EvalSet, evaluate, field_renderer
from ..field.field4d import Field4D
from ..priors.builtin import MOTIONS, SUBJECTS, example_image
from ..reference.reference import make_reference
from ..utils.device import keep_freed_pages
from ..utils.files import atomic_write, write_json
from .folder import used_folder
from .machine import machine, versions
from .prepare import PreparedRun, RunOptions, prepare, stage_identity
from .report import Figures
from .run import eval_set_of, run_stage
from .run_options import changed_options
from .table import RunFigures, markdown_table
from .variants import variants_named

MODE = "paper"  # the reference picture only where a clip starts at 0: else "never-zero" would take nothing away


ROWS = variants_named(("full", "no-view-prior", "random-sampling", "never-starting-at-0", "no-refinement"))
FIGURES = (
    ("psnr_heldout", "PSNR"),
    ("psnr_first", "first frame"),
    ("psnr_last", "last frame"),
    ("psnr_object", "object"),
    ("psnr_static", "static stage"),
    ("colour_error", "colour error"),
    ("iou", "IoU"),
    ("motion_corr", "path corr."),
)
Result = dict[str, Any]  # row, scene, seed, seconds, figures


def ablate(options: object) -> None:
    """Every scene and seed through every row; a table at the end."""
    out = Path(options.out)
    scenes = [parse_scene(text) for text in options.scenes]
    work = [(subject, motion, seed, options.steps_scale) for subject, motion in scenes for seed in options.seeds]
    with used_folder(out, print):
        _run(out, work, options)


def _run(out: Path, work: Sequence[tuple[str, str, int, float]], options: object) -> None:
    start = time.monotonic()
    results = [r for rows in _each(work, min(options.jobs or torch.get_num_threads(), len(work))) for r in rows]
    minutes = (time.monotonic() - start) / 60.0
    text = markdown(results, minutes)
    values = {"rows": results, "minutes": minutes, "mode": MODE, "steps_scale": options.steps_scale, "note": NOTE}
    print(text)  # first: a full disk must not take it
    values |= {"machine": machine(), "versions": versions()}
    try:
        _write(out, values, text)
    except OSError as error:
        place = Path(tempfile.mkdtemp(prefix="animate124-"))
        _write(place, values, text)
        raise OSError(f"{str(error).rstrip('.')}; table and figures were saved in {place}.") from error


def _write(out: Path, values: dict[str, Any], text: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "ablation.json", values)
    with atomic_write(out / "ablation.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"Written: {out / 'ablation.md'}, {out / 'ablation.json'}")


def parse_scene(text: str) -> tuple[str, str]:
    """ "panda:wave" -> ("panda", "wave")."""
    subject, _, motion = text.partition(":")
    if subject not in SUBJECTS or motion not in MOTIONS:
        raise ValueError(
            f"scene {text!r} is not SUBJECT:MOTION: subjects are {', '.join(SUBJECTS)}; motions {', '.join(MOTIONS)}."
        )
    return subject, motion


def _each(work: Sequence[tuple[str, str, int, float]], jobs: int) -> list[list[Result]]:
    """One after another, or in processes of their own with a share of the cores each."""
    if jobs == 1:
        return [_printed(ablate_one(*item), k + 1, len(work)) for k, item in enumerate(work)]
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), begin_worker, (threads,)) as pool:
        futures = [pool.submit(ablate_one, *item) for item in work]
        return [_printed(done.result(), k + 1, len(work)) for k, done in enumerate(as_completed(futures))]


def begin_worker(threads: int) -> None:
    """Settings of a process that is one of several."""
    torch.set_num_threads(threads)
    keep_freed_pages()


def _printed(results: list[Result], done: int, total: int) -> list[Result]:
    first = results[0]
    seconds = sum(r["seconds"] for r in results)
    print(f"{done}/{total}: {first['scene']}, seed {first['seed']}, {seconds:.0f} s", flush=True)
    return results


def ablate_one(subject: str, motion: str, seed: int, steps_scale: float) -> list[Result]:
    """All rows of one scene and seed; priors, evaluation set and stages that two rows share are made once."""
    image, mask = example_image(subject)
    reference = make_reference(image, mask, mask_marks="subject")
    run = RunOptions(reference, f"a {subject}, {motion}", motion, subject, seed, "demo", steps_scale)
    full = prepare(run)
    eval_set = replace(eval_set_of(full), large=None)  # none of FIGURES needs it
    shared: dict[str, Field4D] = {}
    results = []
    for variant in ROWS:
        start = time.monotonic()
        options = replace(run, **changed_options(("--reference-mode", MODE, *variant.arguments)))
        metrics = _row_figures(prepare(options, full.priors), eval_set, shared)
        seconds = time.monotonic() - start
        row = {"row": variant.title, "scene": f"{subject} {motion}", "seed": seed, "seconds": seconds}
        results.append({**row, **metrics})
    return results


def _row_figures(prepared: PreparedRun, eval_set: EvalSet, shared: dict[str, Field4D]) -> Figures:
    """Run the stages that no earlier row shares; evaluate the last field, and a static one for its geometry."""
    metrics: Figures = {}
    field = None
    for stage in prepared.stages:
        identity = stage_identity(prepared, stage)
        if identity not in shared:
            shared[identity] = run_stage(prepared, stage, field)
            if stage == "static":
                metrics["psnr_static"] = evaluate(field_renderer(shared[identity]), eval_set)["psnr_first"]
        field = shared[identity]
    return {**evaluate(field_renderer(field), eval_set), **metrics}


def markdown(results: Sequence[Result], minutes: float) -> str:
    """Means over scenes and seeds, and each row's difference to full in brackets."""
    runs = [RunFigures(r["row"], r["scene"], r["seed"], {key: r.get(key) for key, _ in FIGURES}) for r in results]
    scenes, seeds = sorted({run.scene for run in runs}), sorted({run.seed for run in runs})
    lines = [
        f"Means over {len(scenes)} scenes ({', '.join(scenes)}) and seeds {', '.join(map(str, seeds))}, ± half a 95 % "
        "confidence interval over seeds; difference to full in brackets. PSNR in dB against the built-in truth, "
        f"held-out views, white; {minutes:.0f} minutes.",
        "",
        *markdown_table(runs, [variant.title for variant in ROWS], FIGURES, "row"),
    ]
    return "\n".join([*lines, "", NOTE, ""])
