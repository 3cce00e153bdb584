"""Models in diffusers folders for `--priors diffusers`: their options, their paths, and the guidances made of them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..export.embedding import read_embedding
from ..priors.defaults import released_defaults
from ..priors.diffusers.checks import CHANNELS, EXAMPLES, check_control, check_unet
from ..priors.diffusers.modelscope import unet_file
from ..priors.diffusers.offload import OffloadPolicy
from ..priors.diffusers.roles import RoleRequest, folder_guidance
from ..priors.diffusers.text import PLACEHOLDER, Embeddings
from ..priors.zero123_pose import KINDS, ZERO123
from ..protocols import Guidance, Guidances
from ..reference.reference import Reference

STATIC_PROMPT = "a high-resolution DSLR image of "  # before the prompt in the static stage (release)


@dataclass(frozen=True)
class PublicModel:
    """A public model for a role. docs/models.md has the same with links."""

    name: str
    size: str  # of the files in 32 bits; the 16-bit ones are half of it
    licence: str

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[2]


PUBLIC_MODELS = {
    "image": PublicModel(EXAMPLES["image"], "4.3 GB", "CreativeML OpenRAIL-M"),
    "view": PublicModel(EXAMPLES["view"], "5 GB", "see its model card"),
    "video": PublicModel(EXAMPLES["video"], "7.4 GB", "CC BY-NC 4.0"),
    "control": PublicModel(EXAMPLES["control"], "1.4 GB", "OpenRAIL"),
    "upscale": PublicModel(EXAMPLES["upscale"], "3.5 GB", "CreativeML Open RAIL++-M"),
}


@dataclass(frozen=True)
class Models:
    """Paths by role, and prompts. A path that is None is looked for under `root`."""

    root: Path | None = None
    image: Path | None = None
    view: Path | None = None  # a folder, or Zero123's original file
    video: Path | None = None
    control: Path | None = None
    upscale: Path | None = None
    token: Path | None = None  # a learned embedding
    lora: Path | None = None  # of the refinement's UNet
    static_prompt: str | None = None  # None: STATIC_PROMPT and the prompt
    refine_prompt: str | None = None  # None: the prompt
    negative: str = ""
    still: str = ""  # of the video role: a prompt in which nothing moves; empty: no source
    kind: str = ZERO123

    def path(self, role: str) -> Path | None:
        """Return where a role's model is, or None; under the root it has the role's name or the public one."""
        explicit = getattr(self, role)
        if explicit is not None:
            return explicit if explicit.exists() else None
        if self.root is None:
            return None
        candidates = (self.root / name for name in (role, PUBLIC_MODELS[role].folder))
        return next((path for path in candidates if path.exists()), None)

    def paths(self, roles: tuple[str, ...]) -> dict[str, Path]:
        """Return the roles' paths, or raise one message on all that are missing."""
        paths = {role: self.path(role) for role in roles if role in PUBLIC_MODELS}
        missing = [role for role, path in paths.items() if path is None]
        if missing:
            raise ValueError(self._missing(missing))
        return {role: path for role, path in paths.items() if path is not None}

    def _missing(self, roles: list[str]) -> str:
        lines = [
            f"{self._root_problem()}{len(roles)} of the models are missing, and this program downloads none. Copy each "
            "folder to the path behind it (16-bit files do), or name the one you have:"
        ]
        for role in roles:
            public, explicit = PUBLIC_MODELS[role], getattr(self, role)
            path = explicit if explicit is not None else (self.root or Path("MODELS")) / public.folder
            about = f"{public.name}, {public.size}, licence: {public.licence}"
            lines.append(f"  {role}: {path} ({about}); option --{role}-model")
        return "\n".join(lines)

    def _root_problem(self) -> str:
        """Return what is wrong with --models itself."""
        if self.root is None:
            return "Give --models, or a path for each. "
        if not self.root.exists():
            return f"The folder {self.root} does not exist. "
        if (self.root / "model_index.json").is_file():
            return f"{self.root} is itself a model: give the folder that holds it, or its own option. "
        return ""

    def identity(self) -> str:
        """Return what an interrupted run must share with the one that continues it: the models, however named."""
        values = {name: value for name, value in asdict(self).items() if name != "root"}
        values = {k: v for k, v in values.items() if v or k not in ("still", "lora")}  # as earlier runs
        values |= {role: self.path(role) for role in PUBLIC_MODELS}
        return json.dumps({k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values.items()})


# Options


