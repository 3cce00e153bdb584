"""What a stage will need, counted before its first step.

Counted is what follows from the options: the field, its optimiser, the rays' graph, the networks' weights, the VAE's
gradient. What a network computes with while it is asked is not: only asking tells."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from ..field.config import FieldConfig
from ..field.field4d import Field4D, new_field
from ..field.grid import rows_per_grid
from ..field.occupancy import empty_occupancy, update_occupancy
from ..kernels.dispatch import backend_name
from ..protocols import Cameras, Guidance, ModelPrior
from ..render.render import camera_rays, occupancy_mask
from ..render.sample import sample_rays
from ..stages.config import CoarseConfig, FineConfig, StageConfig
from ..stages.gradients import needs_normals
from ..utils.device import free_memory
from ..utils.text import format_bytes

NUMBER = 4  # bytes of a float32
CORNERS = 64  # bytes of a sample on one level that plain torch keeps and kernels make again: 8 indices, 8 shares
ASKED = 20  # bytes of a sample that Numba keeps each time the tables are asked: its place, a row, a share
PLACED = 44  # bytes of a sample that has no graph yet: its place, its weight, its normal
BATCH = 2**18  # points at once where the occupancy is refreshed
FILLED = 0.055  # of the steps across the cube: the most of seven finished scenes (0.037 to 0.055, 64 cells a side)
CELLS = 32  # a side, for a first look at a new field
LOOK = 32  # pixels of the pictures whose samples are counted


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on the device that a stage computes on."""

    field: int  # tables and MLP: weights, gradients, two moments of Adam
    beside: int  # the occupancy; in the fine stage also the frozen copy of the field
    networks: int  # weights of the connected models
    passing: int  # at its most: the graph of the rays that are rendered at once, the VAE's gradient of a picture

    @property
    def total(self) -> int:
        return self.field + self.beside + self.networks + self.passing

    def line(self) -> str:
        """For people; rounded, because the graph depends on what is in the picture."""
        parts = {"field and optimiser": self.field + self.beside, "weights of models": self.networks,
                 "pictures and gradients": self.passing}  # fmt: skip
        said = ", ".join(f"{what} {format_bytes(size)}" for what, size in parts.items() if size)
        more = "; what the models compute with comes on top" if self.networks else ""
        return f"about {format_bytes(self.total)} of memory beside the program ({said}{more})"


def estimate_memory(
    field: FieldConfig,  # where start is given, only its time grids count, and only if start stands still
    config: StageConfig,
    guidances: Iterable[Guidance | None],
    kernels: str,  # what computes the field's operations, see kernels_on
    camera: Cameras,  # the one that took the picture
    start: Field4D | None = None,  # what a moving stage begins with
) -> MemoryEstimate:
    """What the stage holds at most."""
    grids = field.time_grids if isinstance(config, CoarseConfig) else 1
    if start is not None:
        field, grids = start.config, grids if start.table.shape[0] == 1 else start.table.shape[0]
    field = replace(field, time_grids=grids)
    table, small = table_bytes(field), mlp_bytes(field)
    cells = _cells(field, config) * NUMBER
    frozen = table + small + cells if isinstance(config, FineConfig) else 0
    stays, comes = _weights(guidances)
    passing = _passing(field, config, _per_ray(field, config, start, camera), _encoder(guidances), kernels)
    return MemoryEstimate(4 * (table + small), cells + frozen, stays + comes, passing)


def kernels_on(device: torch.device | str) -> str:
    """What computes the field's operations there: "torch", "numba" or "triton"."""
    return backend_name(torch.device(device))


def table_bytes(field: FieldConfig) -> int:
    """Of the time grids, once."""
    return field.time_grids * rows_per_grid(field) * 2 * NUMBER


def mlp_bytes(field: FieldConfig) -> int:
    """w1, b1, w2, b2, once."""
    return (field.hidden * (2 * field.levels + 1) + 4 * (field.hidden + 1)) * NUMBER


def _cells(field: FieldConfig, config: StageConfig) -> int:
    slices = config.render.occupancy_slices if field.time_grids > 1 else 1
    return slices * config.render.occupancy_size**3


def graph_bytes(field: FieldConfig, normals: bool, kernels: str) -> int:
    """What one sample keeps for the way back. Added up from what the operations save, and tested against it; a
    normal asks the field again and keeps the slopes along three axes."""
    corners, asked = CORNERS if kernels == "torch" else 0, ASKED if kernels == "numba" else 0
    plain = (8 + corners) * field.levels + 4 * field.hidden + 96 + asked
    return plain + ((40 + 3 * corners) * field.levels + 9 * field.hidden + 65 + 2 * asked if normals else 0)


