"""How close a result comes to the ground truth: the metrics of report.json.

Both sides are functions (cameras, time, size) -> (image on white, mask), so a field, built-in ground truth and a lambda
are measured alike. With built-in priors the bank contains the answer: these metrics measure the machinery.
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
from ..reference.layers import resize
from ..render.clip import ImageOptions, render_clip
from . import metrics

Renderer = Callable[[Cameras, Tensor, int], tuple[Tensor, Tensor]]  # (B), (B,), size -> (B, 3, S, S), (B, 1, S, S)
Metrics = dict[str, float | None]  # None where a metric means nothing (the path of a spin)

CAMERAS, TIMES = 8, 8  # held-out views, and times of each
OBJECT_BY_TIME = "psnr_object_time_"  # and k: at time k / (TIMES - 1), mean over cameras
PATH_TIMES = 17  # times at which the silhouette's centroid is measured, from the front and from the side
LARGE = 256  # pixels
SAMPLES = 128  # samples per ray when a field is measured: half of a finished image's, within 0.1 dB of it
PATH_SIZE = 64  # pixels at least, where centroids are measured
CANDIDATES = 60  # candidate azimuths of held-out cameras, at each of ELEVATIONS
ELEVATIONS = (-27.0, -9.0, 9.0, 27.0, 45.0)  # degrees; novel training views lie between -45 and 90
NOTE = (
    "The built-in priors contain the answer, so these figures measure the machinery (optimiser, field, schedules), "
    "not imagination."
)


@dataclass(frozen=True)
class EvalViews:
    """B views of one size and their truth."""

    cameras: Cameras
    time: Tensor  # (B,)
    size: int
    image: Tensor  # (B, 3, S, S) truth, on white
    mask: Tensor  # (B, 1, S, S) truth

    def render(self, result: Renderer) -> tuple[Tensor, Tensor]:
        """Render a result at these views."""
        return result(self.cameras, self.time, self.size)


@dataclass(frozen=True)
class EvalSet:
    """The same views for every stage; the truth is rendered once."""

    heldout: EvalViews  # every held-out camera at every time, camera by camera
    large: EvalViews | None  # LARGE pixels; None: left out, which halves the time
    path: EvalViews | None  # front and side, PATH_TIMES each; None where the subject's middle does not travel (a spin)
    front: EvalViews  # the reference view at time 0, LARGE pixels
    tile_size: int  # side at which detail is compared


def heldout_cameras(
    reference: Cameras,  # 1: gives radius and fovy
    trained: Cameras | None,  # all cameras that training can use; None: any
) -> Cameras:  # CAMERAS
    """Choose fixed views unseen in training: as far as possible from its cameras, and spread around the object."""
    azimuth = torch.arange(CANDIDATES) * (360.0 / CANDIDATES) + float(reference.azimuth)
    elevation = torch.tensor(ELEVATIONS).repeat_interleave(CANDIDATES)
    pool = make_cameras(elevation, azimuth.repeat(len(ELEVATIONS)), float(reference.radius), float(reference.fovy))
    if trained is not None:
        used = [reference, *(trained[k : k + 1] for k in range(len(trained)))]
        distance = torch.stack([angle_between(pool, camera) for camera in used]).amin(0)
        pool = pool[distance >= distance.quantile(0.85)]
    chosen = [int(angle_between(pool, reference).argmin())]  # near the front first, then farthest from all chosen
    while len(chosen) < CAMERAS:
        gaps = torch.stack([angle_between(pool, pool[c : c + 1]) for c in chosen]).amin(0)
        chosen.append(int(gaps.argmax()))
    return pool[torch.tensor(chosen)]


def build_eval_set(
    truth: Renderer,
    reference: Cameras,
    trained: Cameras | None,
    size: int,  # side of the images that training renders
    tile_size: int,  # side of the tile prior's images
    has_path: bool = True,  # does the middle of the subject travel?
) -> EvalSet:
    """Render the truth at 8 held-out cameras x 8 times in [0, 1]; at 256 px each camera takes two of the times and each
    time two cameras (16 images, a quarter of the cost)."""
    cameras = heldout_cameras(reference, trained)
    times = torch.linspace(0.0, 1.0, TIMES)
    camera_ids = torch.arange(CAMERAS).repeat_interleave(TIMES)
    time_ids = torch.arange(TIMES).repeat(CAMERAS)
    large = (time_ids - camera_ids) % (TIMES // 2) == 0
    sides = make_cameras(
        float(reference.elevation),
        [float(reference.azimuth)] * PATH_TIMES + [float(reference.azimuth) + 90.0] * PATH_TIMES,
        float(reference.radius),
        float(reference.fovy),
    )
    path_times = torch.linspace(0.0, 1.0, PATH_TIMES).repeat(2)
    return EvalSet(
        heldout=_true_views(truth, cameras[camera_ids], times[time_ids], size),
        large=_true_views(truth, cameras[camera_ids[large]], times[time_ids[large]], LARGE),
        path=_true_views(truth, sides, path_times, max(size, PATH_SIZE)) if has_path else None,
        front=_true_views(truth, reference, torch.zeros(1), LARGE),
        tile_size=tile_size,
    )


def _true_views(truth: Renderer, cameras: Cameras, time: Tensor, size: int) -> EvalViews:
    return EvalViews(cameras, time, size, *truth(cameras, time, size))


def evaluate(result: Renderer, eval_set: EvalSet) -> Metrics:
    """Compute all metrics of one result."""
    views = eval_set.heldout
    image, mask = views.render(result)
    by_camera = metrics.psnr(image, views.image).view(CAMERAS, TIMES)
    inside = metrics.psnr_inside(image, views.image, views.mask)
    figures: Metrics = {
        "psnr_heldout": float(by_camera.mean()),
        "psnr_first": float(by_camera[:, 0].mean()),
        "psnr_last": float(by_camera[:, -1].mean()),
        "psnr_object": float(inside.mean()),
        "ssim_heldout": float(metrics.ssim(image, views.image).mean()),
        "colour_error": float(metrics.colour_error(image, views.image, views.mask).mean()),
        "iou": float(metrics.iou(mask, views.mask).mean()),
    }
    curve = inside.view(CAMERAS, TIMES).mean(0).tolist()
    figures |= {f"{OBJECT_BY_TIME}{k}": value for k, value in enumerate(curve)}
    figures |= {"psnr_object_worst": min(curve), "psnr_object_best": max(curve)}
    figures |= _large_metrics(result, eval_set.large, eval_set.tile_size) | _motion_metrics(result, eval_set.path)
    front, _ = eval_set.front.render(result)
    return figures | {"psnr_reference": float(metrics.psnr(front, eval_set.front.image).mean())}


def object_by_time(figures: Metrics) -> list[float]:
    """Return the subject's PSNR at each of the held-out times, in their order."""
    return [value for name, value in figures.items() if name.startswith(OBJECT_BY_TIME)]


