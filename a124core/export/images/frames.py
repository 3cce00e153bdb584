"""A field to pictures that other programs go on with: colour with alpha, depth, normals, masks and their cameras."""

from __future__ import annotations

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
from ...render.clip import PREVIEW_SAMPLES, RenderedClip, render_frames
from ...render.sample import DIAGONAL
from ...utils.files import atomic_folder
from ...utils.validate import plain_name
from .alpha import straight, true_depth, true_normal
from .film import BLACK, FilmOptions, OnFrame, loops, watched
from .video import to_bytes

UNIT = 1e-3  # world units of one step of a depth picture; nerfstudio's default depth_unit_scale_factor
DEEPEST = 65535  # the last step of 16 bits; 0 says that nothing is there
FOLDERS = {"file_path": "images", "depth_file_path": "depth", "normal_file_path": "normals"}  # key of a frame -> folder
MASKS = "masks"  # not named in transforms.json: a trainer would leave the empty pixels out and never learn them
OURS = (*FOLDERS.values(), MASKS, "transforms.json")


def export_frames(
    field: Field,
    folder: str | Path,  # new, empty, or an earlier export, which is replaced when all is done
    cameras: CameraPath,
    options: FilmOptions,  # fps and background say nothing here: pictures have alpha and a time
    on_frame: OnFrame | None = None,
    device: torch.device | str | None = None,
) -> None:
    """images, depth, normals, masks and transforms.json for every frame of a film. One frame is in memory."""
    folder = Path(folder)
    plain_name(folder.name)
    where, time = sample_path(cameras, options.frames, loops(field), options.playback)
    if to_pinholes(where).eyes != 1:
        raise ValueError("pictures of two eyes have no one camera: set the eyes' distance to 0, or make a film.")
    digits = max(4, len(str(len(where) - 1)))  # names must sort like the frames
    with atomic_folder(folder, OURS, check_written_here) as fresh:
        files: dict[str, list[str]] = {key: [] for key in FOLDERS}
        for k, clip in enumerate(seen_with_depth(field, where, time, options.size, on_frame, device)):
            for key, name in write_set(fresh, f"{k:0{digits}d}", clip).items():
                files[key].append(name)
        about = {"depth_unit_scale_factor": UNIT, "fps": options.fps}
        write_transforms(fresh / "transforms.json", where, time, options.size, files, about)


def seen_with_depth(
    field: Field, cameras: Cameras | Pinholes, time: Tensor, size: tuple[int, int], on_frame: OnFrame | None,
    device: torch.device | str | None,
):  # -> Iterator[Clip] of single frames  # fmt: skip
    """Rendered on black, so that colour is known times alpha."""
    seen = render_frames(field, cameras, time, size, background=BLACK, device=device, on_piece=on_frame)
    return watched(seen, on_frame)


def write_set(folder: Path, stem: str, clip: RenderedClip) -> dict[str, str]:  # key in transforms.json -> file
    """The four PNG files of one frame; the mask is not among the names."""
    pictures = {
        "file_path": to_bytes(straight(clip.image, clip.mask))[0],
        "depth_file_path": depth_steps(true_depth(clip, DIAGONAL / PREVIEW_SAMPLES))[0],
        "normal_file_path": to_bytes(0.5 * (true_normal(clip) + 1.0))[0],
    }
    names = {key: f"{FOLDERS[key]}/{stem}.png" for key in pictures}
    mask = to_bytes(clip.mask)[0, ..., 0]
    for name, values in (*((names[key], pictures[key]) for key in pictures), (f"{MASKS}/{stem}.png", mask)):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(values).save(folder / name)
    return names


def depth_steps(depth: Tensor) -> np.ndarray:  # (F, 1, H, W) world units, 0 = nothing -> (F, H, W) uint16
    """Rounded to UNIT; what is farther than 65.535 units counts as nothing."""
    steps = (depth / UNIT).round()
    return rearrange(steps * (steps <= DEEPEST), "f 1 h w -> f h w").to(torch.int32).numpy().astype(np.uint16)
