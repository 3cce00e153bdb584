"""How much memory a stage needs, estimated before its first step.

The field, its optimiser and the networks' weights follow from the options to the byte; the graph of the rays is an
estimate, because it depends on the scene, and what a network computes with is not in it. `--estimate` measures all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..field.config import FieldConfig
from ..field.layout import features_per_level, parameter_shapes, table_parameters
from ..kernels.dispatch import backend_name
from ..priors.point_mass import PointMassPrior
from ..protocols import Guidance, ModelPrior
from ..stages.config import CoarseConfig, FineConfig, StageConfig
from ..stages.gradients import needs_normals
from ..utils.device import free_memory
from ..utils.text import format_bytes

FLOAT = 4  # bytes of a float32
CORNER_BYTES = {"torch": 64, "numba": 0, "triton": 0}  # of a sample on one level: 8 indices, 8 weights
PLANE_BYTES = 144  # the same of HexPlane, in torch everywhere: 18 indices, 18 weights; three lines of one time grid
LOOKUP_BYTES = {"torch": 0, "numba": 20, "triton": 0}  # of a sample each time the tables are read
DIFFERENCES_BYTES = 141  # of a sample, beside the six readings of the field
FILLED = 0.06  # share of the steps across the cube that are samples: of a new field; finished scenes have 0.04 to 0.06
FOG = 0.21  # the same of a new field whose density is softplus


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on the device that a stage computes on."""

    field: int  # tables and MLP: weights, gradients, two moments of Adam
    auxiliary: int  # the occupancy; the frozen fields beside it
    networks: int  # weights of the connected models
    transient: int  # at its peak: the graph of the rays rendered at once, and the gradient of an image through the VAE
    owned: int = 0  # of these none is on the device: 3D models, clips and pictures that are loaded already

    @property
    def total(self) -> int:
        """All that is on the device."""
        return self.field + self.auxiliary + self.networks + self.transient

    def line(self) -> str:
        """Say it in one line, rounded."""
        parts = {
            "field and optimiser": self.field + self.auxiliary,
            "weights of models": self.networks,
            "images and gradients": self.transient,
        }
        listed = ", ".join(f"{name} {format_bytes(size)}" for name, size in parts.items() if size)
        more = "; what the models compute with comes on top" if self.networks else ""
        more += f"; 3D models, clips and pictures hold {format_bytes(self.owned)}" if self.owned else ""
        return f"about {format_bytes(self.total)} of memory beside the program ({listed}{more})"


def estimate_memory(
    field: FieldConfig,  # of which a static stage uses one time grid
    config: StageConfig,
    guidances: Iterable[Guidance | None],
    kernels: str,  # see kernels_on
) -> MemoryEstimate:
    """Estimate the peak of a stage."""
    field = replace(field, time_grids=field.time_grids if isinstance(config, CoarseConfig) else 1)
    guidances = tuple(guidances)
    priors = model_priors(guidances)
    still = 0  # the scene at time 0, that a source judges
    if isinstance(config, CoarseConfig) and any(g is not None and g.source is not None for g in guidances):
        still = weight_bytes(replace(field, time_grids=1)) + config.render.occupancy_size**3 * FLOAT
    weights = weight_bytes(field)
    slices = config.render.occupancy_slices if field.time_grids > 1 else 1
    occupancy = slices * config.render.occupancy_size**3 * FLOAT
    frozen = weights + occupancy if isinstance(config, FineConfig) else 0
    encoder = max((prior.activation_bytes() for prior in priors), default=0)  # one encodes at a time
    normals = config.render.normals if config.shaded or needs_normals(config.losses) else None
    graph = samples_at_once(field, config) * graph_bytes(field, normals, kernels)
    transient = round(graph + max(encoder, table_bytes(field)))
    return MemoryEstimate(4 * weights, occupancy + frozen + still, _weights(priors), transient, owned_bytes(guidances))


def kernels_on(device: torch.device | str) -> str:
    """Return what computes the field's operations there: "torch", "numba" or "triton"."""
    return backend_name(torch.device(device))


def table_bytes(field: FieldConfig) -> int:
    """Size of the time grids, and of HexPlane's planes of space."""
    return table_parameters(field) * FLOAT


def weight_bytes(field: FieldConfig) -> int:
    """Size of tables and MLP."""
    return sum(map(prod, parameter_shapes(field).values())) * FLOAT


def samples_at_once(field: FieldConfig, config: StageConfig) -> float:
    """Estimate the samples that are rendered with their graph at once."""
    r = config.render
    frames = config.time.frames if isinstance(config, CoarseConfig) else getattr(config, "views", 1)
    n_rays = max(frames * r.size**2, r.reference_size**2)
    filled = FOG if field.density == "softplus" and not isinstance(config, CoarseConfig) else FILLED
    return min(r.chunk or n_rays, n_rays) * filled * r.samples


def graph_bytes(field: FieldConfig, normals: str | None, kernels: str) -> int:
    """Size of what one sample keeps for the backward pass: added up from what the operations save. A normal in closed
    form reads the field again and keeps the slopes along three axes; one of differences reads it six times."""
    corners, lookup, width = CORNER_BYTES[kernels], LOOKUP_BYTES[kernels], features_per_level(field)
    if field.backbone == "HexPlane":
        corners, lookup = PLANE_BYTES, 0
    query = (4 * width + corners) * field.levels + 4 * field.hidden + lookup
    if normals is None:
        return query + 96
    if normals == "differences":
        return 7 * query + 96 + DIFFERENCES_BYTES
    return query + 96 + (20 * width + 3 * corners) * field.levels + 9 * field.hidden + 65 + 2 * lookup


def model_priors(guidances: Iterable[Guidance | None]) -> list[ModelPrior]:
    """Return the priors that run a network, sources included."""
    priors = [prior for g in guidances if g is not None for prior in (g.prior, g.source)]
    return [prior for prior in priors if isinstance(prior, ModelPrior)]


def owned_bytes(guidances: Iterable[Guidance | None]) -> int:
    """Return the size of the 3D models, clips and pictures that are the data of priors, each once."""
    priors = [g.prior for g in guidances if g is not None and isinstance(g.prior, PointMassPrior)]
    storages = [tensor.untyped_storage() for prior in priors for tensor in _tensors(prior)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    """Find the tensors in records and tuples of records."""
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        yield from (tensor for field in fields(value) for tensor in _tensors(getattr(value, field.name)))
    elif isinstance(value, tuple):
        yield from (tensor for item in value for tensor in _tensors(item))


def _weights(priors: list[ModelPrior]) -> int:
    """Size of the networks that stay on the device, each once, and of the largest that comes for a forward pass."""
    parts = [prior.weight_bytes() for prior in priors]
    resident = {network: size for stays, _ in parts for network, size in stays.items()}
    return sum(resident.values()) + max((comes for _, comes in parts), default=0)


def shortfall(estimate: MemoryEstimate, device: torch.device | str, instead: str) -> str | None:
    """Say that the device has less free than the estimate; None where there is enough or nobody knows."""
    free = free_memory(device)
    if free is None:
        return None
    loaded = estimate.networks if torch.device(device).type == "cpu" else 0  # there the models are loaded already
    if estimate.total - loaded <= free:
        return None
    available = format_bytes(free + loaded)
    return f"That is more than the {available} that {device} has: if it runs out of memory, {instead}."
