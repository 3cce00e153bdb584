"""A field to image files for other programs: colour with alpha, depth, normals, masks and their cameras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from ...cameras.paths import CameraPath, sample_path
from ...cameras.rig import to_pinholes
from ...cameras.transforms import check_written_here, write_transforms
from ...protocols import Cameras, Field, Pinholes
from ...render.clip import ImageOptions, RenderedClip, render_frames
from ...utils.files import atomic_folder
from ...utils.progress import OnProgress
from ...utils.validate import plain_name
from .alpha import surface_depth, surface_normal, unpremultiply
from .film import BLACK, FilmOptions, check_visible
from .video import to_bytes

DEPTH_UNIT = 1e-3  # world units of one step of a depth image; nerfstudio's default depth_unit_scale_factor
MAX_DEPTH_STEP = 65535  # the last step of 16 bits; 0 says that nothing is there
FOLDERS = {"file_path": "images", "depth_file_path": "depth", "normal_file_path": "normals"}  # key of a frame -> folder
MASKS = "masks"  # not named in transforms.json: a trainer would leave the empty pixels out and never learn them
ENTRIES = (*FOLDERS.values(), MASKS, "transforms.json")  # of an exported folder


def export_frames(
    field: Field,
    folder: str | Path,  # new, empty, or an earlier export, which is replaced when all is done
    cameras: CameraPath,
    options: FilmOptions,  # without effect here: fps and background, for images have alpha and a time
    on_progress: OnProgress | None = None,  # in frames
) -> None:
    """Write images, depth, normals, masks and transforms.json of every frame of a film, one frame in memory."""
    folder = Path(folder)
    plain_name(folder.name)
    views, time = sample_path(cameras, options.frames, field.loop, options.playback)
    if to_pinholes(views).eyes != 1:
        raise ValueError("images of two eyes have no one camera: set the eyes' distance to 0, or make a film.")
    digits = max(4, len(str(len(views) - 1)))  # names must sort like the frames
    with atomic_folder(folder, ENTRIES, check_written_here) as fresh:
        files: dict[str, list[str]] = {key: [] for key in FOLDERS}
        for k, clip in enumerate(render_rgbd(field, views, time, options.size, on_progress)):
            for key, name in write_frame(fresh, f"{k:0{digits}d}", clip).items():
                files[key].append(name)
        extra = {"depth_unit_scale_factor": DEPTH_UNIT, "fps": options.fps}
        write_transforms(fresh / "transforms.json", views, time, options.size, files, extra)


def render_rgbd(
    field: Field, cameras: Cameras | Pinholes, time: Tensor, size: tuple[int, int], on_progress: OnProgress | None
) -> Iterator[RenderedClip]:
    """Render frame by frame on black, so that colour is premultiplied by alpha."""
    return check_visible(render_frames(field, cameras, time, ImageOptions(size, background=BLACK), on_progress))


def write_frame(folder: Path, stem: str, clip: RenderedClip) -> dict[str, str]:  # key in transforms.json -> file
    """Write the four PNG files of one frame; the mask is not among the names."""
    images = {
        "file_path": to_bytes(unpremultiply(clip.image, clip.mask))[0],
        "depth_file_path": depth_steps(surface_depth(clip))[0],
        "normal_file_path": to_bytes(0.5 * (surface_normal(clip) + 1.0))[0],
    }
    names = {key: f"{FOLDERS[key]}/{stem}.png" for key in images}
    mask = to_bytes(clip.mask)[0, ..., 0]
    for name, values in (*((names[key], images[key]) for key in images), (f"{MASKS}/{stem}.png", mask)):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(values).save(folder / name)
    return names


def depth_steps(depth: Tensor) -> np.ndarray:  # (F, 1, H, W) world units, 0 = nothing -> (F, H, W) uint16
    """Round to DEPTH_UNIT; what is farther than 65.535 units counts as nothing."""
    steps = (depth / DEPTH_UNIT).round()
    return rearrange(steps * (steps <= MAX_DEPTH_STEP), "f 1 h w -> f h w").to(torch.int32).numpy().astype(np.uint16)
