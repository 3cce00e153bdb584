"""The types that field, renderer, priors and stages share. Two of them are contracts: Field and Prior."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

SHADING_MODES = ("albedo", "lambertian", "textureless", "normal")
# of Guidance.weight. "raw": of the sum over the latents' elements and w(t) as it is (release). "normalised": of their
# mean, w(t) divided by its mean over the noise range, times the stage's weight of the reference picture's colours.
WEIGHT_UNITS = ("raw", "normalised")


@dataclass(frozen=True)
class Cameras:
    """B cameras that look at the origin. World: right-handed, y up; azimuth 0 is +z, azimuth + moves towards +x."""

    elevation: Tensor  # (B,) degrees above the horizon
    azimuth: Tensor  # (B,) degrees
    radius: Tensor  # (B,) world units from the origin
    fovy: Tensor  # (B,) degrees, vertical

    def __len__(self) -> int:
        return self.elevation.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Cameras:
        """Select cameras by a slice, a mask or a tensor of indices, so that B stays a dimension."""
        return Cameras(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: torch.device | str) -> Cameras:
        return Cameras(*(getattr(self, f.name).to(device) for f in fields(self)))


@dataclass(frozen=True)
class Pinholes:
    """F frames of pinhole cameras with arbitrary poses; E eyes are rendered side by side."""

    c2w: Tensor  # (F, E, 4, 4) camera to world, E eyes, the left one first
    fovy: Tensor  # (F,) degrees, vertical
    centre: Tensor  # (F, E, 2) where the axis meets the eye's part, right and up of its middle, in image heights

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Pinholes:
        """Select images; F stays a dimension."""
        return Pinholes(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: torch.device | str) -> Pinholes:
        return Pinholes(*(getattr(self, f.name).to(device) for f in fields(self)))

    @property
    def eyes(self) -> int:
        return self.c2w.shape[1]


@dataclass(frozen=True)
class Shading:
    """How density gradients and albedo become colour. mode is one of SHADING_MODES."""

    mode: str = "albedo"
    ambient: float = 1.0  # share of ambient light
    light: Tensor | None = None  # (B, 3) unit vectors towards the light; None where the mode needs none

    def __post_init__(self) -> None:
        if self.mode not in SHADING_MODES:
            raise ValueError(f"shading mode is {self.mode!r}: choose one of {', '.join(SHADING_MODES)}.")


@dataclass(frozen=True)
class View:
    """What a prior may know about B rendered images; a clip is B frames of one item."""

    cameras: Cameras  # B cameras, world
    reference: Cameras  # 1 camera: the one the reference image was taken from
    time: Tensor  # (B,) scene time in [0, 1]
    background: Tensor  # (3,) colour behind the object
    shading: Shading = field(default_factory=Shading)
    view_text: bool = True  # may the text name the side in view? (not while the camera moves)
    condition: Tensor | None = None  # (B, 3, H, W) in [0, 1]: what a tile or upscale prior repairs

    def with_condition(self, condition: Tensor) -> View:
        return replace(self, condition=condition)


class Field(Protocol):
    """Density and colour in space and time. Inherit from it; override a default only where it differs."""

    occupancy: Any = None  # field.occupancy.Occupancy, the cells that may hold density; None: unknown
    loop: bool = False  # does time 1 continue at time 0?
    max_resolution: int | None = None  # of its finest detail, in cells along the cube; None: unknown
    front: float = 0.0  # degrees of azimuth that the reference image was taken from: where exports begin to look

    @property
    def device(self) -> torch.device:
        """The device that it is evaluated on."""
        return torch.device("cpu")

    def to(self, device: torch.device | str | None) -> Field:
        """Return the same field on a device (None: where it is); itself where it holds no tensors."""
        return self

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """xyz (N, 3) in [-1, 1], time (N,) in [0, 1] -> density (N,) >= 0, albedo (N, 3) in [0, 1]."""

    def density_gradient(self, xyz: Tensor, time: Tensor) -> Tensor:  # (N, 3)
        """Return d density / d xyz, differentiable with respect to the parameters; by autograd unless overridden."""
        with torch.enable_grad():
            points = xyz.detach().requires_grad_(True)
            density = self(points, time)[0]
            if not density.requires_grad:
                return torch.zeros_like(xyz)  # piecewise constant
            return torch.autograd.grad(density.sum(), points, create_graph=True)[0]


class FieldLostError(RuntimeError):
    """The numbers or the object are lost: the last steps are not worth keeping."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}: {advice}" if advice else reason)
        self.reason, self.advice = reason, advice


class FieldExplodedError(FieldLostError):
    """The numbers are lost as too high a learning rate loses them: a lower one may keep them."""


