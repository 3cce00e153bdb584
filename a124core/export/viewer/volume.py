"""A field baked to boxes of cells over time: what the viewer marches through instead of the field itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras.paths import StaticCamera, frame_times
from ...field.occupancy import Occupancy, OccupancyMask, field_occupancy
from ...protocols import Field
from ...utils.progress import OnProgress
from ...utils.text import count_noun
from ...utils.validate import check_range

BATCH_POINTS = 2**17  # field queries at once
MAX_RAW_BYTES = 2**29  # of all cells, uncompressed: what a browser can be expected to hold on a graphics card
MAX_THICKNESS = 10.0  # optical thickness of a cell above which more density is invisible: exp(-10) of the light passes
DILATION = 2  # cells that colour is extended into the empty space, so that interpolation never meets black
MIN_COLOURED = 5  # density byte from which a cell's own colour counts: below, 1 / 2500 of the peak, it is invisible
MAX_FRAMES = 256
MIN_RESOLUTION, MAX_RESOLUTION = 8, 256  # cells along the longest side


@dataclass(frozen=True)
class VolumeOptions:
    """How large a baked scene may be, and what the viewer displays first."""

    resolution: int = 64  # cells along the longest side of the occupied box
    frames: int = 32  # times; the viewer blends neighbours, which is close to the scene where they lie close together
    megabytes: float = 32.0  # largest file, 10^6 bytes: resolution is lowered until it fits
    seconds: float = 3.0  # duration of one pass through the scene at speed 1
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    camera: StaticCamera = StaticCamera()  # of the viewer when it opens, azimuth from the field's front

    def __post_init__(self) -> None:
        check_range(self, MIN_RESOLUTION, MAX_RESOLUTION, "resolution")
        check_range(self, 1, MAX_FRAMES, "frames")
        for name in ("megabytes", "seconds"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be above 0.")


@dataclass(frozen=True)
class Volume:
    """F frames of one box of cells. The value of a cell is the field's at the cell's centre."""

    cells: Tensor  # (F, 4, Z, Y, X) uint8: density byte, red, green, blue
    box: Tensor  # (2, 3) corners of the box, x y z, world units
    time: Tensor  # (F,) scene time of each frame, ascending
    peak: float  # density = peak (byte / 255)^2
    loop: bool  # the frame after the last is the first


@torch.no_grad()
def bake_volume(
    field: Field,
    options: VolumeOptions,
    on_progress: OnProgress | None = None,  # in frames, called also within them
    device: torch.device | str | None = None,
) -> Volume:
    """Query the field at the centres of the cells of its occupied box; a scene that never moves becomes one frame."""
    field = field.to(device)
    occupancy, loop = field_occupancy(field), field.loop
    times = frame_times(options.frames, loop)
    mask = occupancy.mask()
    box, size = _cell_grid(mask.aabb.cpu(), options.resolution)
    _check_raw_size(size, len(times), options)
    peak = _peak_density(occupancy, box, size)
    frames: list[Tensor] = []
    report = None if on_progress is None else lambda: on_progress(len(frames), len(times), "")
    for time in times.tolist():
        frames.append(_bake_frame(field, mask, time, box, size, peak, report))
        if report is not None:
            report()
    cells = torch.stack(frames)
    if (cells == cells[:1]).all():
        cells, times, loop = cells[:1], times[:1], False
    return _cropped(Volume(cells, box, times, peak, loop))


def bytes_of_density(density: Tensor, peak: float) -> Tensor:  # -> uint8
    """Encode a density, clipped at peak. The root keeps thin parts: most of the 256 levels lie where light passes."""
    return (255.0 * (density.float() / peak).clamp(0.0, 1.0).sqrt()).round().byte()


def _cell_grid(box: Tensor, resolution: int) -> tuple[Tensor, tuple[int, int, int]]:  # box (2, 3), X Y Z
    """Divide the box into cubic cells; it grows a little where a side is no whole number of them."""
    sides = box[1] - box[0]
    cell = float(sides.max()) / resolution
    size = tuple(max(1, int(-(-float(side) // cell))) for side in sides)
    grow = (torch.tensor(size) * cell - sides) / 2.0
    return torch.stack((box[0] - grow, box[1] + grow)), size


def _check_raw_size(size: tuple[int, int, int], frames: int, options: VolumeOptions) -> None:
    """Refuse more cells than a browser can hold."""
    raw = 4 * math.prod(size) * frames
    if raw > MAX_RAW_BYTES:
        raise ValueError(
            f"resolution {options.resolution} with {count_noun(frames, 'frame')} makes {raw / 2**20:.0f} MB of cells, "
            f"a browser is given {MAX_RAW_BYTES // 2**20} at most: lower resolution or frames."
        )


def _peak_density(occupancy: Occupancy, box: Tensor, size: tuple[int, int, int]) -> float:
    """Return the density that byte 255 stands for: the highest of the occupancy, or what is opaque within a cell."""
    cell = float((box[1] - box[0])[0]) / size[0]
    highest = float(occupancy.grid.max())
    if not highest > 0.0:
        raise ValueError("the scene is empty, its density is 0 everywhere: optimise it first, or choose another field.")
    return min(1.25 * highest, MAX_THICKNESS / cell)  # occupancy samples one point of each cell: others may be higher


def _bake_frame(
    field: Field,
    mask: OccupancyMask,
    time: float,
    box: Tensor,
    size: tuple[int, int, int],
    peak: float,
    report: Callable[[], None] | None,  # called after each batch; a cancel is an exception out of it
) -> Tensor:  # (4, Z, Y, X) uint8
    """Bake one time; cells that no marcher would sample are left empty without a query."""
    xyz = _cell_centres(box, size).to(mask.binary.device)
    density, albedo = torch.zeros(len(xyz), device=xyz.device), torch.zeros(len(xyz), 3, device=xyz.device)
    for batch in torch.nonzero(mask.contains(xyz, time)).squeeze(1).split(BATCH_POINTS):
        density[batch], albedo[batch] = field(xyz[batch], xyz.new_full((len(batch),), time))
        if report is not None:
            report()
    shape = size[::-1]
    bytes_ = bytes_of_density(density, peak).reshape(1, *shape)
    colour = _dilate((albedo.clamp(0.0, 1.0) * 255.0).T.reshape(3, *shape), bytes_[0] >= MIN_COLOURED)
    return torch.cat((bytes_, colour)).cpu()


def _cell_centres(box: Tensor, size: tuple[int, int, int]) -> Tensor:  # (N, 3), x fastest
    axes = [box[0, a] + (torch.arange(n) + 0.5) / n * (box[1, a] - box[0, a]) for a, n in enumerate(size)]
    z, y, x = torch.meshgrid(*reversed(axes), indexing="ij")
    return torch.stack((x, y, z), dim=-1).reshape(-1, 3)


def _dilate(colour: Tensor, valid: Tensor) -> Tensor:  # (3, Z, Y, X) in 0 .. 255, (Z, Y, X) -> uint8
    """Extend valid colours outwards cell by cell as the mean of valid neighbours; black beyond, where no sample is."""
    weight = valid.float()[None]
    colour = colour * weight
    for _ in range(DILATION):
        near = F.avg_pool3d(weight[None], 3, stride=1, padding=1)[0]
        mean = F.avg_pool3d(colour[None], 3, stride=1, padding=1)[0] / near.clamp_min(1e-6)
        colour = torch.where(weight > 0, colour, mean)
        weight = (near > 1e-6).float()
    return colour.round().byte()


def _cropped(volume: Volume) -> Volume:
    """Crop the sides that are empty at every time; one empty cell stays around the rest, to fade out into."""
    filled = (volume.cells[:, 0] > 0).any(dim=0)  # (Z, Y, X)
    if not filled.any():
        raise ValueError("the scene is empty, nothing in it is visible: optimise it first, or choose another field.")
    lines = (torch.nonzero(filled.amax(dim=others)) for others in ((1, 2), (0, 2), (0, 1)))
    z, y, x = (slice(max(0, int(line.min()) - 1), int(line.max()) + 2) for line in lines)
    cell = (volume.box[1] - volume.box[0]) / torch.tensor(filled.shape[::-1])
    cells = volume.cells[:, :, z, y, x].contiguous()
    low = torch.tensor([x.start, y.start, z.start])
    box = volume.box[0] + cell * torch.stack((low, low + torch.tensor(cells.shape[:1:-1])))
    return Volume(cells, box, volume.time, volume.peak, volume.loop)
