"""The scenes of a benchmark: a folder for each, as the paper's data has them, and one JSON with their captions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...utils.files import in_order
from ...utils.json_files import read_json
from ...utils.text import quote_value
from ...utils.validate import checked_prompt
from ..own import path_digest

CAPTIONS = "captions.json"
LAYOUT = 'each scene is a folder NAME/image.jpg, and captions.json holds {"NAME": "a panda is dancing"}'
PROMPTS = ("caption", "static_prompt", "refine_prompt")  # of a scene whose caption is an object
FILES = {  # option of `animate` -> names in a scene's folder, of which the first that is there counts
    "image": ("rgba.png", "image.jpg", "image.jpeg", "image.png", "image.webp"),
    "depth": ("depth.png",),
    "token": ("learned_embeds.bin", "learned_embeds.safetensors"),
    "clip": ("clip", "clip.*"),
    "model": ("model", "model.*"),
}
ONLY_WITH = {"token": "diffusers", "clip": "builtin", "model": "builtin"}  # option -> the --priors that take it


@dataclass(frozen=True)
class Scene:
    """One picture and its sentence. A scene with a problem is reported and not run."""

    name: str
    files: dict[str, Path] = field(default_factory=dict)  # by option of `animate`
    prompts: dict[str, str] = field(default_factory=dict)  # those of PROMPTS that there are
    problem: str = ""

    @property
    def caption(self) -> str:
        return self.prompts.get("caption", "")

    def arguments(self, priors: str) -> tuple[str, ...]:
        """Return the options of `animate` that make this scene with the priors, builtin or diffusers."""
        texts = {"prompt": self.caption}
        if priors == "diffusers":
            texts |= {name.replace("_", "-"): text for name, text in self.prompts.items() if name != "caption"}
        named = [f"--{option}={text}" for option, text in texts.items()]
        return (*(f"--{option}={path}" for option, path in self._used_files(priors).items()), *named)

    def identity(self, priors: str) -> dict[str, Any]:
        """Return what a result depends on: the content of the files, wherever they are, and the prompts."""
        return {
            "files": {option: path_digest(path) for option, path in self._used_files(priors).items()},
            "prompts": self.prompts if priors == "diffusers" else self.caption,
        }

    def unused(self, priors: str) -> list[str]:
        """Return the names of files that these priors have no use for."""
        used = self._used_files(priors)
        return [path.name for option, path in self.files.items() if option not in used]

    def _used_files(self, priors: str) -> dict[str, Path]:
        return {option: path for option, path in self.files.items() if ONLY_WITH.get(option, priors) == priors}


def read_scenes(folder: Path, captions: Path, names: Iterable[str] = (), without: Path | None = None) -> list[Scene]:
    """Read the scenes of a folder in the order of their names; names: only these. Folders without a picture or caption,
    and captions without a folder, become scenes with a problem. `without` is no scene: the results may lie inside."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: {LAYOUT}.")
    texts = read_json(captions, f"put it there, or name one with --captions; {LAYOUT}", unique_names=True)
    inside = in_order(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    folders = {path.name: path for path in inside if without is None or path.resolve() != without.resolve()}
    if not folders and not texts:
        raise ValueError(f"{folder} holds no scene: {LAYOUT}.")
    known = dict.fromkeys([*folders, *sorted(texts)])
    for name in names:
        if name not in known:
            raise ValueError(f"--scenes: there is no scene {name!r} in {folder}: it holds {', '.join(known)}.")
    return [_read_scene(name, folders.get(name), texts) for name in dict.fromkeys(names or known)]


def _read_scene(name: str, folder: Path | None, texts: dict[str, Any]) -> Scene:
    try:
        if folder is None:
            raise ValueError("has a caption and no folder: put its picture into a folder of that name")
        files = {option: path for option, candidates in FILES.items() if (path := _file(folder, candidates))}
        if "image" not in files:
            raise ValueError(f"holds no picture: put {' or '.join(FILES['image'][:2])} into its folder")
        if name not in texts:
            raise ValueError("has no caption: add one under its name to the captions")
        return Scene(name, files, _prompts(texts[name]))
    except (OSError, ValueError) as error:
        return Scene(name, problem=str(error).rstrip("."))


def _file(folder: Path, candidates: tuple[str, ...]) -> Path | None:
    """Return the first of the candidates in a folder; ValueError where a name with any ending is there twice."""
    matches = [path for name in candidates for path in in_order(folder.glob(name))]
    if len(matches) > 1 and "*" in candidates[-1]:
        raise ValueError(f"holds {matches[0].name} and {matches[1].name}: leave one of them in its folder")
    return matches[0].resolve() if matches else None


def _prompts(value: Any) -> dict[str, str]:
    """Return the prompts of a scene: of its caption, or of an object with further prompts for models of your own."""
    prompts = value if isinstance(value, dict) else {"caption": value}
    if "caption" not in prompts or not set(prompts) <= set(PROMPTS):
        raise ValueError(f"has an entry with {quote_value(list(prompts))}: it takes {', '.join(PROMPTS)}")
    if not all(isinstance(text, str) for text in prompts.values()):
        raise ValueError(f"has the caption {quote_value(value)}, which is no text: write a sentence")
    return {name: checked_prompt(text) for name, text in prompts.items()}
