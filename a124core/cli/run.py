"""The pipeline: static -> coarse -> fine, each graded against the truth, then the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..evaluation.evaluate import EvalSet, build_eval_set, evaluate, field_renderer, static_baseline
from ..field.field4d import Field4D
from ..protocols import OnStep, Run
from ..runs.memory import model_priors
from ..stages.optimise import initial_field, optimise
from ..stages.snapshot import Snapshot
from ..utils.device import is_out_of_memory
from .folder import Folder, made_folder
from .job import TILE, PreparedRun, RunOptions, check_folder, disk_needed, identity, prepare
from .machine import peak_memory_mb
from .needs import announced, less
from .outputs import write_results
from .report import Report, StageReport, report_dict
from .watch import Watch, at_once, interruptible

Say = Callable[[str], None]


def _say(line: str) -> None:
    print(line, flush=True)


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    scene: PreparedRun
    field: Field4D
    report: dict[str, Any]


def run_job(job: RunOptions, folder: Folder, resume: bool = False, quiet: bool = False, say: Say = _say) -> Outcome:
    """Everything from the first check to the last file. Ctrl-C raises Interrupted where a snapshot is kept."""
    if resume:
        folder.check_interrupted()
    with made_folder(folder.out), at_once(lambda: resume and folder.resumable()):
        check_folder(folder.out)
        scene = prepared(job, say)
        check_folder(folder.out, disk_needed(scene.settings))
        with folder.begun(identity(scene), resume, say), at_once(folder.resumable):
            return _run(scene, folder, Watch(folder, quiet), resume, say)


def prepared(job: RunOptions, say: Say) -> PreparedRun:
    """Priors and settings of a job, and what was made of its words."""
    if job.reference is not None:
        say(job.reference.note)
    if job.models is not None:
        say("Reading the models ...")
    scene = prepare(job)
    say(scene.understood)
    say(scene.recipe)
    return scene


def _run(scene: PreparedRun, folder: Folder, watch: Watch, resume: bool, say: Say) -> Outcome:
    """From the first step to the last file."""
    with interruptible(watch):
        exam = exam_of(scene)
        field, report = _all_stages(scene, exam, folder, watch, resume, say)
        say("Writing the results ...")
        values = report_dict(scene, report)
        write_results(folder.results, scene, field, watch.losses, values)
    return Outcome(scene, field, values)


def _all_stages(
    scene: PreparedRun, exam: EvalSet | None, folder: Folder, watch: Watch, resume: bool, say: Say
) -> tuple[Field4D, Report]:
    """The stages that the job wants, in order; finished ones are read back when a run is resumed."""
    field, baseline, reports = None, None, []
    for stage in scene.stages:
        done = folder.finished(stage) if resume else None
        if done is None:
            for line in announced(scene, stage, field):
                say(line)
            snapshot = folder.snapshot(stage) if resume else None
            with watch.stage(stage, snapshot.step if snapshot else 0, scene.config(stage).steps):
                done = run_stage(scene, stage, field, watch, snapshot)
            folder.finish(stage, done)
            folder.remember(watch.notes())
        field = done
        if exam is None:
            reports.append(_ungraded(scene, stage, watch))
            say(reports[-1].line())
            continue
        say(f"{stage}: comparing with the known answer ...")
        result = watch.grading(stage, field_renderer(field, scene.job.device))
        if baseline is None:  # the first field, standing still
            baseline = evaluate(static_baseline(result), exam)
        figures = baseline if field.table.shape[0] == 1 else evaluate(result, exam)  # a still field is its own baseline
        steps, memory = scene.config(stage).steps, peak_memory_mb(scene.job.device)
        reports.append(StageReport(stage, steps, watch.seconds.get(stage, 0.0), memory, figures))
        say(reports[-1].line())
    return field, Report(baseline, tuple(reports))


def _ungraded(scene: PreparedRun, stage: str, watch: Watch) -> StageReport:
    """A stage of learned priors: how long it took, and no figures."""
    steps, memory = scene.config(stage).steps, peak_memory_mb(scene.job.device)
    return StageReport(stage, steps, watch.seconds.get(stage, 0.0), memory, {})


def exam_of(scene: PreparedRun) -> EvalSet | None:
    """The questions of this scene; None where no answer is known."""
    if scene.priors is None:
        return None
    truth, bank, settings = scene.priors.truth, scene.priors.bank, scene.settings
    size = settings.static.render.size
    return build_eval_set(truth.render, bank.reference, bank.cameras, size, TILE * size, truth.motion_has_path)


def run_stage(
    scene: PreparedRun, stage: str, field: Field4D | None, on_step: OnStep | None = None, resume: Snapshot | None = None
) -> Field4D:
    """One stage of a scene, from the field of the one before."""
    try:
        return _run_stage(scene, stage, field, on_step, resume)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise RuntimeError(less_memory(stage, scene.job.memory)) from error
    finally:
        for prior in model_priors(scene.stage_guidances(stage)):
            prior.close()  # the next stage runs others


def less_memory(stage: str, memory: str) -> str:
    """What to do when memory ran out."""
    return f"the {stage} stage is out of memory: start it again with {less(memory)}."


def _run_stage(
    scene: PreparedRun, stage: str, field: Field4D | None, on_step: OnStep | None, resume: Snapshot | None
) -> Field4D:
    job, config = scene.job, scene.config(stage)
    start = initial_field(stage, field, scene.settings.field, config, job.seed)
    run = Run(job.seed, job.device, on_step, resume)
    return optimise(stage, start, job.reference, scene.stage_guidances(stage), config, run)
