"""A field as a data set: cameras all around, each at every moment, split into train and test, for any NeRF or 3DGS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...cameras.paths import frame_times, without_repeated_end
from ...cameras.rig import FOVY, RADIUS, make_cameras, pixel_rays
from ...cameras.transforms import check_written_here, write_transforms
from ...protocols import Cameras, Field
from ...render.clip import PREVIEW_SAMPLES, RenderedClip
from ...render.sample import DIAGONAL
from ...utils.files import atomic_folder
from ...utils.optional import require
from ...utils.validate import check_range, plain_name
from ..mesh.mesh import Mesh, write_mesh
from .alpha import true_depth, true_normal
from .film import SIDES, OnFrame, loops
from .frames import FOLDERS, MASKS, UNIT, seen_with_depth, write_set

BAND = (-30.0, 70.0)  # degrees of elevation: as far below the horizon as the built-in priors are asked, almost the top
GOLDEN = 180.0 * (3.0 - math.sqrt(5.0))  # degrees between neighbours of a sunflower's seeds
EVERY = 8  # of this many cameras one is held out for testing, as is usual since LLFF
POINTS = 20_000  # of the first moment's surface, to start a 3DGS from
SPLITS = ("train", "val", "test")
OURS = (*FOLDERS.values(), MASKS, "transforms.json", *(f"transforms_{split}.json" for split in SPLITS), "points.ply")


@dataclass(frozen=True)
class CaptureOptions:
    """views x moments pictures."""

    views: int = 24  # cameras; the first is the reference camera
    moments: int = 16  # times at which each of them looks
    size: tuple[int, int] = (256, 256)  # H, W pixels
    radius: float = RADIUS  # world units
    fovy: float = FOVY  # degrees

    def __post_init__(self) -> None:
        check_range(self, 2, 2000, "views")
        check_range(self, 1, 10_000, "moments")
        if not all(SIDES[0] <= side <= SIDES[1] for side in self.size):
            raise ValueError(f"size is {self.size[1]}x{self.size[0]}: a side has {SIDES[0]} to {SIDES[1]} pixels.")

    @property
    def pictures(self) -> int:
        return self.views * self.moments


def lattice(views: int, radius: float = RADIUS, fovy: float = FOVY) -> Cameras:
    """The reference camera, then points spread evenly over a band of the sphere (a Fibonacci lattice)."""
    low, high = (math.sin(math.radians(e)) for e in BAND)
    share = (torch.arange(views - 1) + 0.5) / max(views - 1, 1)
    elevation = torch.rad2deg(torch.asin(low + (high - low) * share))
    azimuth = GOLDEN * torch.arange(views - 1) % 360.0
    zero = torch.zeros(1)
    return make_cameras(torch.cat((zero, elevation)), torch.cat((zero, azimuth)), radius, fovy)


def held_out(views: int) -> list[bool]:
    """Every eighth camera, from the fifth; the last one where there are fewer."""
    return [k % EVERY == EVERY // 2 or (views <= EVERY // 2 and k == views - 1) for k in range(views)]


def export_capture(
    field: Field,
    folder: str | Path,  # new, empty, or an earlier capture, which is replaced when all is done
    options: CaptureOptions = CaptureOptions(),
    on_frame: OnFrame | None = None,
    device: torch.device | str | None = None,
) -> None:
    """Pictures named c<camera>_t<moment>, transforms.json (nerfstudio), transforms_<split>.json (D-NeRF's form, which
    4D Gaussian trainers read) and points.ply. Masks are not named in them: a trainer would leave the empty pixels out,
    and never learn that they are empty; the pictures' alpha says all."""
    folder = Path(folder)
    plain_name(folder.name)
    require("trimesh", "trimesh", "to write points.ply")
    around = lattice(options.views, options.radius, options.fovy)
    moments = without_repeated_end(frame_times(options.moments)) if loops(field) else frame_times(options.moments)
    camera = torch.arange(options.views).repeat_interleave(options.moments)
    cameras, time = around[camera], moments.repeat(options.views)
    stems = [f"c{k:03d}_t{m:04d}" for k in range(options.views) for m in range(options.moments)]
    tested = torch.tensor(held_out(options.views))[camera]
    with atomic_folder(folder, OURS, check_written_here) as fresh:
        files: list[dict[str, str]] = []
        points: list[Tensor] = []
        for k, clip in enumerate(seen_with_depth(field, cameras, time, options.size, on_frame, device)):
            files.append(write_set(fresh, stems[k], clip))
            if k % options.moments == 0 and not tested[k]:
                points.append(surface_points(clip, cameras[k : k + 1], POINTS // options.views))
        xyz, normals, colours = torch.cat(points).numpy().reshape(-1, 3, 3).swapaxes(0, 1)
        write_mesh(fresh / "points.ply", Mesh(xyz, np.zeros((0, 3), np.int32), normals, colours))
        _write_cameras(fresh, cameras, time, options.size, files, tested)


def _write_cameras(
    folder: Path, cameras: Cameras, time: Tensor, size: tuple[int, int], files: list[dict[str, str]], tested: Tensor
) -> None:
    names = {key: [f[key] for f in files] for key in FOLDERS}
    kept = {"train": ~tested, "val": tested, "test": tested}
    lists = {f"{split}_filenames": [n for n, k in zip(names["file_path"], kept[split], strict=True) if k]
             for split in SPLITS}  # fmt: skip
    more = {"depth_unit_scale_factor": UNIT, "ply_file_path": "points.ply", **lists}
    write_transforms(folder / "transforms.json", cameras, time, size, names, more)
    for split in SPLITS:
        stems = [name.removesuffix(".png") for name in lists[f"{split}_filenames"]]  # D-NeRF's readers add it
        chosen = kept[split]
        write_transforms(folder / f"transforms_{split}.json", cameras[chosen], time[chosen], size, {"file_path": stems})


def surface_points(
    clip: RenderedClip, camera: Cameras, count: int
) -> Tensor:  # (<= count, 9): xyz, normal, rgb in [0, 1]
    """Evenly chosen pixels of one frame, carried to where they lie in the world."""
    depth = true_depth(clip, DIAGONAL / PREVIEW_SAMPLES).reshape(-1)
    there = depth.nonzero().squeeze(1)
    there = there[torch.linspace(0, max(len(there) - 1, 0), min(count, len(there))).long()]
    origins, directions = pixel_rays(camera, tuple(clip.image.shape[-2:]))
    xyz = origins[0, there] + depth[there, None] * directions[0, there]
    colour = (clip.image / clip.mask.clamp(min=1e-3)).clamp(0.0, 1.0)
    planes = torch.cat((true_normal(clip), colour), dim=1)[0].flatten(1).T
    return torch.cat((xyz, planes[there]), dim=1)
