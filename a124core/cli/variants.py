"""The systems that are compared: the whole method, and the method with one part left out or changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

FULL = "full"


@dataclass(frozen=True)
class Variant:
    """One compared system: a row of a table."""

    name: str  # in commands, names of folders and tables
    meaning: str  # what it stands for
    arguments: tuple[str, ...] = ()  # options of `animate` that make it of the whole method

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.replace("-", " ")


VARIANTS = (
    Variant(FULL, "the whole method"),
    Variant("no-view-prior", "without the 3D prior, in all stages (the paper's table 2)", ("--no-view-prior",)),
    Variant("random-sampling", "without temporal balancing: clips begin anywhere (table 2)", ("--sampling", "random")),
    Variant(
        "never-starting-at-0",
        "without temporal balancing, its extreme: no clip begins with the picture",
        ("--sampling", "never-zero"),
    ),
    Variant("no-refinement", "without semantic refinement: the coarse stage is the last (table 2)", ("--skip", "fine")),
    Variant(
        "current-condition",
        "refinement of the scene as it is now, not as the coarse stage left it (the threestudio extension)",
        ("--condition", "current render"),
    ),
    Variant(
        "no-controlnet",
        "refinement by the personalised prior alone, without ControlNet (with --priors diffusers)",
        ("--refine", "naive"),
    ),
    Variant(
        "zero123-v",
        "Zero-1-to-3-V: a static scene by the view prior alone, then the video prior alone (the paper's table 1)",
        ("--no-image-prior", "--no-moving-view-prior", "--skip", "fine"),
    ),
    Variant(
        "realfusion-v",
        "RealFusion-V: a static scene by an image prior that knows a learned word, then the video prior (table 1)",
        ("--no-view-prior", "--static-prompt", "an image of a <token>", "--skip", "fine"),
    ),
    Variant("hexplane", "HexPlane in place of the 4D grid", ("--backbone", "HexPlane")),
    Variant("x4-upscaler", "refinement by the upscaler, which never saw the picture", ("--refine", "upscale")),
    Variant(
        "text-to-4d",
        "like MAV3D: the prompt alone, HexPlane, the upscaler; its private video model is replaced",
        ("--no-reference", "--backbone", "HexPlane", "--refine", "upscale"),
    ),
    Variant("image-to-4d", "the object's name is the whole prompt: no word says how it moves", ("--no-motion-words",)),
    Variant(
        "magic123-static",
        "like Magic123: the static stage alone, by image and view prior; nothing moves",
        ("--skip", "coarse", "--skip", "fine"),
    ),
    Variant(
        "dreamfusion",
        "like DreamFusion: a static scene of the prompt alone",
        ("--no-reference", "--skip", "coarse", "--skip", "fine"),
    ),
)
TABLE_2 = (FULL, "no-view-prior", "random-sampling", "no-refinement")  # the paper's


def variants_named(names: Iterable[str]) -> tuple[Variant, ...]:
    """Return the variants of these names, each once, in their order."""
    known = {variant.name: variant for variant in VARIANTS}
    for name in names:
        if name not in known:
            similar = get_close_matches(name, known, n=1)
            advice = f"did you mean {similar[0]}?" if similar else f"choose of {', '.join(known)}."
            raise ValueError(f"there is no variant {name!r}: {advice}")
    return tuple(known[name] for name in dict.fromkeys(names))
