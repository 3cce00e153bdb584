"""Which folder plays which role for `--priors diffusers`; all that are missing are told at once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..export.embedding import read_embedding
from ..priors.diffusers.checks import UNET2D, UNET3D, check_control, unet_config
from ..priors.diffusers.modelscope import unet_file
from ..priors.diffusers.offload import OffloadPolicy
from ..priors.diffusers.roles import RoleRequest, folder_guidance
from ..priors.diffusers.text import Words
from ..priors.released import numbers
from ..priors.zero123_pose import ZERO123
from ..protocols import Guidance
from ..reference.reference import Reference

STILL = "a high-resolution DSLR image of "  # before the prompt of the static stage (release)


@dataclass(frozen=True)
class Known:
    """A public model for a role. docs/models.md has the same with links."""

    public: str
    size: str  # of the files in 32 bits; the 16-bit ones are half of it
    licence: str

    @property
    def folder(self) -> str:
        return self.public.rpartition("/")[2]


KNOWN = {
    "image": Known("stable-diffusion-v1-5/stable-diffusion-v1-5", "4.3 GB", "CreativeML OpenRAIL-M"),
    "view": Known("Yuyang-z/zero123-xl", "5 GB", "see its model card"),
    "video": Known("ali-vilab/text-to-video-ms-1.7b", "7.4 GB", "CC BY-NC 4.0"),
    "control": Known("lllyasviel/control_v11f1e_sd15_tile", "1.4 GB", "OpenRAIL"),
    "upscale": Known("stabilityai/stable-diffusion-x4-upscaler", "3.5 GB", "CreativeML Open RAIL++-M"),
}


UNETS = {"image": (4, UNET2D), "view": (8, UNET2D), "video": (4, UNET3D), "upscale": (7, UNET2D)}  # input channels


@dataclass(frozen=True)
class Models:
    """Paths by role, and what is said to them. None: looked for under `root`."""

    root: Path | None = None
    image: Path | None = None
    view: Path | None = None  # a folder, or Zero123's original file
    video: Path | None = None
    control: Path | None = None
    upscale: Path | None = None
    token: Path | None = None  # a learned word
    static_prompt: str | None = None  # None: STILL and the prompt
    refine_prompt: str | None = None  # None: the prompt
    negative: str = ""
    kind: str = ZERO123

    def path(self, role: str) -> Path | None:
        """Where a role's model is; None: nowhere. Under the root it has the role's name or the public one."""
        given = getattr(self, role)
        if given is not None:
            return given if given.exists() else None
        if self.root is None:
            return None
        tried = (self.root / name for name in (role, KNOWN[role].folder))
        return next((path for path in tried if path.exists()), None)

    def found(self, roles: tuple[str, ...]) -> dict[str, Path]:
        """The roles' paths, or one message on all that are missing."""
        paths = {role: self.path(role) for role in roles if role in KNOWN}
        missing = [role for role, path in paths.items() if path is None]
        if missing:
            raise ValueError(self._missing(missing))
        return {role: path for role, path in paths.items() if path is not None}

    def _missing(self, roles: list[str]) -> str:
        lines = [
            f"{self._root_said()}{len(roles)} of the models are missing, and this program downloads none. Copy each "
            "folder to the path behind it (16-bit files do), or name the one you have:"
        ]
        for role in roles:
            known, given = KNOWN[role], getattr(self, role)
            where = given if given is not None else (self.root or Path("MODELS")) / known.folder
            about = f"{known.public}, {known.size}, licence: {known.licence}"
            lines.append(f"  {role}: {where} ({about}); option --{role}-model")
        return "\n".join(lines)

    def _root_said(self) -> str:
        """What is odd about --models, before its models are told to be missing."""
        if self.root is None:
            return "Give --models, or a path for each. "
        if not self.root.exists():
            return f"The folder {self.root} does not exist. "
        if (self.root / "model_index.json").is_file():
            return f"{self.root} is itself a model: give the folder that holds it, or its own option. "
        return ""

    def identity(self) -> str:
        """What an interrupted run must share with the one that continues it: the models, however they were named."""
        said = {name: value for name, value in asdict(self).items() if name != "root"}
        said |= {role: self.path(role) for role in KNOWN}
        return json.dumps({k: str(v.resolve()) if isinstance(v, Path) else v for k, v in said.items()})


def needed(stages: tuple[str, ...], with_view: bool, refine: str) -> tuple[str, ...]:
    """The roles that a run asks. "control" is the ControlNet's folder; "refine" is made of it and the image's."""
    fine = "fine" in stages
    repairs = fine and refine in ("tile", "naive")
    wanted = {
        "image": "static" in stages or repairs,
        "view": with_view,
        "video": "coarse" in stages or fine,
        "control": fine and refine == "tile",
        "refine": repairs,
        "upscale": fine and refine == "upscale",
    }
    return tuple(role for role, asked in wanted.items() if asked)


@dataclass(frozen=True)
class Learned:
    """Guidances of one run."""

    image: Guidance | None
    still_view: Guidance | None
    view: Guidance | None  # the same prior, with its weight in the moving stages
    video: Guidance | None
    refine: Guidance | None


def learned(
    models: Models, picture: Reference | None, prompt: str, roles: tuple[str, ...], preset: str, place: OffloadPolicy
) -> Learned:
    """Every prior of the roles, loaded; the released numbers, or the paper's under its preset."""
    paths, words = models.found(roles), learned_words(models.token)
    check_folders(paths)
    common = {"negative": models.negative, "kind": models.kind, "reference": picture}
    still, repair = models.static_prompt or f"{STILL}{prompt}", models.refine_prompt or prompt

    def made(role: str, path: str, words_said: str, **more: Any) -> Guidance | None:
        if path not in paths or role not in roles:
            return None
        return folder_guidance(
            RoleRequest(role, paths[path], words_said, numbers(role, preset), **common, **more), place
        )

    view = made("view", "view", "")
    refine = made("refine", "image", repair, control=paths.get("control"), words=words)
    return Learned(
        image=made("image", "image", still),
        still_view=view,
        view=None if view is None else replace(view, weight=numbers("view", preset, moving=True).weight),
        video=made("video", "video", prompt),
        refine=refine or made("upscale", "upscale", repair),
    )


def check_folders(paths: dict[str, Path]) -> None:
    """A wrong folder in any role, before gigabytes of another role are read. Single files are looked at when read."""
    configs = {}
    for role, path in paths.items():
        if role in UNETS and path.is_dir() and not (role == "video" and unet_file(path)):
            channels, kind = UNETS[role]
            configs[role] = unet_config(path, channels, KNOWN[role].public, kind)
    if "control" in paths:
        check_control(paths["image"], configs["image"], paths["control"])


def learned_words(path: Path | None) -> Words | None:
    """The one learned word of a file."""
    if path is None:
        return None
    found = read_embedding(path)
    if len(found) != 1:
        raise ValueError(
            f"{path} holds {len(found)} learned words ({', '.join(found)}): give a file with one, for one subject."
        )
    return {name or path.stem: rows for name, rows in found.items()}
