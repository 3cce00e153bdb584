"""What is to be made, decided and checked before the first step."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..field.config import BACKBONES, with_backbone
from ..field.layout import table_parameters
from ..priors.builtin import AS_USUAL, FROM_PROMPT, BuiltInPriors, Manner, RequestedMotion, make_priors
from ..priors.builtin.puppet.own_model import NAME as MODEL
from ..priors.defaults import normalised_built_in
from ..priors.diffusers.offload import offload_policy
from ..protocols import Cameras, Guidance, Guidances
from ..reference.reference import Reference, camera_of
from ..stages.coarse import with_min_temporal_tv
from ..stages.config import Preset, StageConfig, TimeConfig
from ..stages.loop import STAGES
from ..stages.optimise import used_guidances
from ..stages.presets import auto_preset, describe_preset, preset, with_memory
from .camera_args import progress_bar
from .folder import SPARE
from .models import Models, load_guidances, required_roles
from .own import moved_model, own_guidances, own_identity, read_own_model

REFINES = ("tile", "upscale", "none", "naive")
RUN_VERSION = "2"  # of what is kept of an interrupted run
MOST_STEPS = 1e3  # times a preset's steps


@dataclass(frozen=True)
class RunOptions:
    """The options of one run of the command line, or of one row of an ablation."""

    reference: Reference | None
    prompt: str
    motion: str = FROM_PROMPT
    subject: str | None = None  # a built-in one; None: what the picture shows
    seed: int = 0
    preset: str = "auto"
    steps_scale: float = 1.0  # all steps times this; tests and trials
    skip: tuple[str, ...] = ()  # stages left out
    with_reference: bool = True  # False: the picture supervises no stage
    with_image: bool = True
    with_view: bool = True
    view_when_moving: bool = True  # False: the view prior guides the static stage alone
    refine: str = "tile"  # one of REFINES
    sampling: str | None = None  # None: the preset's
    reference_mode: str | None = None
    condition: str | None = None
    memory: str = "auto"
    device: str = "cpu"
    models: Models | None = None  # in diffusers folders; None: built-in priors
    model: Path | None = None  # a 3D model, a file or a folder of a sequence; read_own_model
    model_up: str = "y"  # the axis that is up in its file
    clips: tuple[Path, ...] = ()  # that drive the motion
    clip_cameras: Path | None = None  # JSON of their cameras; None: the reference's
    images: Path | None = None  # a folder of pictures from known cameras, in place of a 3D model
    images_cameras: Path | None = None  # JSON of their cameras
    calibrate: bool = False  # choose cfg and noise range of learned priors when a stage begins
    manner: Manner = AS_USUAL  # of a built-in motion
    backbone: str = BACKBONES[0]
    reference_source: str = ""  # of what the reference was made, in words and hashes of files; empty: its pixels say it

    def __post_init__(self) -> None:
        if not 0 < self.steps_scale <= MOST_STEPS:
            raise ValueError(
                f"--steps-scale is {self.steps_scale}: choose above 0 and up to {MOST_STEPS:g} (1 is the preset's "
                "number of steps)."
            )
        for option, value in (("model", self.model), ("clip", self.clips), ("images", self.images)):
            if value and self.models is not None:
                raise ValueError(f"--{option} needs --priors builtin: leave one of the two out.")
        if self.images is not None and self.model is not None:
            raise ValueError("--model and --images both show the other sides: leave one of the two out.")
        if self.images is not None and self.images_cameras is None:
            raise ValueError("--images came without cameras: say where each was taken from with --images-cameras JSON.")
        if not self.with_reference and (self.model or self.clips or self.images):
            raise ValueError(
                "--no-reference leaves out the picture that --model, --images and --clip are aligned to: leave one out."
            )
        if self.refine == "naive" and self.models is None:
            raise ValueError("--refine naive needs --priors diffusers: no built-in prior knows a learned word.")


@dataclass(frozen=True)
class PreparedRun:
    """A run with its priors built and its settings resolved."""

    options: RunOptions
    priors: BuiltInPriors | None  # None: learned ones, whose answer nobody knows
    guidances: Guidances
    settings: Preset
    static_view: Guidance | None = None  # the view guidance where its weight differs in the static stage
    own_note: str = ""  # what the user's 3D model, pictures and clips that guide the scene are, how they were aligned

    @property
    def camera(self) -> Cameras:
        """The one that took the picture."""
        return self.priors.bank.reference if self.priors is not None else camera_of(self.options.reference)

    @property
    def reference(self) -> Reference | None:
        """The picture that supervises the stages."""
        return self.options.reference if self.options.with_reference else None

    @property
    def answer_known(self) -> bool:
        """Whether the built-in priors alone guide the scene: nobody knows what clips of the user's hide."""
        return self.priors is not None and not self.own_note

    @property
    def understood(self) -> str:
        if self.priors is not None and not self.options.prompt:
            return self.own_note
        summary = self.priors.summary if self.priors is not None else "Priors: models in diffusers folders."
        return f"{summary} {self.own_note}".strip()

    @property
    def recipe(self) -> str:
        """Describe the preset."""
        return describe_preset(self.options.preset, self.guidances)

    @property
    def stages(self) -> tuple[str, ...]:
        return tuple(stage for stage in STAGES if stage not in self.options.skip)

    def config(self, stage: str) -> StageConfig:
        """Return the options of one stage."""
        config = getattr(self.settings, stage)
        return config if stage == "static" else with_min_temporal_tv(config, self.guidances.video)

    def stage_guidances(self, stage: str) -> Guidances:
        """The guidances that the stage uses."""
        view = self.static_view if stage == "static" and self.static_view else self.guidances.view
        view = view if stage == "static" or self.options.view_when_moving else None
        return used_guidances(stage, replace(self.guidances, view=view))


