"""The pipeline: static -> coarse -> fine, each evaluated against the truth, then the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..evaluation.evaluate import EvalSet, build_eval_set, evaluate, field_renderer, static_baseline
from ..export.images.sheets import write_image
from ..field.field4d import Field4D
from ..field.hexplane import facing_note
from ..priors.builtin.make import TILE
from ..priors.checked import PriorError
from ..protocols import FieldLostError, Guidances, OnStep, Run, Step
from ..reference.reference import Reference
from ..runs.memory import estimate_memory, kernels_on, model_priors, shortfall
from ..runs.monitor import RunMonitor
from ..stages.optimise import initial_field, optimise
from ..stages.snapshot import Snapshot
from ..utils.device import is_out_of_memory
from .calibrate import calibrated_guidances
from .folder import RunFolder, check_writable
from .keep import RunKeeper
from .machine import peak_memory_mb
from .outputs import write_results
from .prepare import PreparedRun, RunOptions, pixel_digest, prepare, required_disk, run_identity
from .progress import INTERVALS, Losses, TerminalProgress, interrupted_if, interruptible, plain_interrupt_unless
from .report import Report, StageReport, report_dict
from .shared_stages import SharedStages

Say = Callable[[str], None]
CUTOUT_SIZE = 512  # pixels a side


def _print(line: str) -> None:
    print(line, flush=True)


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    prepared: PreparedRun
    field: Field4D
    report: dict[str, Any]


def run_pipeline(
    options: RunOptions,
    folder: RunFolder,
    resume: bool = False,
    quiet: bool = False,
    say: Say = _print,
    shared: SharedStages | None = None,  # with other runs
) -> Outcome:
    """Do everything from the first check to the last file. Ctrl-C raises Interrupted where a snapshot is kept."""
    if resume:
        folder.check_interrupted()
    with interrupted_if(lambda: resume and folder.resumable()):
        prepared = prepare_aloud(options, say)
        check_writable(folder.out, _needed_disk(prepared, folder, resume))
        identity, former = run_identity(prepared), {"picture": pixel_digest(options.reference)}
        with folder.running(identity, former if resume else None, say), interrupted_if(folder.resumable):
            write_cutout(options.reference, folder.cutout, say)
            progress = TerminalProgress(folder, quiet)
            keeper = RunKeeper(folder, identity, notes=folder.read_notes())
            if prepared.answer_known:
                say("Rendering the ground truth that the stages are compared with ...")
            eval_set = eval_set_of(prepared)
            with interruptible(progress):
                field, report = _Pipeline(prepared, keeper, progress, resume, say, eval_set, shared).run()
                say("Writing the results ...")
                values = report_dict(prepared, report)
                _write_results(keeper, prepared, field, progress.losses, values)
    return Outcome(prepared, field, values)


def write_cutout(reference: Reference | None, path: Path, say: Say) -> None:
    """Write the subject on white, and say where."""
    if reference is not None:
        write_image(path, reference.composite(CUTOUT_SIZE))
        say(f"The picture as it was cut out: {path}")


def _needed_disk(prepared: PreparedRun, folder: RunFolder, resume: bool) -> int:
    """Return the bytes that the rest of the run needs."""
    if not resume:
        return required_disk(prepared.settings)
    done = all((folder.work / f"{stage}.safetensors").is_file() for stage in prepared.stages)
    return required_disk(prepared.settings, folder.saved_bytes(), done)


def _write_results(
    keeper: RunKeeper, prepared: PreparedRun, field: Field4D, losses: Losses, values: dict[str, Any]
) -> None:
    """Write the results; where that fails, see that the stages are saved before it is told."""
    try:
        keeper.ensure()
        write_results(keeper.folder.results, prepared, field, losses, values)
    except Exception:
        keeper.ensure()
        raise


def prepare_aloud(options: RunOptions, say: Say) -> PreparedRun:
    """Prepare priors and settings, and say what the prompt was taken to mean."""
    if options.reference is not None:
        say(options.reference.note)
    if options.models is not None:
        say("Reading the models ...")
    if options.model is not None or options.images is not None or options.clips:
        say("Reading the model, the pictures and the clips ...")
    prepared = prepare(options)
    say(prepared.understood)
    say(prepared.recipe)
    note = facing_note(prepared.settings.field, float(prepared.camera.azimuth[0]))
    if note and prepared.reference is not None:
        say(note)
    return prepared


@dataclass(frozen=True)
class _Pipeline:
    """The stages of one run, in order."""

    prepared: PreparedRun
    keeper: RunKeeper
    progress: TerminalProgress
    resume: bool
    say: Say
    eval_set: EvalSet | None
    shared: SharedStages | None

    def run(self) -> tuple[Field4D, Report]:
        """Run the stages, those that an interrupted run had finished excepted, and evaluate each."""
        field, baseline, reports = None, None, []
        for stage in self.prepared.stages:
            grid = self.prepared.settings.field
            grid = replace(grid, time_grids=1) if stage == "static" else grid
            finished = self.keeper.read_finished(stage, grid) if self.resume else None
            finished = self._read_shared(stage) if finished is None else finished
            field = self._optimise(stage, field) if finished is None else finished
            metrics = {}
            if self.eval_set is not None:
                self.say(f"{stage}: comparing with the ground truth ...")
                renderer = self.progress.stoppable(stage, field_renderer(field, self.prepared.options.device))
                if baseline is None:  # the first field, standing still
                    baseline = evaluate(static_baseline(renderer), self.eval_set)
                metrics = baseline if field.table.shape[0] == 1 else evaluate(renderer, self.eval_set)
            reports.append(self._report(stage, metrics))
            self.say(reports[-1].line())
        return field, Report(baseline, tuple(reports))

    def _optimise(self, stage: str, field: Field4D | None) -> Field4D:
        for line in memory_lines(self.prepared, stage):
            self.say(line)
        folder, steps = self.keeper.folder, self.prepared.config(stage).steps
        snapshot = folder.store.newest(lambda s: s.stage == stage) if self.resume else None
        monitor = RunMonitor(self.progress, self._save, INTERVALS)
        with plain_interrupt_unless(folder.resumable), memory_advice(self.prepared.options, stage):
            stop = partial(self.progress.check_stop, stage)
            guidances = calibrated_guidances(self.prepared, stage, field, self.say, stop)

        def saved(step: int) -> Snapshot | None:
            return folder.store.newest(lambda s: s.stage == stage and s.step <= step)

        with self.progress.stage(stage, snapshot.step if snapshot else 0, steps):
            with plain_interrupt_unless(folder.resumable):
                with monitor.saving_on_error(FieldLostError, KeyboardInterrupt):  # a second Ctrl-C does not wait
                    field = run_stage(self.prepared, stage, field, monitor.on_step, snapshot, saved, guidances)
        self.keeper.finish(stage, field, self.progress.notes(stage))
        if self.shared is not None:
            self.shared.keep(self.prepared, stage, field, self.progress.seconds[stage])
        return field

    def _read_shared(self, stage: str) -> Field4D | None:
        """Read a stage that another run finished, which takes as long as it took there."""
        stored = None if self.shared is None else self.shared.read(self.prepared, stage)
        if stored is None:
            return None
        field, self.progress.seconds[stage] = stored
        self.say(f"{stage}: the same as in an earlier run.")
        return field

    def _save(self, step: Step) -> int:
        return self.keeper.save(step.snapshot(), self.progress.notes(step.stage))

    def _report(self, stage: str, metrics: dict[str, float | None]) -> StageReport:
        memory = peak_memory_mb(self.prepared.options.device)
        steps, seconds = self.prepared.config(stage).steps, self.progress.seconds.get(stage, 0.0)
        return StageReport(stage, steps, seconds, memory, metrics)


def eval_set_of(prepared: PreparedRun) -> EvalSet | None:
    """Build the evaluation set of this scene; None where no answer is known."""
    if not prepared.answer_known:
        return None
    truth, bank, size = prepared.priors.truth, prepared.priors.bank, prepared.settings.static.render.size
    return build_eval_set(truth.render, bank.reference, bank.cameras, size, TILE * size, truth.motion_has_path)


def memory_lines(prepared: PreparedRun, stage: str) -> list[str]:
    """Say the steps and the estimated memory of a stage; a second line if that is more than there is."""
    options, config, guidances = prepared.options, prepared.config(stage), prepared.stage_guidances(stage)
    estimate = estimate_memory(prepared.settings.field, config, guidances, kernels_on(options.device))
    lack = shortfall(estimate, options.device, f"start again with {less_memory(options.memory)}")
    return [line for line in (f"{stage}: {config.steps} steps, {estimate.line()}.", lack) if line is not None]


def less_memory(memory: str) -> str:
    """Name what needs less memory than this run."""
    if memory == "low":
        return "a smaller preset (--preset draft or demo)"
    return "--memory low, and --resume if a step was done"


def run_stage(
    prepared: PreparedRun,
    stage: str,
    field: Field4D | None,
    on_step: OnStep | None = None,
    snapshot: Snapshot | None = None,
    saved: Callable[[int], Snapshot | None] | None = None,  # see Run
    guidances: Guidances | None = None,  # None: those of the run
) -> Field4D:
    """Run one stage from the field of the one before."""
    options, config = prepared.options, prepared.config(stage)
    guidances = prepared.stage_guidances(stage) if guidances is None else guidances
    start = initial_field(stage, field, prepared.settings.field, config, options.seed)
    run = Run(options.seed, options.device, on_step, snapshot, saved)
    try:
        with memory_advice(options, stage):
            return optimise(stage, start, prepared.reference, guidances, config, run)
    finally:
        for prior in model_priors(guidances):
            prior.close()  # the next stage runs others


@contextmanager
def memory_advice(options: RunOptions, stage: str) -> Iterator[None]:
    """Turn an error of memory into a sentence that says what needs less."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        task = f"{error.prior} in the {stage} stage" if isinstance(error, PriorError) else f"the {stage} stage"
        advice = f"start it again with {less_memory(options.memory)}"
        raise RuntimeError(f"{task} is out of memory: {advice}.") from error
