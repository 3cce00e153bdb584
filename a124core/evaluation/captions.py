"""Captions: those of the paper's benchmark, those of a file, and the set among which CLIP-R looks for a scene's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.json_files import read_json
from ..utils.text import count_noun, quote_value, shorten
from ..utils.validate import checked_prompt

ADVICE = 'write {"name of the scene": "its caption", ...}'
MAX_LISTED = 200  # characters of names in a message

PAPER = {  # the 24 image-text pairs of Animate124's benchmark, name -> caption
    "astronaut-horse": "an astronaut, helmet in hand, rides a white horse",
    "cat-sing": "a cat singing in front of a microphone",
    "cat-wave": "a full-bodied cat is waving its paw",
    "chimpanzee-accordion": "a chimpanzee playing accordion",
    "crab-crawl": "a crab raises its crawls",
    "crocodile-drum": "a crocodile enthusiastically drumming on a drum set",
    "eagle-fly": "an eagle is flying",
    "flag-wave": "Chinese flag attached to a flagpole, waving with a smooth, gentle curve",
    "fox-game": "a fox maneuvering a game controller with its paws",
    "kangaroo-accordion": "a kangaroo sitting, playing an accordion with its front paws",
    "lighting-candle": "a lighting candle",
    "lion-roar": "a lion is roaring",
    "messi": "lionel messi wearing a white and light blue striped soccer jersey, raising his fist",
    "monkey-bike": "a monkey riding a bike",
    "panda-dance": "a panda is dancing",
    "robot-laptop": "a sleek, futuristic humanoid robot with a shiny silver finish, using a laptop",
    "rose-flowerpot": "a rose in a flowerpot sway in the wind",
    "skeleton-wine": "a complete human skeleton in a relaxed position, enjoying a glass of rich red wine",
    "space-shuttle": "a space shuttle launching",
    "squirrel-nut": "a squirrel eating nut",
    "squirrel-saxophone": "a squirrel playing saxophone",
    "tiger-violin": "a tiger elegantly playing a violin",
    "tiger-guitar": "a full-bodied tiger standing on its hind legs, confidently playing an acoustic guitar",
    "fish": "a Clownfish is swimming",
}


@dataclass(frozen=True)
class Candidates:
    """The captions among which a scene's own is to be ranked first. The paper does not say which it took."""

    captions: tuple[str, ...]
    source: str  # "paper", or the words for another set

    def with_caption(self, caption: str) -> Candidates:
        """Return the set with a scene's own caption in it."""
        if caption in self.captions:
            return self
        return Candidates((*self.captions, caption), f"{self.source}, with its own")

    @property
    def chance(self) -> float:
        """The rate of a result that knows nothing."""
        return 1.0 / len(self.captions)

    def describe(self) -> str:
        return f"{count_noun(len(self.captions), 'caption')} ({self.source}), chance {100 * self.chance:.1f} %"


def paper_candidates() -> Candidates:
    """The 24 captions of the benchmark: chance is 4.2 %."""
    return Candidates(tuple(PAPER.values()), "the paper's")


def candidates_from(captions: Iterable[str], source: str) -> Candidates:
    """Return a set of captions; refuse an empty set, and captions that are there twice."""
    texts = [checked_prompt(caption) for caption in captions]
    if not texts:
        raise ValueError("the list of captions is empty: give at least one, each on a line of its own.")
    if twice := _doubled(texts):
        raise ValueError(f"captions are there twice ({_listed(twice)}): leave one of each out.")
    return Candidates(tuple(texts), source)


def read_captions(path: str | Path) -> dict[str, str]:
    """Read name -> caption from a JSON file, also that of a benchmark; refuse names that are there twice, and captions
    that are no texts."""
    captions = read_json(path, ADVICE, unique_names=True)
    return {name: _checked(path, name, caption) for name, caption in captions.items()}


def _checked(path: str | Path, name: str, caption: Any) -> str:
    caption = caption.get("caption") if isinstance(caption, dict) else caption  # beside prompts of a benchmark's scene
    if not isinstance(caption, str):
        raise ValueError(f"{path}: the caption of {quote_value(name)} is {quote_value(caption)}: {ADVICE}.")
    try:
        return checked_prompt(caption)
    except ValueError as error:
        raise ValueError(f"{path}: {quote_value(name)}: {error}") from None


def scene_captions(captions: Mapping[str, str], names: Iterable[str]) -> tuple[dict[str, str], str]:
    """Return the caption of each scene, and a note on captions without a scene; refuse scenes without a caption."""
    names = list(names)
    if missing := [name for name in names if name not in captions]:
        raise ValueError(f"no caption for {_listed(missing)} among {_listed(captions)}: {ADVICE}.")
    extra = [name for name in captions if name not in names]
    note = f"Captions without a scene here, still among the candidates: {_listed(extra)}." if extra else ""
    return {name: captions[name] for name in names}, note


def _doubled(texts: Iterable[str]) -> list[str]:
    texts = list(texts)
    return sorted({text for text in texts if texts.count(text) > 1})


def _listed(names: Iterable[str]) -> str:
    return shorten(", ".join(names) or "none", MAX_LISTED)
