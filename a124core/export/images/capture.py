"""A field as a data set: cameras all around, each at every time, split into train and test, for any NeRF or 3DGS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...cameras.paths import frame_times
from ...cameras.rig import FOVY, RADIUS, make_cameras, pixel_rays
from ...cameras.transforms import check_written_here, write_transforms
from ...protocols import Cameras, Field
from ...render.clip import RenderedClip
from ...utils.files import atomic_folder
from ...utils.optional import require
from ...utils.progress import OnProgress
from ...utils.validate import check_range, plain_name
from ..mesh.mesh import Mesh, write_mesh
from .alpha import surface_depth, surface_normal
from .film import check_size
from .frames import DEPTH_UNIT, ENTRIES, FOLDERS, render_rgbd, write_frame

ELEVATIONS = (-30.0, 70.0)  # degrees: as far below the horizon as the built-in priors are trained, almost the top
GOLDEN_ANGLE = 180.0 * (3.0 - math.sqrt(5.0))  # degrees of azimuth from one camera to the next
TEST_EVERY = 8  # of this many cameras one is held out for testing, as is usual since LLFF
MAX_POINTS = 20_000  # of the surface at the first time, to initialise a 3DGS
SPLITS = ("train", "val", "test")
CAPTURE_ENTRIES = (*ENTRIES, *(f"transforms_{split}.json" for split in SPLITS), "points.ply")


@dataclass(frozen=True)
class CaptureOptions:
    """n_views x n_times images."""

    n_views: int = 24  # cameras; the first is the reference camera
    n_times: int = 16  # scene times that each of them renders
    size: tuple[int, int] = (256, 256)  # H, W pixels
    radius: float = RADIUS  # world units
    fovy: float = FOVY  # degrees

    def __post_init__(self) -> None:
        check_range(self, 2, 2000, "n_views")
        check_range(self, 1, 10_000, "n_times")
        check_size(self.size)

    @property
    def n_images(self) -> int:
        return self.n_views * self.n_times


def camera_lattice(n_views: int, radius: float = RADIUS, fovy: float = FOVY, front: float = 0.0) -> Cameras:
    """Return the reference camera, at azimuth front, then cameras spread evenly over a band of the sphere (a Fibonacci
    lattice)."""
    low, high = (math.sin(math.radians(e)) for e in ELEVATIONS)
    share = (torch.arange(n_views - 1) + 0.5) / max(n_views - 1, 1)
    elevation = torch.rad2deg(torch.asin(low + (high - low) * share))
    azimuth = GOLDEN_ANGLE * torch.arange(n_views - 1) % 360.0
    zero = torch.zeros(1)
    return make_cameras(torch.cat((zero, elevation)), torch.cat((zero, azimuth)) + front, radius, fovy)


def held_out(n_views: int) -> list[bool]:
    """Mark the test cameras: every eighth, from the fifth; the last one where there are fewer."""
    half = TEST_EVERY // 2
    return [k % TEST_EVERY == half or (n_views <= half and k == n_views - 1) for k in range(n_views)]


def export_capture(
    field: Field,
    folder: str | Path,  # new, empty, or an earlier capture, which is replaced when all is done
    options: CaptureOptions = CaptureOptions(),
    on_progress: OnProgress | None = None,  # in images
) -> None:
    """Write images named c<camera>_t<time>, transforms.json (nerfstudio), transforms_<split>.json (D-NeRF's form, which
    4D Gaussian trainers read) and points.ply. Masks are not named in them: a trainer would leave the empty pixels out,
    and never learn that they are empty; the images' alpha is enough."""
    folder = Path(folder)
    plain_name(folder.name)
    require("trimesh", "trimesh", "to write points.ply")
    rig = camera_lattice(options.n_views, options.radius, options.fovy, field.front)
    times = frame_times(options.n_times, field.loop)
    view = torch.arange(options.n_views).repeat_interleave(options.n_times)
    cameras, time = rig[view], times.repeat(options.n_views)
    stems = [f"c{k:03d}_t{m:04d}" for k in range(options.n_views) for m in range(options.n_times)]
    test = torch.tensor(held_out(options.n_views))[view]
    with atomic_folder(folder, CAPTURE_ENTRIES, check_written_here) as fresh:
        files: list[dict[str, str]] = []
        points: list[Tensor] = []
        for k, clip in enumerate(render_rgbd(field, cameras, time, options.size, on_progress)):
            files.append(write_frame(fresh, stems[k], clip))
            if k % options.n_times == 0 and not test[k]:
                points.append(surface_points(clip, cameras[k : k + 1], MAX_POINTS // options.n_views))
        xyz, normals, colours = torch.cat(points).numpy().reshape(-1, 3, 3).swapaxes(0, 1)
        write_mesh(fresh / "points.ply", Mesh(xyz, np.zeros((0, 3), np.int32), normals, colours))
        _write_cameras(fresh, cameras, time, options.size, files, test)


def _write_cameras(
    folder: Path, cameras: Cameras, time: Tensor, size: tuple[int, int], files: list[dict[str, str]], test: Tensor
) -> None:
    """Write transforms.json with the lists of its splits, then one file for each split."""
    names = {key: [f[key] for f in files] for key in FOLDERS}
    splits = {"train": ~test, "val": test, "test": test}
    lists = {f"{split}_filenames": [name for name, inside in zip(names["file_path"], chosen, strict=True) if inside]
             for split, chosen in splits.items()}
    extra = {"depth_unit_scale_factor": DEPTH_UNIT, "ply_file_path": "points.ply", **lists}
    write_transforms(folder / "transforms.json", cameras, time, size, names, extra)
    for split, chosen in splits.items():
        stems = [name.removesuffix(".png") for name in lists[f"{split}_filenames"]]  # D-NeRF's readers add it
        write_transforms(folder / f"transforms_{split}.json", cameras[chosen], time[chosen], size, {"file_path": stems})


def surface_points(
    clip: RenderedClip, camera: Cameras, count: int
) -> Tensor:  # (<= count, 9): xyz, normal, rgb in [0, 1]
    """Unproject evenly chosen pixels of one frame into the world."""
    depth = surface_depth(clip).reshape(-1)
    pixels = depth.nonzero().squeeze(1)
    pixels = pixels[torch.linspace(0, max(len(pixels) - 1, 0), min(count, len(pixels))).long()]
    origins, directions = pixel_rays(camera, tuple(clip.image.shape[-2:]))
    xyz = origins[0, pixels] + depth[pixels, None] * directions[0, pixels]
    colour = (clip.image / clip.mask.clamp(min=1e-3)).clamp(0.0, 1.0)
    planes = torch.cat((surface_normal(clip), colour), dim=1)[0].flatten(1).T
    return torch.cat((xyz, planes[pixels]), dim=1)
