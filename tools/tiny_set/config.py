"""What the tiny set is trained on, how large it is, for how long it learns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

ROLES = ("image", "view", "video", "control")  # in this order: the later three begin as the first


@dataclass(frozen=True)
class World:
    """The scenes that are photographed. Whole combinations of subject and motion are held out."""

    subjects: tuple[str, ...] = ("snowman", "robot", "duck", "panda", "cat", "rocket")
    motions: tuple[str, ...] = ("jump", "sway", "squash", "walk", "rock", "bounce")
    cameras: int = 48  # for each trained combination; the first is the reference camera
    ticks: int = 8  # moments k / ticks; a clip is ticks of the ticks + 1
    size: int = 32  # pixels a side

    @property
    def held_out(self) -> tuple[tuple[str, str], ...]:
        """The diagonal: every subject and every motion is missing once, and is seen in other company."""
        return tuple(zip(self.subjects, self.motions, strict=True))

    @property
    def trained(self) -> tuple[tuple[str, str], ...]:
        """Every other combination."""
        return tuple((s, m) for s in self.subjects for m in self.motions if (s, m) not in self.held_out)


@dataclass(frozen=True)
class Nets:
    """Sizes of the networks; everything else is the layout of the real ones."""

    widths: tuple[int, ...] = (32, 64, 64)  # channels of the UNets, finest first; text is heard from the second on
    heads: int = 4
    groups: int = 8  # of every GroupNorm
    text_width: int = 64
    text_layers: int = 2
    text_length: int = 40  # tokens
    patch: int = 8  # pixels a side that the picture encoder of the view role reads at once


@dataclass(frozen=True)
class Course:
    """How one role learns: Adam, a short warm-up, then linearly down to nothing."""

    steps: int
    batch: int
    rate: float = 2e-3
    bf16: bool = False  # of the forward pass; weights, their average and Adam's moments stay float32

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1:
            raise ValueError(f"a course of {self.steps} steps of {self.batch}: each must be 1 or more.")


def _courses() -> dict[str, Course]:
    """About 45 minutes on two cores of an AMD EPYC with --jobs 2 --bf16: 0.13 s for a step of the image role,
    0.4 s for one of the video role. An older Intel Xeon takes twice as long."""
    return {
        "text": Course(steps=600, batch=64),
        "image": Course(steps=6_000, batch=16),
        "view": Course(steps=4_000, batch=16),
        "video": Course(steps=5_000, batch=4),
        "control": Course(steps=6_500, batch=16),
    }


@dataclass(frozen=True)
class Config:
    """One tiny set."""

    world: World = field(default_factory=World)
    nets: Nets = field(default_factory=Nets)
    courses: dict[str, Course] = field(default_factory=_courses)
    condition_dropout: float = 0.2  # share of a batch whose condition is left out, for classifier-free guidance
    average: float = 0.999  # decay of the exponential moving average of the weights, which is what is saved
    device: str = "cpu"
    snapshot_every: int = 50  # steps
    seed: int = 0


def shortened(config: Config, share: float) -> Config:
    """The same set with all courses cut to a share of their steps."""
    courses = {role: replace(c, steps=max(1, round(c.steps * share))) for role, c in config.courses.items()}
    return replace(config, courses=courses)