def prepare(options: RunOptions, priors: BuiltInPriors | None = None) -> PreparedRun:
    """Build the priors and settings of a run; priors of another run of the same scene may be passed in."""
    if options.models is not None:
        return _with_models(options, options.models)
    name = auto_preset([]) if options.preset == "auto" else options.preset  # all priors here are built in
    settings = _adapted(preset(name), options)
    size, loaded = settings.static.render.size, read_own_model(options)
    moved = moved_model(options, loaded)
    if priors is None:
        requested = RequestedMotion(options.motion, options.manner)
        subject = options.subject if moved is None else moved
        with nullcontext() if moved is None else progress_bar("model", 1, "step") as on_progress:
            priors = make_priors(options.reference, options.prompt, requested, size, subject, options.seed, on_progress)
    view = priors.view if options.with_view else None
    refine = {"tile": priors.refine, "upscale": priors.upscale, "none": None}[options.refine]
    guidances = Guidances(priors.image if options.with_image else None, view, priors.video, refine)
    own, note = own_guidances(options, None if moved is not None else loaded, size)
    own = own if options.with_view else replace(own, view=None)
    own = own if options.with_image else replace(own, image=None)
    own = own if options.refine == "tile" else replace(own, refine=None)
    owned = {role: guidance for role, guidance in vars(own).items() if guidance is not None}
    guidances = replace(guidances, **owned)
    if name != "demo":  # for which their weights were tuned
        rows = {"refine": "upscale"} if options.refine == "upscale" else {}
        guidances = Guidances(**{
            role: None if guidance is None else normalised_built_in(rows.get(role, role), guidance)
            for role, guidance in vars(guidances).items()
        })
    return PreparedRun(options, priors, guidances, settings, own_note=note)


def model_roles(options: RunOptions) -> tuple[str, ...]:
    """Return the roles that models in folders have in this run."""
    stages = tuple(stage for stage in STAGES if stage not in options.skip)
    return required_roles(stages, options.with_view, options.refine, options.with_image)


def _with_models(options: RunOptions, models: Models) -> PreparedRun:
    """The same with priors from folders; the preset that "auto" means is draft."""
    name = "draft" if options.preset == "auto" else options.preset
    roles = model_roles(options)
    policy = offload_policy(options.memory, options.device)
    reference = options.reference if options.with_reference else None
    guidances, static_view = load_guidances(
        models, reference, options.prompt, roles, name, policy, options.with_image
    )
    return PreparedRun(options, None, guidances, _adapted(preset(name), options), static_view)


