"""Options of the three stages as frozen dataclasses. Defaults: the authors' release; presets.py holds the others."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ..field.config import FieldConfig
from ..utils.validate import ABOVE_ZERO, ANY, check_choice, check_range

TEMPORAL_TV_FORMS = ("tables", "samples", "decoupled")
SAMPLINGS = ("balanced", "random", "never-zero", "stratified")
REFERENCE_MODES = ("released", "paper", "every")
BACKGROUNDS = ("random", "white")
PHASES = ("first", "random")
NORMALS = ("closed form", "differences")
CONDITIONS = ("frozen coarse", "current render")


@dataclass(frozen=True)
class RenderConfig:
    """Rays, samples and the occupancy grid (release)."""

    size: int = 128  # side of a novel view, pixels
    reference_size: int = 192  # side of the reference render
    samples: int = 1024  # steps across the cube's diagonal 2 * sqrt(3)
    occupancy_size: int = 128
    occupancy_slices: int = 16  # slices of time; a static field has 1
    occupancy_every: int = 16  # steps between updates
    occupancy_decay: float = 0.95
    occupancy_threshold: float = 10.0  # occupied if density > min(mean, this)
    chunk: int = 0  # pixels rendered with graph at once; 0: everything
    early_stop: bool = True  # leave out what no light reaches before rendering with a graph
    normals: str = "closed form"  # of shading and regularisers; or "differences", a low-pass (release)
    occupancy_sweep: int = 1  # updates from one that evaluates all cells to the next; others: those that are sampled
    # variance of what a picture's pixel averages over, pixels squared: 1/12 of its own square, 1/6 of the triangle by
    # which pictures are reduced. 0: a ray is compared as if it were a pixel (release)
    pixel_variance: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, 2, 4096, "size", "reference_size")
        check_range(self, 2, 2**16, "samples")
        check_range(self, 1, 1024, "occupancy_size", "occupancy_slices")
        check_range(self, 1, ANY, "occupancy_every", "occupancy_sweep")
        check_range(self, 0, 1, "occupancy_decay")
        check_range(self, 0, 0.25, "pixel_variance")
        check_range(self, 0, ANY, "occupancy_threshold", "chunk")
        check_choice(self, "normals", NORMALS)


@dataclass(frozen=True)
class LossWeights:
    """Weights of everything that is not SDS (release). Zero: not computed."""

    rgb: float = 5.0
    mask: float = 0.5
    depth: float = 0.01
    entropy: float = 1e-3
    orientation: float = 1e-2
    normal_tv: float = 0.5
    normal_blur: float = 0.5
    time_tv: float = 0.0  # 0.1 in the moving stages
    # "tables" (Eq. 2, older release) or "samples" (since 2023-12-15). "decoupled": no loss; after each step of Adam
    # every entry of the table goes the share time_tv of the way to the mean of its neighbours in time
    time_tv_form: str = "tables"

    def __post_init__(self) -> None:
        check_choice(self, "time_tv_form", TEMPORAL_TV_FORMS)
        check_range(self, 0, 1e12, *(f.name for f in fields(self) if f.name != "time_tv_form"))
        if self.time_tv_form == "decoupled":
            check_range(self, 0, 1, "time_tv")


@dataclass(frozen=True)
class OptimConfig:
    """Adam (release)."""

    grid_lr: float = 1e-2
    mlp_lr: float = 1e-3  # 0: the MLP stays as it is
    lr_end: float = 1.0  # learning rates fall linearly to this share of themselves
    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-15
    clip: float = 0.0  # clip gradients by value; 0: not
    clip_norm: float = 0.0  # clip the gradient of the table and that of the MLP, each by its norm; 0: not

    def __post_init__(self) -> None:
        check_range(self, ABOVE_ZERO, 1e3, "grid_lr")
        check_range(self, 0, 1e3, "mlp_lr")
        check_range(self, 0, 1, "lr_end")
        check_range(self, 0, 1 - 1e-6, "beta1", "beta2")
        check_range(self, 0, ANY, "eps", "clip", "clip_norm")


@dataclass(frozen=True)
class TimeConfig:
    """Temporal balanced sampling (release)."""

    sampling: str = "balanced"  # "random" and "never-zero" are ablations, "stratified" looks at all times alike
    ticks: int = 256  # the discrete time axis
    frames: int = 16  # frames of a clip
    start_rate: float = 0.2  # a clip is made to start at 0 with this probability, then a fair coin mirrors it

    def __post_init__(self) -> None:
        check_range(self, 2, ANY, "frames")
        check_range(self, 0, 1, "start_rate")
        check_choice(self, "sampling", SAMPLINGS)
        needed = self.frames + (self.sampling == "never-zero")
        if not self.ticks >= needed:
            raise ValueError(
                f"{self.frames} frames do not fit a time axis of {self.ticks} ticks: take {needed} ticks or more, or "
                "fewer frames."
            )


@dataclass(frozen=True)
class StageConfig:
    """What all stages share."""

    steps: int = 5_000
    step_offset: int = 0  # global steps before this stage: schedules of the release count on across stages
    render: RenderConfig = field(default_factory=RenderConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    optim: OptimConfig = field(default_factory=OptimConfig)
    reference_mode: str = "released"  # "released": every 4th step; "paper": where clips start at 0; "every": each step
    reference_every: int = 4
    reference_first: int = 99  # global steps 1 .. 99 are reference steps
    reference_jitter: float = 1e-3  # std of one shift of ray origins and directions on reference steps
    textureless: float = 0.2  # share of shaded novel views without texture
    shaded: bool = True  # False: novel views show albedo only
    background: str = "random"  # behind novel views: "random" or "white"

    def __post_init__(self) -> None:
        if not self.steps >= 1:
            raise ValueError(
                f"steps is {self.steps}: a stage needs at least 1 step. To leave a stage out, skip it instead."
            )
        check_range(self, 0, ANY, "step_offset", "reference_first", "reference_jitter")
        check_range(self, 2, ANY, "reference_every")
        check_range(self, 0, 1, "textureless")
        check_choice(self, "reference_mode", REFERENCE_MODES)
        check_choice(self, "background", BACKGROUNDS)


@dataclass(frozen=True)
class StaticConfig(StageConfig):
    """Stage 1: a static field from image prior, view prior and the reference image."""

    views: int = 1  # novel views a step
    normal_phase: float = 0.2  # share of steps whose novel views are normal maps
    masked_levels: int = 8  # so many of the finest levels are masked ...
    masked_until: float = 0.6  # ... for this share of the steps (release)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 1, 64, "views")
        check_range(self, 0, 1, "normal_phase", "masked_until")
        check_range(self, 0, ANY, "masked_levels")


@dataclass(frozen=True)
class CoarseConfig(StageConfig):
    """Stage 2: motion from the video prior."""

    steps: int = 10_000
    step_offset: int = 5_000
    time: TimeConfig = field(default_factory=TimeConfig)
    moving_camera: float = 0.9  # probability that the camera moves during a clip (release)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 0, 1, "moving_camera")


@dataclass(frozen=True)
class FineConfig(CoarseConfig):
    """Stage 3: the personalised prior repairs the drift."""

    steps: int = 5_000
    step_offset: int = 15_000
    textureless: float = 0.0
    refine_frames: int = 2  # frames of a clip given to the refinement prior, evenly spaced
    refine_phase: str = "first"  # "first": frames 0 and 8 of 16; "random": shifted together, so all are repaired
    condition: str = "frozen coarse"  # or "current render" (the threestudio extension; an ablation)
    condition_size: int = 0  # side of the frozen render, pixels; 0: as large as the clip (release)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 1, self.time.frames, "refine_frames")
        check_range(self, 0, 4096, "condition_size")
        check_choice(self, "refine_phase", PHASES)
        check_choice(self, "condition", CONDITIONS)


@dataclass(frozen=True)
class Preset:
    """One column of the table in docs/deviations.md."""

    field: FieldConfig
    static: StaticConfig
    coarse: CoarseConfig
    fine: FineConfig

    def __post_init__(self) -> None:
        check_range(self.field, 2, ANY, "time_grids")
        check_range(self.static, 0, self.field.levels - 1, "masked_levels")


DEFAULTS = Preset(FieldConfig(), StaticConfig(), CoarseConfig(), FineConfig())


def completed(options: dict[str, Any], config: Any) -> dict[str, Any]:
    """Return a config's saved options with those that came later at their defaults, which do what was done before."""
    result = dict(options)
    for f in fields(config):
        value = getattr(config, f.name)
        if not is_dataclass(value):
            result.setdefault(f.name, f.default)
        elif isinstance(result.get(f.name), dict):
            result[f.name] = completed(result[f.name], value)
    return result
