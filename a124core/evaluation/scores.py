"""Everything that is measured of one scene: figures, their curves over time, and what must be said beside them."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from ..cameras.rig import reference_camera
from ..export.mesh.build import mesh_times
from ..export.mesh.options import MeshOptions
from ..priors.builtin.bank import GroundTruth
from ..priors.builtin.make import TILE
from ..protocols import Cameras, Field
from ..reference.reference import Reference
from ..utils.progress import OnProgress
from . import bank_scores as bank
from . import clip_scores, film_metrics
from .bank_scores import CaptionBank
from .captions import Candidates
from .chamfer import moving_distances
from .clip_encoder import ClipEncoder
from .evaluate import Renderer, build_eval_set, evaluate
from .film import FilmGrid, Films, film_frames, opposite_views, small
from .surfaces import FRAMES, MovingSurface, field_surface, truth_surface

TRUTH_SIZE = 48  # pixels a side of held-out images: those of the preset demo
HELDOUT = ("psnr_heldout", "ssim_heldout", "psnr_object", "colour_error", "iou", "motion_corr", "motion_amplitude")
MESH_RESOLUTION, MESH_FACES = 64, 8000  # of the mesh that geometry is measured on


@dataclass(frozen=True)
class Geometry:
    """What surfaces are compared. None: the field's own mesh, and the built-in truth."""

    result: MovingSurface | None = None
    truth: MovingSurface | None = None
    aligned: bool = False  # align before measuring, as ActionBench does
    frames: int = FRAMES


@dataclass(frozen=True)
class Task:
    """What one scene is compared with. Every part may be missing: its figures are then left out."""

    name: str
    caption: str = ""
    reference: Reference | None = None
    clip: ClipEncoder | None = None
    candidates: Candidates | None = None  # of captions, for CLIP-R
    bank: CaptionBank | None = None  # of the built-in priors, which also know the truth
    geometry: Geometry | None = None  # None: not measured
    grid: FilmGrid = field(default_factory=FilmGrid)
    truth: bool = True  # compare with the bank's truth from other cameras; False: where a run's report did
    own_camera: Cameras = field(default_factory=reference_camera)  # 1, where neither bank nor reference has one

    @property
    def camera(self) -> Cameras:
        """The one that the reference image was taken from."""
        if self.bank is not None:
            return self.bank.bank.reference
        return self.own_camera if self.reference is None else self.reference.camera


@dataclass
class SceneScores:
    """The figures of one scene."""

    name: str
    caption: str
    figures: dict[str, float | None] = field(default_factory=dict)  # None: means nothing here
    curves: dict[str, list[float]] = field(default_factory=dict)  # over time, mean over the views
    notes: list[str] = field(default_factory=list)  # sentences: what was measured how, and what is not comparable
    seconds: float = 0.0
    variant: str = ""  # of the compared systems the one that made it

    def add(self, name: str, values: Tensor) -> None:  # (V, T) or (T,)
        """Add a figure, the mean of all frames, and its curve."""
        self.figures[name] = float(values.mean())
        self.curves[name] = clip_scores.by_time(values)


def truth_of(captions: CaptionBank) -> GroundTruth:
    """Return the scene that the bank's own caption means, in the reference's colours."""
    own = replace(captions.own, palette="reference")
    return GroundTruth(own, float(captions.bank.reference.azimuth))


def score_scene(
    result: Renderer, shape: Field | None, task: Task, on_progress: OnProgress | None = None
) -> SceneScores:
    """Measure a scene. result renders it; shape is the field whose mesh is measured, if geometry is."""
    began = clock.monotonic()
    scores = SceneScores(task.name, task.caption)
    report = on_progress or (lambda done, total, text: None)
    cameras = task.grid.cameras(task.camera)
    films, features, weights, following = _measure_frames(result, task, cameras, report)
    scores.notes.append(f"Films: {task.grid.describe()}.")
    if task.clip is not None:
        _add_clip(scores, task, features)
    if weights is not None:
        _add_bank(scores, task, weights, following)
    front, back, off = opposite_views(cameras, task.camera, task.grid.views)
    _add_films(scores, films, (front, back), task.grid.views)
    if off > 1.0:
        scores.notes.append(f"Janus looks {off:.0f} degrees past the back, which an even number of views has.")
    if task.bank is not None and task.truth:
        report(0, 1, "comparing with the truth from other cameras")
        _add_truth(scores, result, task.bank)
    if task.geometry is not None:
        _add_geometry(scores, shape, task, report)
    scores.seconds = clock.monotonic() - began
    return scores


def _measure_frames(
    result: Renderer, task: Task, cameras: Cameras, report: Callable[[int, int, str], None]
) -> tuple[Films, Tensor | None, Tensor | None, Tensor | None]:
    """Render every frame once, and hold of it only what is compared later: small films, features (V, T, D), log weights
    (V, T, K), and those of the frames after, (V, T - 1, K)."""
    images, masks, features, weights, following = [], [], [], [], []
    time, previous = task.grid.time(), None
    for k, (image, mask) in enumerate(film_frames(result, cameras, time, task.grid.size)):
        images.append(small(image))
        masks.append(small(mask))
        if task.clip is not None:
            features.append(task.clip.images(image))
        if task.bank is not None and previous is not None:
            both = task.bank.log_weights(torch.stack((previous, image)), cameras, time[k - 1 : k])
            weights.append(both[0])
            following.append(both[1])
        previous = image
        report(k + 1, len(time), f"films of {task.name}")
    if task.bank is not None:
        weights.append(task.bank.log_weights(previous[None], cameras, time[-1:])[0])
    films = Films(torch.stack(images, 1), torch.stack(masks, 1))
    return films, *(torch.stack(parts, 1) if parts else None for parts in (features, weights, following))


