"""What the user owns as guidances: `--model`, `--images` and `--clip`, with their cameras."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..cameras.keyframes import image_cameras
from ..cameras.transforms import listed_files, read_camera_file
from ..models3d.hull import visual_hull
from ..models3d.read import LoadedModel, read_model
from ..priors.clip_frames import ClipFrames
from ..priors.followed import clip_guidances
from ..priors.model3d import model3d_guidances
from ..priors.owned import refine_guidance
from ..priors.posed_images import MAX_IMAGES, MIN_IMAGES, posed_guidances, posed_images
from ..priors.video_clip import film_clips
from ..protocols import Guidances, Pinholes
from ..reference.read_clip import SUFFIXES, folder_files, read_clip
from ..reference.reference import camera_of
from ..utils.files import in_order
from .camera_args import progress_bar

if TYPE_CHECKING:
    from .prepare import RunOptions


def read_own_model(options: RunOptions) -> LoadedModel | None:
    """Read the 3D model of a run."""
    if options.model is None:
        return None
    loaded = read_model(options.model, options.model_up)
    if len(loaded.frames) > 1 and options.clips:
        raise ValueError(
            f"--model {options.model} is a sequence, which moves by itself, so a clip has nothing to move: leave "
            "--clip out, or give one model that stands still."
        )
    return loaded


def moved_model(options: RunOptions, loaded: LoadedModel | None) -> LoadedModel | None:
    """Return the 3D model that a built-in motion moves: one that stands still, where no clip says how it moves."""
    return loaded if loaded is not None and len(loaded.frames) == 1 and not options.clips else None


def own_guidances(
    options: RunOptions, loaded: LoadedModel | None, size: int
) -> tuple[Guidances, str]:  # those that are owned, a note
    """Make the guidances of a 3D model, and of the pictures and clips of a run; renders are compared with them at the
    size, pixels a side."""
    guidances, notes, refine = Guidances(), [], None
    if loaded is not None:
        with progress_bar("model", 1, "step") as on_progress:
            made = model3d_guidances(loaded, options.reference, size=size, on_progress=on_progress)
        guidances, refine = made.guidances, refine_guidance(made.models, (), size)
        notes.append(made.note)
    if options.images is not None:
        image, alpha, cameras = read_posed(options)
        with progress_bar("images", 1, "step") as on_progress:
            posed = posed_images(image, None, alpha, cameras, on_progress)
        views = posed_guidances(posed, options.reference, None, size)
        guidances = views.guidances
        if options.clips:
            refine = refine_guidance((visual_hull(views.posed, camera_of(options.reference)),), (), size)
        notes.append(views.note)
    video = guidances.video
    if options.clips:
        parts = read_clips(options)
        with progress_bar("clip", 1, "step") as on_progress:
            clips = [film for frames, cameras in parts
                     for film in film_clips(frames, cameras, options.reference, size, on_progress)]
            video, refine = clip_guidances(clips, options.reference, size, refine=refine, on_progress=on_progress)
        notes.append(video.note)
    guidances = Guidances(guidances.image, guidances.view, video, refine)
    return guidances, " ".join(notes)


def read_posed(options: RunOptions) -> tuple[Tensor, Tensor | None, Pinholes]:
    """Read the pictures of a folder in the order of their names, their transparency, and the cameras."""
    if not options.images.is_dir():
        raise ValueError(f"--images {options.images} is no folder: give one that holds the pictures.")
    files = folder_files(options.images)
    if not MIN_IMAGES <= len(files) <= MAX_IMAGES:
        raise ValueError(
            f"--images {options.images} holds {len(files)} picture(s): put {MIN_IMAGES} to {MAX_IMAGES} of the subject "
            "into it, seen from all around."
        )
    cameras, _ = image_cameras(read_camera_file(options.images_cameras), len(files))
    order = by_name(listed_files(options.images_cameras), files)
    return *read_clip(options.images), cameras if order is None else cameras[torch.tensor(order)]


def by_name(names: list[str], files: list[Path]) -> list[int] | None:
    """Return which of the names, with or without an ending, each file has; None where these do not say it of all."""
    stems = [Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name for name in names]
    own = [file.stem for file in files]
    known = len(set(stems)) == len(stems) and len(set(own)) == len(own) and set(own) <= set(stems)
    return [stems.index(name) for name in own] if known and own else None


def read_clips(options: RunOptions) -> list[tuple[ClipFrames, Pinholes | None]]:
    """Read the clips and hand each its cameras; None: the reference's."""
    frames = [ClipFrames(*_read(path)) for path in options.clips]
    lengths = [len(clip.image) for clip in frames]
    cameras = [None] * len(frames)
    if options.clip_cameras is not None:
        cameras = shared_out(image_cameras(read_camera_file(options.clip_cameras), sum(lengths))[0], lengths)
    elif len(frames) > 1:
        raise ValueError(
            f"there are {len(frames)} clips and no cameras: say where each was filmed from with --clip-cameras JSON."
        )
    return list(zip(frames, cameras, strict=True))


def _read(path: Path) -> tuple:
    image, alpha = read_clip(path)
    return image, None, alpha


def shared_out(cameras: Pinholes, lengths: list[int]) -> list[Pinholes]:
    """Share cameras out to clips of so many frames: one to each clip, or one to each frame."""
    if len(cameras) == len(lengths):
        return [cameras[k : k + 1] for k in range(len(cameras))]
    if len(cameras) != sum(lengths):
        clips = f"{len(lengths)} clip{'s' if len(lengths) > 1 else ''} of {', '.join(map(str, lengths))} frames"
        raise ValueError(
            f"--clip-cameras lists {len(cameras)} cameras for {clips}: list one for each clip, or one for each frame."
        )
    starts = [sum(lengths[:k]) for k in range(len(lengths))]
    return [cameras[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def own_identity(options: RunOptions) -> str:
    """Name what is owned, beside the built-in priors, by its content."""
    identity = "built-in"
    if options.model is not None:
        identity += f", model {path_digest(options.model)} {options.model_up} up"
    if options.clips:
        identity += f", clips {' '.join(map(path_digest, options.clips))}"
    if options.clips and options.clip_cameras is not None:
        identity += f" from {path_digest(options.clip_cameras)}"
    if options.images is not None:
        identity += f", images {path_digest(options.images)} from {path_digest(options.images_cameras)}"
    return identity


def path_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files of a folder and their names."""
    digest = hashlib.sha256()
    for file in in_order(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file():
            name = [os.fsencode(file.name)] if path.is_dir() else []  # names tell whose camera is whose
            for part in (*name, file.read_bytes()):
                digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
