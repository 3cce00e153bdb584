"""A field baked to boxes of cells over time: what the viewer marches through instead of the field itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras.paths import StaticCamera, frame_times, without_repeated_end
from ...field.occupancy import Occupancy, is_occupied, occupied_box
from ...protocols import Field
from ...render.render import field_occupancy
from ...utils.text import count_noun

OnProgress = Callable[[int, int], None]  # frames done, frames in all; also told in between, so that a cancel is heard

POINTS_AT_ONCE = 2**17  # points asked of the field in one go
RAW_LIMIT = 2**29  # bytes of all cells, uncompressed: what a browser can be asked to keep on a graphics card
HIDING = 10.0  # optical thickness of one cell above which more density cannot be seen: exp(-10) of the light is left
SPREAD = 2  # cells that colour is carried into the empty space, so that interpolation never meets black
COLOURED = 5  # density byte from which a cell's own colour counts: below, 1 / 2500 of the peak, nobody sees it
SMALLEST, LARGEST = 8, 256  # cells along the longest side


@dataclass(frozen=True)
class VolumeOptions:
    """How large a baked scene may be, and what the viewer shows first."""

    resolution: int = 64  # cells along the longest side of the occupied box
    frames: int = 32  # moments; the viewer mixes neighbours, which is what they look like when they lie close
    megabytes: float = 32.0  # largest file, 10^6 bytes: resolution is lowered until it fits
    seconds: float = 3.0  # how long one pass through the scene takes at speed 1
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    camera: StaticCamera = StaticCamera()  # where the viewer stands when it opens; the default is the reference camera

    def __post_init__(self) -> None:
        if not SMALLEST <= self.resolution <= LARGEST:
            raise ValueError(f"resolution is {self.resolution}: choose {SMALLEST} to {LARGEST} cells.")
        if not 1 <= self.frames <= 256:
            raise ValueError(f"frames is {self.frames}: choose 1 to 256.")
        if not 0.0 < self.megabytes < float("inf"):
            raise ValueError(f"megabytes is {self.megabytes}: it must be above 0.")
        if not 0.0 < self.seconds < float("inf"):
            raise ValueError(f"seconds is {self.seconds}: it must be above 0.")


@dataclass(frozen=True)
class Volume:
    """F moments of one box of cells. The value of a cell is the field's at the cell's centre."""

    cells: Tensor  # (F, 4, Z, Y, X) uint8: density byte, red, green, blue
    box: Tensor  # (2, 3) corners of the box, x y z, world units
    time: Tensor  # (F,) scene time of each frame, ascending
    peak: float  # density = peak (byte / 255)^2
    loop: bool  # the frame after the last is the first


@torch.no_grad()
def bake_volume(
    field: Field,
    options: VolumeOptions,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> Volume:
    """The field at the centres of the cells of its occupied box. A scene that never moves becomes one frame."""
    if device is not None and hasattr(field, "to"):
        field = field.to(device)
    occupancy = field_occupancy(field, getattr(field, "table", torch.empty(0)).device)
    loop = bool(getattr(getattr(field, "config", None), "loop", False))
    moments = without_repeated_end(frame_times(options.frames)) if loop else frame_times(options.frames)
    occupied = occupancy.occupied()
    box, size = _cells_of_box(occupied_box(occupied).cpu(), options.resolution)
    _check_raw(size, len(moments), options)
    peak = _peak(occupancy, box, size)
    frames = []
    for k, moment in enumerate(moments):
        between = partial(on_progress, k, len(moments)) if on_progress is not None else None
        frames.append(_bake_frame(field, occupied, float(moment), box, size, peak, between))
        if on_progress is not None:
            on_progress(k + 1, len(moments))
    cells = torch.stack(frames)
    if (cells == cells[:1]).all():
        cells, moments, loop = cells[:1], moments[:1], False
    return _cropped(Volume(cells, box, moments, peak, loop))


def density_of_bytes(values: Tensor, peak: float) -> Tensor:
    """uint8 or float bytes -> density. The square keeps thin parts: most of 256 levels lie where light gets through."""
    return peak * (values.float() / 255.0).square()


def bytes_of_density(density: Tensor, peak: float) -> Tensor:  # -> uint8
    """The inverse, clipped at peak."""
    return (255.0 * (density.float() / peak).clamp(0.0, 1.0).sqrt()).round().byte()


def _cells_of_box(box: Tensor, resolution: int) -> tuple[Tensor, tuple[int, int, int]]:  # box (2, 3), X Y Z
    """Cubic cells over the box; the box grows a little where a side is no whole number of them."""
    sides = box[1] - box[0]
    cell = float(sides.max()) / resolution
    size = tuple(max(1, int(-(-float(side) // cell))) for side in sides)
    grow = (torch.tensor(size) * cell - sides) / 2.0
    return torch.stack((box[0] - grow, box[1] + grow)), size


def _check_raw(size: tuple[int, int, int], frames: int, options: VolumeOptions) -> None:
    raw = 4 * size[0] * size[1] * size[2] * frames
    if raw > RAW_LIMIT:
        raise ValueError(
            f"resolution {options.resolution} with {count_noun(frames, 'frame')} makes {raw / 2**20:.0f} MB of cells, "
            f"a browser is given {RAW_LIMIT // 2**20} at most: lower resolution or frames."
        )


def _peak(occupancy: Occupancy, box: Tensor, size: tuple[int, int, int]) -> float:
    """The density that byte 255 stands for: the highest seen, or what already hides everything within a cell."""
    cell = float((box[1] - box[0])[0]) / size[0]
    highest = float(occupancy.grid.max())
    if not highest > 0.0:
        raise ValueError("the scene is empty, its density is 0 everywhere: optimise it first, or choose another field.")
    return min(1.25 * highest, HIDING / cell)  # occupancy saw one point in each cell, so the highest may be higher


def _bake_frame(
    field: Field, occupied: Tensor, moment: float, box: Tensor, size: tuple[int, int, int], peak: float,
    between: Callable[[], None] | None = None,  # a cancel is an exception out of it
) -> Tensor:  # (4, Z, Y, X) uint8  # fmt: skip
    """One moment; cells that no marcher would sample are left empty without a look."""
    xyz = _centres(box, size).to(occupied.device)
    wanted = torch.nonzero(is_occupied(occupied, moment, xyz)).squeeze(1)
    density, albedo = torch.zeros(len(xyz), device=xyz.device), torch.zeros(len(xyz), 3, device=xyz.device)
    for some in wanted.split(POINTS_AT_ONCE):
        density[some], albedo[some] = field(xyz[some], xyz.new_full((len(some),), moment))
        if between is not None:
            between()
    shape = size[::-1]
    bytes_ = bytes_of_density(density, peak).reshape(1, *shape)
    colour = _spread((albedo.clamp(0.0, 1.0) * 255.0).T.reshape(3, *shape), bytes_[0] >= COLOURED)
    return torch.cat((bytes_, colour)).cpu()


def _centres(box: Tensor, size: tuple[int, int, int]) -> Tensor:  # (N, 3), x fastest
    axes = [box[0, a] + (torch.arange(n) + 0.5) / n * (box[1, a] - box[0, a]) for a, n in enumerate(size)]
    z, y, x = torch.meshgrid(*reversed(axes), indexing="ij")
    return torch.stack((x, y, z), dim=-1).reshape(-1, 3)


def _spread(colour: Tensor, known: Tensor) -> Tensor:  # (3, Z, Y, X) in 0 .. 255, (Z, Y, X) -> uint8
    """The mean of known neighbours, carried outwards cell by cell; black beyond, where no sample looks."""
    weight = known.float()[None]
    colour = colour * weight
    for _ in range(SPREAD):
        near = F.avg_pool3d(weight[None], 3, stride=1, padding=1)[0]
        mean = F.avg_pool3d(colour[None], 3, stride=1, padding=1)[0] / near.clamp_min(1e-6)
        colour = torch.where(weight > 0, colour, mean)
        weight = (near > 1e-6).float()
    return colour.round().byte()


def _cropped(volume: Volume) -> Volume:
    """Without the sides that are empty at every moment; one empty cell stays around the rest, to fade out into."""
    filled = (volume.cells[:, 0] > 0).any(dim=0)  # (Z, Y, X)
    if not filled.any():
        raise ValueError("the scene is empty, nothing in it can be seen: optimise it first, or choose another field.")
    low, high = [], []
    for axis in (2, 1, 0):  # x y z
        others = tuple(a for a in range(3) if a != axis)
        line = torch.nonzero(filled.any(dim=others[1]).any(dim=others[0])).squeeze(1)
        low.append(max(0, int(line.min()) - 1))
        high.append(min(filled.shape[axis], int(line.max()) + 2))
    cell = (volume.box[1] - volume.box[0]) / torch.tensor(filled.shape[::-1])
    box = volume.box[0] + cell * torch.tensor([low, high])
    kept = volume.cells[:, :, low[2] : high[2], low[1] : high[1], low[0] : high[0]].contiguous()
    return Volume(kept, box, volume.time, volume.peak, volume.loop)
