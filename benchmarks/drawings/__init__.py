"""Drawn pictures, one set for benchmarks and tests: those that the puppet is tuned on, and those that are held out.

Held-out pictures are measured and looked at, and nothing is changed because of one of them: what one of them lacks is
mended on a drawing of its kind among the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from a124core.reference.reference import Reference, make_reference

from . import flat as flat_colours
from . import held_out, textured
from .sheet import Sheet, flat, shaded

WHITE, DARK, GREEN = (1.0, 1.0, 1.0), (0.09, 0.09, 0.11), (0.83, 0.89, 0.83)  # backgrounds
Background = tuple[float, float, float]


@dataclass(frozen=True)
class Drawing:
    """A picture to be drawn, and a motion that fits it."""

    draw: Callable[[Sheet], None]
    motion: str
    background: Background | None = WHITE  # shaded and textured on it; None: flat colours, transparent around

    def reference(self) -> Reference:
        """Draw it, and cut it out where it has a background."""
        if self.background is None:
            return make_reference(*flat(self.draw), mask_marks="subject")
        return make_reference(shaded(self.draw, self.background))


TUNED_ON = {
    "owl": Drawing(textured.owl, "fly"),
    "tiger": Drawing(textured.tiger, "walk"),
    "dog": Drawing(textured.dog, "wag"),
    "person": Drawing(textured.person, "wave"),
    "car": Drawing(textured.car, "jump"),
    "eagle": Drawing(textured.eagle, "fly"),
    "guitar": Drawing(textured.guitar, "dance"),
    "wolf": Drawing(textured.wolf, "walk"),
    "minstrel": Drawing(textured.minstrel, "dance"),
    "wyvern": Drawing(textured.wyvern, "fly"),
    "fish": Drawing(flat_colours.fish, "wag", None),
    "cactus": Drawing(flat_colours.cactus, "wave", None),
    "ring": Drawing(flat_colours.ring, "jump", None),
    "balloons": Drawing(flat_colours.balloons, "fly", None),
}
HELD_OUT = {
    "fox": Drawing(held_out.fox, "nod"),
    "elephant": Drawing(held_out.elephant, "walk"),
    "tree": Drawing(held_out.tree, "sway"),
    "ship": Drawing(held_out.ship, "rock"),
    "bicycle": Drawing(held_out.bicycle, "jump"),
    "hammer": Drawing(held_out.hammer, "dance"),
    "logo": Drawing(held_out.logo, "jump"),
    "dragon": Drawing(held_out.dragon, "fly"),
    "snake": Drawing(held_out.snake, "wag"),
    "couple": Drawing(held_out.couple, "wave"),
    "wreath": Drawing(held_out.wreath, "dance"),
    "goose": Drawing(held_out.goose, "walk"),
    "guitarist": Drawing(held_out.guitarist, "walk"),
    "cat": Drawing(held_out.cat, "wag", DARK),
    "bear": Drawing(held_out.bear, "wave", GREEN),
}
DRAWINGS = TUNED_ON | HELD_OUT
