"""What a benchmark runs: every scene through every variant with every seed, each run named by a key of its inputs."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ... import __version__
from ...stages.presets import AUTO_PRESETS, preset
from ..args import add_recipe_args, parser
from ..models import models_from_args
from ..prepare import RUN_VERSION, RunOptions, model_roles
from ..run_options import method_options
from ..variants import Variant, variants_named
from .scenes import LAYOUT, Scene, read_scenes

WITHOUT_EFFECT = ("--memory=",)  # on results: how much of an image is rendered at once
KEY = 10  # digits of a key in a folder's name


@dataclass(frozen=True)
class Task:
    """One run."""

    scene: str
    variant: str
    seed: int
    arguments: tuple[str, ...]  # of `animate`, but for --out
    folder: Path  # of its results; its name holds a key of the inputs, so that other inputs have another folder

    @property
    def title(self) -> str:
        return f"{self.scene}, {self.variant}, seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        return (self.folder / "report.json").is_file()


@dataclass(frozen=True)
class Plan:
    """All runs of a benchmark. The first variant is the one that the others are compared with."""

    scenes: tuple[Scene, ...]
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    tasks: tuple[Task, ...]  # variant by variant, so that what later ones share is there when they begin

    @property
    def problems(self) -> dict[str, str]:
        """Return why scenes cannot be run, by their names."""
        return {scene.name: scene.problem for scene in self.scenes if scene.problem}


def make_plan(options: argparse.Namespace) -> Plan:
    """Read the scenes; refuse what no scene could be run with. Bad scenes are the plan's problems."""
    folder, out = Path(options.folder), Path(options.out)
    variants = variants_named(options.variants)
    common = recipe_arguments(options)
    recipes = [asdict(preset(name)) for name in (AUTO_PRESETS if options.preset == "auto" else [options.preset])]
    for variant in variants:
        _check(variant, common, options.address is None)
    captions = options.captions or folder / "captions.json"
    scenes = tuple(read_scenes(folder, captions, options.scenes or (), without=out))
    seeds = tuple(dict.fromkeys(options.seeds))
    ready = [(scene, scene.identity(options.priors)) for scene in scenes if not scene.problem]
    if not ready:
        reasons = "; ".join(f"{scene.name} {scene.problem}" for scene in scenes)
        raise ValueError(f"none of the {len(scenes)} scenes in {folder} can be run: {reasons}; {LAYOUT}.")
    tasks = []
    for variant in variants:
        for scene, identity in ready:
            for seed in seeds:
                own = (*variant.arguments, f"--seed={seed}")
                key = _key([*common, *own], {**identity, "recipes": recipes})
                arguments = (*common, *scene.arguments(options.priors), *own)
                place = out.resolve() / "runs" / scene.name / f"{variant.name}-seed{seed}-{key}"
                tasks.append(Task(scene.name, variant.name, seed, arguments, place))
    return Plan(scenes, variants, seeds, tuple(tasks))


def recipe_arguments(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options that all runs share, as they were typed; those that have their default are left out."""
    recipe = argparse.ArgumentParser(add_help=False)
    add_recipe_args(recipe)
    arguments = []
    for action in recipe._actions:
        value, name = getattr(options, action.dest), action.option_strings[0]
        if value != action.default:
            value = value.resolve() if isinstance(value, Path) else value  # a worker may run in another folder
            arguments.append(name if value is True else f"{name}={value}")
    return tuple(arguments)


def _check(variant: Variant, common: tuple[str, ...], here: bool) -> None:
    """Refuse a variant that these priors cannot make, before the first run; here: on this machine, not on a cluster."""
    options = parser().parse_args(["animate", "--image=", *common, *variant.arguments])
    try:
        models = models_from_args(options)
        run = RunOptions(None, "", steps_scale=options.steps_scale, models=models, **method_options(options))
        if models is not None and here:
            models.paths(model_roles(run))
    except ValueError as error:
        raise ValueError(f"variant {variant.name}: {error}") from None


def _key(arguments: list[str], identity: dict) -> str:
    """Return a digest of what decides the result of a run."""
    deciding = [argument for argument in arguments if not argument.startswith(WITHOUT_EFFECT)]
    inputs = {"version": [__version__, RUN_VERSION], "arguments": deciding, **identity}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:KEY]
