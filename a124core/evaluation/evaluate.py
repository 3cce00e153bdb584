"""How close a result comes to a truth that is known: the figures of report.json.

Both sides are functions (cameras, time, size) -> (image on white, mask), so a field, a bank of built-in scenes and a
lambda are graded alike. With built-in priors the bank contains the answer: these figures measure the machinery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..cameras.rig import angle_between, make_cameras
from ..field.field4d import Field4D
from ..protocols import Cameras
from ..reference.segment import resize
from ..render.clip import render_clip
from . import metrics

Renderer = Callable[[Cameras, Tensor, int], tuple[Tensor, Tensor]]  # (B), (B,), size -> (B, 3, S, S), (B, 1, S, S)

CAMERAS, TIMES = 8, 8  # held-out views, and moments seen from each
PATH_TIMES = 17  # moments at which the silhouette's centroid is taken, from the front and from the side
LARGE = 256  # pixels
SAMPLES = 128  # steps across the cube when a field is graded: half of what finished pictures get, within 0.1 dB of it
PATH_SIZE = 64  # pixels at least, where centroids are measured
CANDIDATES = 60  # azimuths tried for held-out cameras, at each of ELEVATIONS
ELEVATIONS = (-27.0, -9.0, 9.0, 27.0, 45.0)  # degrees; novel training views lie between -45 and 90
NOTE = (
    "The built-in priors contain the answer, so these figures measure the machinery (optimiser, field, schedules), "
    "not imagination."
)


@dataclass(frozen=True)
class EvalViews:
    """What is looked at: B pictures of one size and their truth."""

    cameras: Cameras
    time: Tensor  # (B,)
    size: int
    image: Tensor  # (B, 3, S, S) truth, on white
    mask: Tensor  # (B, 1, S, S) truth


@dataclass(frozen=True)
class EvalSet:
    """The same questions for every stage; the truth is drawn once."""

    heldout: EvalViews  # every held-out camera at every time, camera by camera
    large: EvalViews | None  # LARGE pixels; None: not asked, which halves the time
    path: EvalViews | None  # front and side, PATH_TIMES each; None where the subject's middle does not travel (a spin)
    front: EvalViews  # the reference view at time 0, LARGE pixels
    tile_size: int  # side at which detail is compared


def heldout_cameras(
    reference: Cameras,  # 1: distance and opening are taken from it
    trained: Cameras | None,  # all cameras that training can use; None: any
    count: int = CAMERAS,
) -> Cameras:
    """Fixed views that training never sees: as far as possible from its cameras, and spread around the object."""
    azimuth = torch.arange(CANDIDATES) * (360.0 / CANDIDATES) + float(reference.azimuth)
    elevation = torch.tensor(ELEVATIONS).repeat_interleave(CANDIDATES)
    tried = make_cameras(elevation, azimuth.repeat(len(ELEVATIONS)), float(reference.radius), float(reference.fovy))
    avoided = [reference] if trained is None else [reference, *(trained[k : k + 1] for k in range(len(trained)))]
    apart = torch.stack([angle_between(tried, camera) for camera in avoided]).amin(0)
    tried = tried[apart >= apart.quantile(0.85)] if trained is not None else tried
    chosen = [int(angle_between(tried, reference).argmin())]  # near the front first, then wherever nobody stands
    while len(chosen) < count:
        gaps = torch.stack([angle_between(tried, tried[c : c + 1]) for c in chosen]).amin(0)
        chosen.append(int(gaps.argmax()))
    return tried[torch.tensor(chosen)]


def build_eval_set(
    truth: Renderer,
    reference: Cameras,
    trained: Cameras | None,
    size: int,  # side of the pictures that training renders
    tile_size: int,  # side at which the tile prior looks
    has_path: bool = True,  # does the middle of the subject travel?
) -> EvalSet:
    """8 held-out cameras x 8 times in [0, 1]. At 256 px each camera takes two of the times and each time two cameras
    (16 pictures, a quarter of the cost)."""
    cameras = heldout_cameras(reference, trained)
    times = torch.linspace(0.0, 1.0, TIMES)
    which, when = (g.flatten() for g in torch.meshgrid(torch.arange(CAMERAS), torch.arange(TIMES), indexing="ij"))
    some = (when - which) % (TIMES // 2) == 0
    sides = make_cameras(
        float(reference.elevation),
        [float(reference.azimuth)] * PATH_TIMES + [float(reference.azimuth) + 90.0] * PATH_TIMES,
        float(reference.radius),
        float(reference.fovy),
    )
    path_times = torch.linspace(0.0, 1.0, PATH_TIMES).repeat(2)
    return EvalSet(
        heldout=_shots(truth, cameras[which], times[when], size),
        large=_shots(truth, cameras[which[some]], times[when[some]], LARGE),
        path=_shots(truth, sides, path_times, max(size, PATH_SIZE)) if has_path else None,
        front=_shots(truth, reference, torch.zeros(1), LARGE),
        tile_size=tile_size,
    )


def _shots(truth: Renderer, cameras: Cameras, time: Tensor, size: int) -> EvalViews:
    image, mask = truth(cameras, time, size)
    return EvalViews(cameras, time, size, image, mask)


def evaluate(result: Renderer, exam: EvalSet) -> dict[str, float | None]:
    """All figures of one result; None where a figure means nothing (the path of a spin)."""
    small, _ = seen = _look(result, exam.heldout)
    truth = exam.heldout
    error = metrics.psnr(small, truth.image).view(CAMERAS, TIMES)
    figures: dict[str, float | None] = {
        "psnr_heldout": float(error.mean()),
        "psnr_first": float(error[:, 0].mean()),
        "psnr_last": float(error[:, -1].mean()),
        "psnr_object": float(metrics.psnr_inside(small, truth.image, truth.mask).mean()),
        "colour_error": float(metrics.colour_error(small, truth.image, truth.mask).mean()),
        "iou": float(metrics.iou(seen[1], truth.mask).mean()),
    }
    figures |= _large_figures(result, exam.large, exam.tile_size) | _motion_figures(result, exam.path)
    front, _ = _look(result, exam.front)
    figures["psnr_reference"] = float(metrics.psnr(front, exam.front.image).mean())
    return figures


def _look(result: Renderer, shots: EvalViews) -> tuple[Tensor, Tensor]:
    return result(shots.cameras, shots.time, shots.size)


def _large_figures(result: Renderer, truth: EvalViews | None, tile_size: int) -> dict[str, float | None]:
    """PSNR at 256 px; detail and saturation as ratios to the truth's, detail at the tile prior's size."""
    if truth is None:
        return {}
    image, _ = _look(result, truth)
    side = (tile_size, tile_size)
    small, small_truth, mask = (resize(layer, side) for layer in (image, truth.image, truth.mask))
    return {
        "psnr_heldout_256": float(metrics.psnr(image, truth.image).mean()),
        "detail": metrics.ratio(metrics.high_frequency(small, mask), metrics.high_frequency(small_truth, mask)),
        "saturation": metrics.ratio(metrics.saturation(image, truth.mask), metrics.saturation(truth.image, truth.mask)),
    }


def _motion_figures(result: Renderer, shots: EvalViews | None) -> dict[str, float | None]:
    """The silhouette's centroid, followed from the front and from the side."""
    if shots is None:
        return {"motion_corr": None, "motion_amplitude": None}
    path, truth = (metrics.centroid(mask).view(2, PATH_TIMES, 2) for mask in (_look(result, shots)[1], shots.mask))
    return {
        "motion_corr": metrics.path_correlation(path, truth),
        "motion_amplitude": metrics.path_amplitude(path, truth),
    }


def static_baseline(result: Renderer) -> Renderer:
    """The same, standing still at time 0: what every moving result must beat. Each camera is drawn once."""

    def still(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        rows = torch.stack([getattr(cameras, f.name) for f in fields(cameras)], dim=1)
        once, which = rows.unique(dim=0, return_inverse=True)
        image, mask = result(Cameras(*once.unbind(1)), torch.zeros(len(once)), size)
        return image[which], mask[which]

    return still


def field_renderer(field: Field4D, device: torch.device | str | None = None) -> Renderer:
    """A field as pictures on white. Small ones are averaged from twice the size, as the truth is."""

    def result(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        fold = 2 if size < LARGE else 1
        clip = render_clip(field, cameras, time, fold * size, SAMPLES, normals=False, device=device)
        return tuple(avg_pool2d(layer, fold) for layer in (clip.image, clip.mask))

    return result