@runtime_checkable
class Prior(Protocol):
    """A frozen denoiser of something that can be rendered. sigma is variance exploding: x_t = x0 + sigma * eps.

    Inherit from it: members with a default are given only where they differ."""

    sigmas: Tensor  # (T,) ascending; the index is the timestep
    cameras: Cameras | None = None  # the only cameras it supports; None: any
    filmed: tuple[Cameras, ...] = ()  # of the clips that are its data: each 1 camera, or 1 for each frame of the clip
    exact: bool = False  # True: the posterior mean in closed form; False: a learned network
    unlit: bool = False  # True: its images show albedo alone, so it is asked about nothing else
    cfg: float | None = None  # scale of its classifier-free guidance; None: it has none
    reads_condition: bool = False  # does it use View.condition?
    flow: bool = False  # is it a flow-matching model, whose noise share s is sigma = s / (1 - s)?
    distilled: str = ""  # how it shows that it was distilled for few steps or without cfg; empty: it does not

    def with_cfg(self, scale: float) -> Prior:
        """The same prior with another scale, sharing its models; itself where it has none."""
        return self

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in [0, 1] -> x0, differentiable. A clip of F images becomes one item (1, C, F, h, w)."""

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        """x_t like x0, sigma (items,) -> x0_hat, classifier-free guidance inside, no gradient."""


@runtime_checkable
class ModelPrior(Prior, Protocol):
    """A prior that runs a network: it has weights, needs memory and can give it back."""

    def models(self) -> list[Any]:
        """The host's models that it runs, for the host to load; empty where it loads its own."""

    def weight_bytes(self) -> tuple[dict[int, int], int]:
        """(bytes that stay on the device by the id of their network, bytes that come only for a forward pass)."""

    def activation_bytes(self) -> int:
        """Bytes of the gradient of one image through its encoder."""

    def close(self) -> None:
        """Give the accelerator's memory back, after the last step or a cancel. It may be used again afterwards."""


@dataclass(frozen=True)
class Guidance:
    """A prior and how strongly and at which noise it is used. The wire between a guidance node and an optimizer."""

    prior: Prior
    weight: float  # factor of the SDS gradient
    t_min: float  # lowest timestep drawn, as a share of the schedule
    t_max: float  # highest timestep drawn at the first step
    t_max_end: float | None = None  # highest timestep at the last step, linear in between; None: no annealing
    form: str = "eps"  # "eps": w = 1 - abar; "clean": w = sqrt((1 - abar) / abar), the clean-latent loss
    angle_weight: bool = False  # scale by the angle to the reference camera over 180 degrees (Zero123)
    note: str = ""  # one sentence for the user: what it is, what it understood
    weight_unit: str = "raw"  # one of WEIGHT_UNITS
    calibrate: bool = False  # choose cfg and noise range when a stage begins, so that the scene keeps its contrast
    source: Prior | None = None  # of a video guidance: the same prior told that nothing moves (priors/sds.py)

    def __post_init__(self) -> None:
        check_noise_range(self.t_min, self.t_max)
        if self.form not in ("eps", "clean"):
            raise ValueError(f"form is {self.form!r}: use 'eps' or 'clean'.")
        if self.weight_unit not in WEIGHT_UNITS:
            raise ValueError(f"weight_unit is {self.weight_unit!r}: choose one of {', '.join(WEIGHT_UNITS)}.")


def check_noise_range(t_min: float, t_max: float) -> None:
    """Refuse a range of timesteps, as shares of the schedule, that is empty or leaves it."""
    if not 0.0 <= t_min <= t_max <= 1.0:
        raise ValueError(f"t_min is {t_min:g} and t_max is {t_max:g}: both lie from 0 to 1, t_max not below t_min.")


@dataclass(frozen=True)
class Guidances:
    """The guidances that are connected, by role. None: left out, which is an ablation of the method."""

    image: Guidance | None = None
    view: Guidance | None = None
    video: Guidance | None = None
    refine: Guidance | None = None

    def __iter__(self) -> Iterator[Guidance]:
        """Iterate over the connected ones, in the order of the fields."""
        return (g for g in (self.image, self.view, self.video, self.refine) if g is not None)


@dataclass(frozen=True)
class Step:
    """What a stage reports after every step. preview and snapshot cost nothing until they are called."""

    stage: str  # "static", "coarse" or "fine"
    step: int  # steps done, 1 .. steps
    steps: int
    losses: dict[str, float]
    preview: Callable[[], Tensor]  # -> (2, 3, H, W): the reference view and a moving novel view
    snapshot: Callable[[], Any]  # -> stages.snapshot.Snapshot, from which the stage continues to the same result
    gradient_shares: dict[str, float]  # of picture and priors at the pixels, over the last 100 steps; empty before
    notes: tuple[str, ...] = ()  # sentences for the user, of what went wrong and did not end the run


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Run:
    """How an optimisation is run, as opposed to what it optimises."""

    seed: int = 0
    device: torch.device | str = "cpu"
    on_step: Callable[[Any], None] | None = None  # called after every step; an exception out of it cancels the run
    resume: Any = None  # the snapshot to continue from
    saved: Callable[[int], Any] | None = None  # step -> the newest snapshot on disk of that step or before; None: none
