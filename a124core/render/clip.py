"""Finished images of a finished field, frame by frame, on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..field.density import normals_from
from ..field.occupancy import field_occupancy
from ..kernels import accumulate
from ..protocols import Cameras, Field, Pinholes, Shading
from ..utils.progress import OnProgress
from .empty_space import is_worthwhile, tighten_occupancy
from .render import Render, render
from .sample import DIAGONAL, Samples, camera_rays, sample_rays

MIN_OPACITY = 1e-3  # below it the depth of a pixel goes to 0
MIN_WEIGHT = 1e-5  # of a sample whose normal counts: a hundred lighter ones stay under half a level of 255
PREVIEW_SAMPLES = 256  # steps across the cube for finished images, unless given
MAX_TIMES = 16  # whose tightened masks are cached: an evaluation renders 8 times in turn, again and again
CHUNK = 2**13  # rays rendered at once: small enough for a CPU's cache


@dataclass(frozen=True)
class RenderedClip:
    """F finished images on the CPU, H rows, W columns (E times as many for cameras of E eyes)."""

    image: Tensor  # (F, 3, H, W) in [0, 1]
    mask: Tensor  # (F, 1, H, W) opacity
    depth: Tensor  # (F, 1, H, W) z-depth of what is visible, world units; 0 where nothing is
    normal: Tensor  # (F, 3, H, W) (n + 1) / 2 in world axes, opacity-weighted


@dataclass(frozen=True)
class ImageOptions:
    """How finished images are rendered."""

    size: int | tuple[int, int]  # side of a square, or H, W
    n_steps: int | None = None  # across the cube's diagonal; None: PREVIEW_SAMPLES
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    normals: bool = True  # False: they are 0, and rendering is faster


def render_clip(
    field: Field,
    cameras: Cameras | Pinholes,  # F cameras
    time: Tensor,  # (F,)
    options: ImageOptions,
    on_progress: OnProgress | None = None,  # in frames, called also between chunks of a frame
) -> RenderedClip:
    """Render images with ambient light only, on the field's device. Empty space is skipped where that is faster."""
    frames = []
    for frame in render_frames(field, cameras, time, options, on_progress):
        frames.append((frame.image, frame.mask, frame.depth, frame.normal))
    return RenderedClip(*(torch.cat(planes) for planes in zip(*frames, strict=True)))


def render_frames(
    field: Field,
    cameras: Cameras | Pinholes,  # F cameras
    time: Tensor,  # (F,)
    options: ImageOptions,
    on_progress: OnProgress | None = None,  # in frames, called also between chunks of a frame
) -> Iterator[RenderedClip]:  # F clips of one frame
    """Render the same image by image: a film that is written meanwhile needs the memory of one."""
    n_steps, size = options.n_steps or PREVIEW_SAMPLES, options.size
    trained = field_occupancy(field).mask()
    n_images, masks = images_per_time(time), {}
    for k in range(len(cameras)):
        rays = camera_rays(cameras[k : k + 1].to(field.device), time[k : k + 1].to(field.device), size)
        now = float(time[k])
        if now not in masks:
            if len(masks) == MAX_TIMES:
                del masks[next(iter(masks))]  # the oldest
            tighten = is_worthwhile(field, rays, trained, n_steps, n_images[k])
            masks[now] = tighten_occupancy(field, trained, now, n_steps) if tighten else trained
        parts = []
        for i in range(0, len(rays), CHUNK):
            samples = sample_rays(rays[i : i + CHUNK], masks[now], n_steps)
            parts.append(_render_chunk(field, samples, options))
            if on_progress is not None:
                on_progress(k, len(cameras), "")
        yield _frame(parts, size if isinstance(size, int) else size[0], DIAGONAL / n_steps)
        if on_progress is not None:
            on_progress(k + 1, len(cameras), "")


def images_per_time(time: Tensor) -> list[int]:  # (F,) -> F
    """Return how many images share each one's time; 1 where there are more times than are cached."""
    times, index, counts = time.unique(return_inverse=True, return_counts=True)
    return counts[index].tolist() if len(times) <= MAX_TIMES else [1] * len(time)


def _frame(parts: list[tuple[Tensor, Tensor, Tensor, Tensor]], height: int, step: float) -> RenderedClip:  # one frame
    """Join the chunks of an image. Its depth, divided by the opacity, is that of the far ends of steps: half a step is
    subtracted."""
    planes = (torch.cat(part).T.unflatten(1, (height, -1))[None].cpu() for part in zip(*parts, strict=True))
    image, mask, depth, normal = planes
    mask = mask.clamp(0.0, 1.0)
    depth = (depth / mask.clamp(min=MIN_OPACITY) - 0.5 * step) * (mask > 0)
    return RenderedClip(image.clamp(0.0, 1.0), mask, depth, normal)


@torch.no_grad()
def _render_chunk(field: Field, samples: Samples, options: ImageOptions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    result = render(field, samples, torch.tensor(options.background, device=field.device), Shading())
    normal = _visible_normals(field, result) if options.normals else torch.zeros_like(result.image)
    return result.image, result.opacity, result.depth, normal


def _visible_normals(field: Field, result: Render) -> Tensor:  # (R, 3) sum of weights times (n + 1) / 2
    """Sum the normals of visible samples only: most lie in empty space or inside, and a gradient costs more than a
    colour."""
    visible = result.weights > MIN_WEIGHT
    samples = result.samples[visible]
    normals = normals_from(field.density_gradient(samples.xyz, samples.time))
    return accumulate(result.weights[visible], 0.5 * (normals + 1.0), samples.ray_indices, samples.n_rays)
