"""Film a saved field."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from ..camera_paths import Orbit, Still, looped
from ..export.checkpoint import load_field
from ..export.sheets import write_picture
from ..export.transforms import read_transforms, write_transforms
from ..export.video import SUFFIXES, write_video
from ..protocols import Cameras
from ..render.render import Clip, render_clip
from .machine import checked_device

SIZES = (16, 4096)  # pixels a side


def render_file(options: object) -> None:
    """Load, look, write: a film, or a folder of frames."""
    out = Path(options.out)
    if out.suffix and out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{out.name} ends in {out.suffix!r}: use {', '.join(SUFFIXES)}, or a folder for PNG frames.")
    if not SIZES[0] <= options.size <= SIZES[1]:
        raise ValueError(f"--size is {options.size}: choose between {SIZES[0]} and {SIZES[1]} pixels.")
    if not 0.1 <= options.fps <= 240.0:
        raise ValueError(f"--fps is {options.fps}: choose between 0.1 and 240 pictures a second.")
    device = checked_device(options.device)
    field = load_field(options.field)
    cameras, time = chosen_cameras(options)
    if field.config.loop and options.cameras in ("orbit", "still"):
        time = looped(time)
    folder = out.parent if out.suffix else out
    folder.mkdir(parents=True, exist_ok=True)
    with tqdm(total=len(cameras), desc="render", unit="frame", ncols=88) as bar:
        clip = render_clip(
            field,
            cameras,
            time,
            options.size,
            on_frame=lambda k: bar.update(k - bar.n),
            device=device,
            normals=False,
        )
    if out.suffix:
        write_video(out, clip.image, options.fps)
    else:
        write_frames(out, clip, cameras, time)
    print(f"Written: {out}")


def chosen_cameras(options: object) -> tuple[Cameras, Tensor]:  # F cameras, times (F,)
    """orbit, still, or a file; --time freezes the scene."""
    if options.time is not None and not 0.0 <= options.time <= 1.0:
        raise ValueError(f"--time is {options.time}: scene time runs from 0 to 1.")
    where = (options.elevation, options.azimuth, options.radius, options.fovy)
    if options.cameras == "orbit":
        cameras, time = Orbit(*where, turns=options.turns)(options.frames)
    elif options.cameras == "still":
        cameras, time = Still(*where)(options.frames)
    else:
        cameras, time = read_transforms(options.cameras)
    return cameras, time if options.time is None else torch.full_like(time, options.time)


def write_frames(out: Path, clip: Clip, cameras: Cameras, time: Tensor) -> None:
    """images/0000.png ..., masks/0000.png ... and the cameras."""
    for name, pictures in (("images", clip.image), ("masks", clip.mask.expand(-1, 3, -1, -1))):
        (out / name).mkdir(exist_ok=True)
        for k, picture in enumerate(pictures):
            write_picture(out / name / f"{k:04d}.png", picture)
    side = clip.image.shape[-1]
    write_transforms(out / "transforms.json", cameras, time, (side, side))