def _moments(field: FieldConfig, samples: float, moments: int, normals: bool, kernels: str) -> float:
    """Where moments are few, a grid is made for each, which plain torch keeps for the way back and Numba does not;
    else each sample looks into two grids. Triton makes none."""
    if kernels == "triton" or field.time_grids == 1:
        return 0
    looks = 3 if normals and kernels == "torch" else 1
    return looks * min(moments * rows_per_grid(field) * 2 * NUMBER, samples * CORNERS * field.levels)


def _passing(field: FieldConfig, config: StageConfig, per_ray: float, encoder: int, kernels: str) -> int:
    """The largest of the works that follow each other in a step."""
    r = config.render
    frames = config.time.frames if isinstance(config, CoarseConfig) else 1
    rays = max(frames * r.size**2, r.reference_size**2)
    at_once = min(r.chunk or rays, rays)
    normals = config.shaded or needs_normals(config.losses)
    moments = min(frames, 1 + math.ceil(at_once / r.size**2)) if frames > 1 else 1
    samples = at_once * per_ray
    graph = samples * graph_bytes(field, normals, kernels) + _moments(field, samples, moments, normals, kernels)
    update, look = table_bytes(field), graph_bytes(field, False, kernels)
    if at_once == rays:  # the graph waits while the priors judge
        step = graph + max(encoder, update)
    else:
        step = rays * per_ray * PLACED + max(encoder, graph + update)
    cells = _cells(field, config)
    refresh = 2 * cells * NUMBER + min(BATCH, r.occupancy_size**3) * look
    differences = update * (0 if kernels == "triton" else 2) if config.losses.time_tv > 0 and frames > 1 else 0
    frozen = config.refine_frames * r.size**2 * per_ray * look if isinstance(config, FineConfig) else 0
    return round(max(step, refresh, differences, frozen))


def _per_ray(field: FieldConfig, config: StageConfig, start: Field4D | None, camera: Cameras) -> float:
    """Samples of a ray, on average over a picture: now, or when the object has its shape, whichever is more."""
    steps = config.render.samples
    if start is None and not isinstance(config, CoarseConfig):
        start = _fresh(field, config)
    return max(FILLED * steps, 0.0 if start is None else samples_per_ray(start, camera, steps))


def _fresh(field: FieldConfig, config: StageConfig) -> Field4D:
    """What the static stage begins with: a blob."""
    rng = torch.Generator().manual_seed(0)
    still, r = new_field(field, rng), config.render
    cells = empty_occupancy(min(r.occupancy_size, CELLS), 1, r.occupancy_threshold)
    return replace(still, occupancy=update_occupancy(cells, still, r.occupancy_decay, rng))


def samples_per_ray(field: Field4D, camera: Cameras, steps: int) -> float:
    """Steps that the marcher places for a ray of this camera, in the first and the middle slice of time; 0 where
    nobody has looked yet which parts of the field are empty."""
    if field.occupancy is None:
        return 0.0
    slices = field.occupancy.grid.shape[0]
    some = field.occupancy.grid[[0, slices // 2] if slices > 1 else [0]].cpu()
    time = (torch.arange(len(some)) + 0.5) / len(some)
    rays = camera_rays(camera[torch.zeros(len(some), dtype=torch.long)], time, LOOK)
    return len(sample_rays(rays, occupancy_mask(replace(field.occupancy, grid=some)), steps).ray) / len(rays)


def _weights(guidances: Iterable[Guidance | None]) -> tuple[int, int]:
    """Bytes of the models that stay on the device, each once, and of the largest that comes only for a forward pass."""
    parts = [prior.weight_bytes() for prior in model_priors(guidances)]
    resident = {network: size for stays, _ in parts for network, size in stays.items()}
    return sum(resident.values()), max((comes for _, comes in parts), default=0)


def _encoder(guidances: Iterable[Guidance | None]) -> int:
    """Bytes for the gradient of one image through the largest VAE: one encodes at a time."""
    return max((prior.activation_bytes() for prior in model_priors(guidances)), default=0)


def model_priors(guidances: Iterable[Guidance | None]) -> list[ModelPrior]:
    """The priors that run a network."""
    return [g.prior for g in guidances if g is not None and isinstance(g.prior, ModelPrior)]


def shortfall(needs: MemoryEstimate, device: torch.device | str, instead: str) -> str | None:
    """A sentence if the device has less free than was counted; None where there is enough or nobody says."""
    free = free_memory(device)
    if free is None:
        return None
    held = needs.networks if torch.device(device).type == "cpu" else 0  # there the models are loaded already
    if needs.total - held <= free:
        return None
    return f"That is more than the {format_bytes(free + held)} that {device} has: if it runs out of memory, {instead}."
