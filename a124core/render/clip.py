"""Finished images of a finished field, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..field.gradient import density_gradient, normals_from
from ..protocols import Cameras, Field, Pinholes, Shading
from ..utils.progress import OnProgress
from .composite import accumulate
from .empty_space import is_worthwhile, tighten_occupancy
from .render import Render, _sides, camera_rays, field_occupancy, occupancy_mask, render
from .sample import DIAGONAL, OccupancyMask, Rays

MIN_OPACITY = 1e-3  # below it the depth of a pixel goes to 0
FAINT = 1e-5  # weight of a sample that no finished picture shows: a hundred of them stay under half a level of 255
PREVIEW_SAMPLES = 256  # steps across the cube for finished pictures, unless told otherwise
MOMENTS = 16  # whose air is remembered: a grading looks at 8 in turn, again and again
RAYS_AT_ONCE = 2**13  # finished pictures are rendered in pieces of this many rays: small enough for a CPU's cache


@dataclass(frozen=True)
class RenderedClip:
    """F finished pictures on the CPU, H rows, W columns (E times as many for cameras of E eyes)."""

    image: Tensor  # (F, 3, H, W) in [0, 1]
    mask: Tensor  # (F, 1, H, W) opacity
    depth: Tensor  # (F, 1, H, W) z-depth of what is visible, world units; 0 where nothing is
    normal: Tensor  # (F, 3, H, W) (n + 1) / 2 in world axes, opacity-weighted


def render_clip(
    field: Field,
    cameras: Cameras | Pinholes,  # F cameras
    time: Tensor,  # (F,)
    size: int | tuple[int, int],  # side of a square, or H, W
    samples: int | None = None,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
    on_progress: OnProgress | None = None,  # in frames, called also between pieces of a frame
    device: torch.device | str | None = None,
    normals: bool = True,
) -> RenderedClip:
    """Finished pictures with ambient light only. Parts of the field that are not worth sampling are skipped."""
    frames = []
    for frame in render_frames(field, cameras, time, size, samples, background, device, normals, on_progress):
        frames.append((frame.image, frame.mask, frame.depth, frame.normal))
    return RenderedClip(*(torch.cat(planes) for planes in zip(*frames, strict=True)))


def render_frames(
    field: Field,
    cameras: Cameras | Pinholes,  # F cameras
    time: Tensor,  # (F,)
    size: int | tuple[int, int],
    samples: int | None = None,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
    device: torch.device | str | None = None,
    normals: bool = True,
    on_progress: OnProgress | None = None,  # in frames, called also between pieces of a frame
) -> Iterator[RenderedClip]:  # F clips of one frame
    """The same, picture by picture: what is written as it comes needs no memory for a whole film."""
    if device is not None and hasattr(field, "to"):
        field = field.to(device)
    home = getattr(field, "table", cameras.fovy).device
    steps = samples or PREVIEW_SAMPLES
    space = occupancy_mask(field_occupancy(field, home))
    serves, known = pictures_of_a_look(time), {}
    for k in range(len(cameras)):
        rays = camera_rays(cameras[k : k + 1].to(home), time[k : k + 1].to(home), size)
        moment = float(time[k])
        if moment not in known:
            if len(known) == MOMENTS:
                del known[next(iter(known))]  # the oldest
            look = is_worthwhile(field, rays, space, steps, serves[k])
            known[moment] = tighten_occupancy(field, space, moment, steps) if look else space
        parts = []
        for i in range(0, len(rays), RAYS_AT_ONCE):
            parts.append(_still(field, rays[i : i + RAYS_AT_ONCE], known[moment], steps, background, normals))
            if on_progress is not None:
                on_progress(k, len(cameras), "")
        yield _frame(parts, _sides(size)[0], DIAGONAL / steps)
        if on_progress is not None:
            on_progress(k + 1, len(cameras), "")


def pictures_of_a_look(time: Tensor) -> list[int]:  # (F,) -> F
    """How many pictures each one's moment has; one where there are more moments than are remembered."""
    moments, of, pictures = time.unique(return_inverse=True, return_counts=True)
    return pictures[of].tolist() if len(moments) <= MOMENTS else [1] * len(time)


def _frame(parts: list[tuple[Tensor, Tensor, Tensor, Tensor]], height: int, step: float) -> RenderedClip:  # one frame
    """Pieces of an image, row by row, put together. Depth sums weights times the far end of each step: divided by the
    opacity, it is half a step too far."""
    planes = (torch.cat(part).T.unflatten(1, (height, -1))[None].cpu() for part in zip(*parts, strict=True))
    image, mask, depth, normal = planes
    mask = mask.clamp(0.0, 1.0)
    depth = (depth / mask.clamp(min=MIN_OPACITY) - 0.5 * step) * (mask > 0)
    return RenderedClip(image.clamp(0.0, 1.0), mask, depth, normal)


@torch.no_grad()
def _still(
    field: Field, rays: Rays, space: OccupancyMask, samples: int, background: tuple[float, ...], normals: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ground = torch.tensor(background, device=rays.origins.device)
    seen = render(field, rays, space, samples, ground, Shading())
    normal = _seen_normals(field, seen) if normals else torch.zeros_like(seen.image)
    return seen.image, seen.opacity, seen.depth, normal


def _seen_normals(field: Field, seen: Render) -> Tensor:  # (R, 3) sum of weights times (n + 1) / 2
    """Only of what a pixel shows: most samples lie in the air or inside, and a gradient costs more than a colour."""
    shown = seen.weights > FAINT
    placed = seen.samples[shown]
    normals = normals_from(density_gradient(field, placed.xyz, placed.time))
    return accumulate(seen.weights[shown], 0.5 * (normals + 1.0), placed.ray, len(seen.image))