def _front(values: Tensor, views: int) -> Tensor:  # (V, T, ...) -> (T, ...)
    """Return the film from the reference camera: the last where it was added to the views, else the first."""
    return values[-1] if len(values) > views else values[0]


def _add_clip(scores: SceneScores, task: Task, features: Tensor) -> None:
    clip, views = task.clip, features[: task.grid.views]
    if task.caption and task.candidates is not None:
        candidates = task.candidates.with_caption(task.caption)
        texts, own = clip.texts(candidates.captions), candidates.captions.index(task.caption)
        scores.add("clip_r", clip_scores.clip_r(views, texts, own))
        scores.add("clip_t", clip_scores.clip_t(views, texts, own))
        scores.notes.append(f"CLIP-R among {candidates.describe()}.")
    else:
        scores.notes.append("CLIP-R and CLIP-T were left out: they need a caption and the text encoder of a CLIP.")
    if task.reference is not None:
        target = clip.images(task.reference.composite(task.grid.size))[0]
        scores.add("clip_i", clip_scores.clip_i(_front(features, task.grid.views), target))
    else:
        scores.notes.append("CLIP-I was left out: there is no reference image.")
    scores.add("clip_f", clip_scores.clip_f(views))
    scores.notes.append(f"CLIP {clip.label}." + _not_comparable(clip.is_paper, task.grid))


def _not_comparable(is_paper: bool, grid: FilmGrid) -> str:
    """Say why CLIP figures are not those of the paper's tables; empty where they are measured as they were."""
    reasons = [] if is_paper else ["the paper's is OpenAI's ViT-B/32"]
    reasons += [] if grid.is_paper else [f"the paper's films have {FilmGrid().describe()}"]
    return f" Not comparable with the paper's tables: {', and '.join(reasons)}." if reasons else ""


def _add_bank(scores: SceneScores, task: Task, weights: Tensor, following: Tensor) -> None:
    count, views = task.grid.views, weights[: task.grid.views]
    scores.add("bank_r", bank.bank_r(views))
    scores.add("bank_t", bank.bank_t(views))
    scores.add("bank_i", bank.bank_i(_front(weights, count), bank.reference_items(task.bank)))
    scores.add("bank_f", bank.bank_f(views, following[:count]))
    scores.notes.append(f"R, T, I and F under the built-in priors: {task.bank.describe()}.")


def _add_films(scores: SceneScores, films: Films, sides: tuple[int, int], views: int) -> None:
    image, mask = films.image[:views], films.mask[:views]
    scores.add("motion", film_metrics.motion(image, mask))
    scores.add("flicker", film_metrics.flicker(image, mask))
    front, back = sides
    scores.add("janus", film_metrics.janus(image[front], mask[front], image[back], mask[back]))


def _add_truth(scores: SceneScores, result: Renderer, captions: CaptionBank) -> None:
    truth, views = truth_of(captions), captions.bank
    size = min(captions.size, TRUTH_SIZE)
    held = build_eval_set(truth.render, views.reference, views.cameras, size, TILE * size, truth.motion_has_path)
    figures = evaluate(result, replace(held, large=None))
    scores.figures |= {name: figures[name] for name in HELDOUT}
    scores.figures["janus_truth"] = _truth_janus(truth, views.reference)


def _truth_janus(truth: GroundTruth, reference: Cameras) -> float:
    """Return the likeness of front and back that the right answer has, at time 0."""
    grid = FilmGrid(views=2, times=3, size=128)
    cameras = grid.cameras(reference)[:2]
    image, mask = truth.render(cameras, torch.zeros(2), grid.size)
    return float(film_metrics.janus(image[:1], mask[:1], image[1:], mask[1:]))


def _add_geometry(scores: SceneScores, shape: Field | None, task: Task, report: OnProgress) -> None:
    geometry = task.geometry
    if geometry.truth is None and task.bank is None:
        scores.notes.append("Geometry was left out: there is no known moving surface to compare with.")
        return
    frames = geometry.frames if geometry.truth is None else len(geometry.truth.frames)
    options = MeshOptions(frames, resolution=MESH_RESOLUTION, faces=MESH_FACES)
    result, times = geometry.result, np.linspace(0.0, 1.0, frames)
    if result is None:
        result, times = field_surface(shape, options, report)
    elif shape is not None:
        times = mesh_times(shape, options)  # those that its export had: of a loop without the end
    report(0, 1, "comparing surfaces")
    if geometry.truth is None:
        truth = truth_surface(truth_of(task.bank), times)
    else:
        truth = geometry.truth.truth("the known surface")
    distances = moving_distances(result.frames, result.tracked, truth, geometry.aligned)
    scores.figures |= {name: distances[name] for name in ("cd_3d", "cd_4d", "cd_m")}
    scores.curves |= {"cd_3d": distances["cd_3d_by_time"], "cd_4d": distances["cd_4d_by_time"]}
    how = "aligned as ActionBench aligns" if geometry.aligned else "not aligned, so CD-3D is CD-4D"
    scores.notes.append(f"CD over {frames} frames, {how}, in world units; lower is better. {result.note}".strip())