def _large_metrics(result: Renderer, views: EvalViews | None, tile_size: int) -> Metrics:
    """Return PSNR at 256 px; detail and saturation as ratios to the truth's, detail and its correlation with the
    truth's at the tile prior's size."""
    if views is None:
        return {}
    image, _ = views.render(result)
    side = (tile_size, tile_size)
    small, small_truth, mask = (resize(layer, side) for layer in (image, views.image, views.mask))
    return {
        "psnr_heldout_256": float(metrics.psnr(image, views.image).mean()),
        "detail": metrics.ratio(metrics.high_frequency(small, mask), metrics.high_frequency(small_truth, mask)),
        "detail_correlation": metrics.high_frequency_correlation(small, small_truth, mask),
        "saturation": metrics.ratio(metrics.saturation(image, views.mask), metrics.saturation(views.image, views.mask)),
    }


def _motion_metrics(result: Renderer, views: EvalViews | None) -> Metrics:
    """Compare the paths of the silhouette's centroid, from the front and from the side."""
    if views is None:
        return {"motion_corr": None, "motion_amplitude": None}
    path, truth = (metrics.centroid(mask).view(2, PATH_TIMES, 2) for mask in (views.render(result)[1], views.mask))
    correlation, amplitude = metrics.path_correlation(path, truth), metrics.path_amplitude(path, truth)
    return {"motion_corr": correlation, "motion_amplitude": amplitude}


def static_baseline(result: Renderer) -> Renderer:
    """Freeze a result at time 0, which every moving result must beat; each camera is rendered once."""

    def still(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        rows = torch.stack([getattr(cameras, f.name) for f in fields(cameras)], dim=1)
        unique, index = rows.unique(dim=0, return_inverse=True)
        image, mask = result(Cameras(*unique.unbind(1)), torch.zeros(len(unique)), size)
        return image[index], mask[index]

    return still


def field_renderer(
    field: Field4D, device: torch.device | str | None = None, n_steps: int | None = None
) -> Renderer:
    """Render a field on white; small images are averaged from twice the size, as the truth is. n_steps: samples along
    a ray, SAMPLES unless another number is chosen."""
    steps = SAMPLES if n_steps is None else n_steps

    def result(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
        fold = 2 if size < LARGE else 1
        clip = render_clip(field.to(device), cameras, time, ImageOptions(fold * size, steps, normals=False))
        return tuple(avg_pool2d(layer, fold) for layer in (clip.image, clip.mask))

    return result