def _adapted(settings: Preset, options: RunOptions) -> Preset:
    """The preset with the run's own choices."""
    coarse, fine = _sampled(settings.coarse.time, options), _sampled(settings.fine.time, options)
    mode = {} if options.reference_mode is None else {"reference_mode": options.reference_mode}
    condition = {} if options.condition is None else {"condition": options.condition}
    changes = {"static": mode, "coarse": mode | coarse, "fine": mode | fine | condition}
    stages = {name: replace(getattr(settings, name), **change) for name, change in changes.items()}
    scale, memory = options.steps_scale, options.memory
    settings = replace(settings, field=with_backbone(settings.field, options.backbone))
    return replace(settings, **{name: with_memory(_scaled(stage, scale), memory) for name, stage in stages.items()})


def _sampled(time: TimeConfig, options: RunOptions) -> dict[str, Any]:
    """A moving stage's times with the requested sampling, or nothing to change."""
    return {} if options.sampling is None else {"time": replace(time, sampling=options.sampling)}


def _scaled(config: StageConfig, scale: float) -> StageConfig:
    return replace(config, steps=max(1, round(config.steps * scale))) if scale != 1.0 else config


def run_identity(prepared: PreparedRun) -> dict[str, str]:
    """Return what an interrupted run must share with the one that continues it, each part by name: what the user chose,
    not the last bits that a backend computed from it."""
    options = prepared.options
    motion = prepared.priors.truth.motion if prepared.priors else "by models"
    is_model = prepared.priors is not None and prepared.priors.truth.subject == MODEL
    moving = "the 3D model" if is_model else "the picture"
    manner = "" if options.manner == AS_USUAL else f" {options.manner.strength:g} x{options.manner.speed}"
    camera = None if options.reference is None else [float(v) for v in vars(options.reference.camera).values()]
    settings = asdict(prepared.settings)
    for stage in STAGES:  # the rays rendered at once change how a result is reached and not the result
        del settings[stage]["render"]["chunk"]
    calibrated = " calibrated" if options.calibrate else ""
    return {
        "version": RUN_VERSION,
        "picture": options.reference_source or pixel_digest(options.reference),
        "camera": json.dumps(camera),
        "prompt": options.prompt,
        "motion": f"{options.subject or moving} {motion}{manner}",
        "models": (options.models.identity() if options.models else own_identity(options)) + calibrated,
        "seed": str(options.seed),
        "stages": f"{' '.join(prepared.stages)} view={options.with_view} refine={options.refine}{_left_out(options)}",
        "settings": json.dumps(settings, sort_keys=True),
    }


def _left_out(options: RunOptions, static: bool = False) -> str:
    """Name what else supervises no stage, or not the static one; empty as in the whole method, and in earlier runs."""
    left_out = {
        "reference": options.with_reference, "image": options.with_image,
        "moving view": options.view_when_moving or static,
    }
    return "".join(f" {name}=False" for name, used in left_out.items() if not used)


def stage_identity(prepared: PreparedRun, stage: str) -> str:
    """Return the SHA-256 of all that decides the field which a stage leaves: runs that agree in it share that stage."""
    options, identity = prepared.options, run_identity(prepared)
    before = prepared.stages[: prepared.stages.index(stage) + 1]
    settings = json.loads(identity["settings"])
    refine = options.refine if "fine" in before else None
    static = before == ("static",)
    identity |= {
        "stages": f"{' '.join(before)} view={options.with_view} refine={refine}{_left_out(options, static)}",
        "settings": {name: value for name, value in settings.items() if name not in STAGES or name in before},
        "device": options.device,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def pixel_digest(reference: Reference | None) -> str:
    """Return the SHA-256 of all layers: how runs were told from each other before reference_source."""
    digest = hashlib.sha256()
    if reference is not None:
        for layer in (reference.image, reference.mask, reference.depth):
            digest.update(b"none" if layer is None else layer.contiguous().numpy().tobytes())
    return digest.hexdigest()


def required_disk(settings: Preset, saved: int = 0, done: bool = False) -> int:
    """Return the bytes of two snapshots and the next one with two Adam moments each, two finished fields, and the
    results; less what an interrupted run saved, and only of the results where all its stages are done."""
    field = table_parameters(settings.field) * torch.finfo(torch.float32).bits // 8
    return (field if done else max(field * (3 * 3 + 2) - saved, field)) + SPARE