def add_model_args(p: argparse.ArgumentParser) -> None:
    """Add a folder for all roles, a path for each, and what belongs to them."""
    group = p.add_argument_group("models in diffusers folders (--priors diffusers)", "Nothing is downloaded.")
    group.add_argument("--models", type=Path, help="a folder with the models' folders, each under its "
                       "role (image, view, video, control, upscale) or its public name")
    for role, public in PUBLIC_MODELS.items():
        group.add_argument(f"--{role}-model", type=Path, metavar="DIR", help=f"folder of {public.name} or its like")
    group.add_argument("--view-kind", choices=KINDS, default=ZERO123, help="the view model's family, each of which "
                       "has its own camera input (%(default)s, also for Zero123-XL)")
    group.add_argument("--token", type=Path, metavar="FILE", help="the subject's learned embedding: learned_embeds.bin "
                       "or .safetensors; written <token> in --static-prompt and --refine-prompt")
    group.add_argument("--lora", type=Path, metavar="FILE", help="a LoRA for the refinement's model, as dreambooth "
                       "learns it: its rare word goes into --refine-prompt")
    group.add_argument("--static-prompt", help="what the image shows, standing still (a high-resolution DSLR image of "
                       "PROMPT)")
    group.add_argument("--refine-prompt", help='the prompt of the fine stage: "a <token> is dancing" (PROMPT)')
    group.add_argument("--still-prompt", default="", metavar="TEXT", help="of the video model: the prompt without "
                       "its motion, as in 'a panda is standing still'. What the model would do to a scene that stands "
                       "still is then left out: the scene keeps its colours and moves less, and each step asks twice "
                       "(off)")
    group.add_argument("--negative-prompt", default="", help="what must not appear; empty as released")


def models_from_args(options: argparse.Namespace) -> Models | None:
    """Return the models of a run; None with built-in priors, which use none of these options."""
    names = ("models", "token", "lora", *(f"{role}-model" for role in PUBLIC_MODELS))
    used = [f"--{name}" for name in names if getattr(options, name.replace("-", "_")) is not None]
    if options.priors == "builtin":
        if used:
            raise ValueError(f"{' and '.join(used)} go with --priors diffusers: add that, or leave them out.")
        return None
    paths = {role: getattr(options, f"{role}_model") for role in PUBLIC_MODELS}
    return Models(
        options.models, **paths, token=options.token, lora=options.lora, static_prompt=options.static_prompt,
        refine_prompt=options.refine_prompt, negative=options.negative_prompt, kind=options.view_kind,
        still=options.still_prompt,
    )


# Guidances


def required_roles(
    stages: tuple[str, ...], with_view: bool, refine: str, with_image: bool = True
) -> tuple[str, ...]:
    """Return the roles of a run. "control" is the ControlNet's folder; "refine" is made of it and the image's."""
    fine = "fine" in stages
    repairs = fine and refine in ("tile", "naive")
    required = {
        "image": ("static" in stages and with_image) or repairs,
        "view": with_view,
        "video": "coarse" in stages or fine,
        "control": fine and refine == "tile",
        "refine": repairs,
        "upscale": fine and refine == "upscale",
    }
    return tuple(role for role, is_required in required.items() if is_required)


def load_guidances(
    models: Models,
    reference: Reference | None,
    prompt: str,
    roles: tuple[str, ...],
    preset: str,
    policy: OffloadPolicy,
    with_image: bool = True,  # False: a folder of the role is for the refinement alone
) -> tuple[Guidances, Guidance | None]:
    """Load the priors of the roles, with the preset's numbers; return the guidances, and the static stage's view."""
    paths, embeddings = models.paths(roles), load_embedding(models.token)
    check_folders(paths)
    common = {"negative": models.negative, "kind": models.kind, "reference": reference}
    static_prompt, refine_prompt = models.static_prompt or f"{STATIC_PROMPT}{prompt}", models.refine_prompt or prompt

    def load(role: str, path: str, prompt: str, **options: Any) -> Guidance | None:
        if path not in paths or role not in roles:
            return None
        if role in ("image", "refine") and PLACEHOLDER in prompt and embeddings is None:
            raise ValueError(f"the prompt {prompt!r} has {PLACEHOLDER} in it: add --token, the learned embedding.")
        request = RoleRequest(role, paths[path], prompt, released_defaults(role, preset), **common, **options)
        return folder_guidance(request, policy)

    in_static = embeddings if PLACEHOLDER in static_prompt else None  # RealFusion's way
    static_view = load("view", "view", "")
    added = {"control": paths.get("control"), "embeddings": embeddings, "lora": models.lora}
    refine = load("refine", "image", refine_prompt, **added)
    moving_weight = released_defaults("view", preset, moving=True).weight
    guidances = Guidances(
        image=load("image", "image", static_prompt, embeddings=in_static) if with_image else None,
        view=None if static_view is None else replace(static_view, weight=moving_weight),
        video=load("video", "video", prompt, still=models.still),
        refine=refine or load("upscale", "upscale", refine_prompt),
    )
    return guidances, static_view


def check_folders(paths: dict[str, Path]) -> None:
    """Refuse a wrong folder in any role before gigabytes of another are read; single files are checked when read."""
    configs = {}
    for role, path in paths.items():
        if role in CHANNELS and path.is_dir() and not (role == "video" and unet_file(path)):
            configs[role] = check_unet(path, role)
    if "control" in paths:
        check_control(paths["image"], configs["image"], paths["control"])


def load_embedding(path: Path | None) -> Embeddings | None:
    """Return the one learned embedding of a file, by its name."""
    if path is None:
        return None
    tables = read_embedding(path)
    if len(tables) != 1:
        raise ValueError(
            f"{path} holds {len(tables)} learned embeddings ({', '.join(tables)}): give a file with one, for one "
            "subject."
        )
    return {name or path.stem: rows for name, rows in tables.items()}
