"""Query every connected prior with images of the scene, before hours are spent, and report what looks wrongly wired.

Three views at three noise levels through each guidance, as one sheet, and one sentence for each warning.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..cameras.rig import relative_azimuth
from ..export.images.sheets import draw_contact_sheet
from ..priors.flow import advice
from ..protocols import Guidances
from ..reference.layers import border_pixels, resize
from ..utils.device import is_out_of_memory
from ..utils.overlap import silhouette_iou
from ..utils.progress import OnProgress
from . import warnings
from .curve import ResponseCurve, noise_draws
from .curve_advice import calibrate_curve, colour_warning, curve_figures, curve_notes, curve_warning
from .curve_plot import draw_curves
from .probe import NOISE_LEVELS, LatentPreview, Probe, ProbeInput, colour_card, colour_drift, contrast, non_finite_share
from .respond import N_CURVE_QUERIES, curve_input, measure_curve
from .views import ProbeViews, with_condition

POSE = 60.0  # azimuth that exposes a mirrored pose: a face seen from there is not its own mirror image
N_QUERIES = 20  # to each guidance, approximately
TRUSTED_OVERLAP = 0.6  # of silhouettes, from which on a field may contradict a prior's pose
ALL_WELL = "Nothing suspicious."
TILE = 96  # side of an image in the sheet, pixels
GREY = torch.full((1, 3, 1, 1), 0.5)  # in the sheet, for a prior that cannot be queried


@dataclass
class PriorCheck:
    """The results of one check."""

    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)  # sentences of what the inputs did not allow to check
    rows: list[tuple[str, list[Tensor]]] = field(default_factory=list)  # of the sheet: label, images (1, 3, h, w)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)  # by role, the measurements behind the warnings
    curves: dict[str, ResponseCurve] = field(default_factory=dict)  # by role, where they were requested
    cfgs: dict[str, list[float]] = field(default_factory=dict)  # of the panels of a curve: its own, the recommended one

    def warn(self, *sentences: str | None) -> bool:
        """Add the sentences that are not None; return whether there were any."""
        present = [s for s in sentences if s is not None]
        self.warnings += [s for s in present if s not in self.warnings]
        return bool(present)

    def record(self, role: str, name: str, value: float) -> bool:
        """Keep a figure, warn where it is outside its limits, and return whether it is."""
        self.figures.setdefault(role, {})[name] = value
        return self.warn(warnings.outside_limits(role, name, value))

    def stop(self, role: str) -> None:
        """Mark in the sheet that a prior could not be queried further."""
        self.rows.append((f"{role}: stopped", [GREY]))

    @property
    def report(self) -> str:
        lines = [f"- {sentence}" for sentence in self.warnings] or [ALL_WELL]
        return "\n".join([*lines, *self.notes, *self.unchecked])  # a node has room for the first four lines

    def sheet(self) -> Tensor:  # (1, 3, H, W) in [0, 1]
        """Draw each view, and at each noise level what the prior got and what it made of it; NaN is grey."""
        heads = ["image", *(head for level in NOISE_LEVELS for head in (f"noise {level:g}: noisy", "denoised"))]
        rows = [torch.cat([_tile(image) for image in images]) for _, images in self.rows]
        sheet = draw_contact_sheet(rows, [label for label, _ in self.rows], heads)
        return torch.from_numpy(np.array(sheet)).permute(2, 0, 1)[None].float() / 255.0

    def curve_plot(self) -> Tensor:  # (1, 3, H, W) in [0, 1]
        """Draw the response curves, each at its own cfg and at the recommended one."""
        return draw_curves(self.curves, self.cfgs)


def _tile(image: Tensor) -> Tensor:  # (1, 3, TILE, TILE)
    image = image[:1].detach().float().cpu().nan_to_num(0.5, 0.5, 0.5)
    return interpolate(image, (TILE, TILE), mode="area" if image.shape[-1] >= TILE else "nearest")


def check_any_guidance(connected: Collection[str]) -> None:
    """Refuse a check to which no guidance is connected."""
    if not connected:
        raise ValueError("no guidance is connected: wire at least one of image, view, video and refine guidance.")


@torch.no_grad()
def check_priors(
    guidances: Guidances,
    views: ProbeViews,
    embedding: str = "",  # the learned embedding that the refine guidance's prompt should contain
    seed: int = 0,  # same seed, threads and backend, same report
    device: torch.device | str = "cpu",
    on_progress: OnProgress | None = None,  # called before each query
    curve: bool = False,  # measure the response curves too, which more than doubles the queries
) -> PriorCheck:
    """Query every guidance with the views and report what is suspicious."""
    connected = {role: guidance for role, guidance in vars(guidances).items() if guidance is not None}
    check_any_guidance(connected)
    done, total = itertools.count(), (N_QUERIES + N_CURVE_QUERIES * curve) * len(connected)

    def on_query(role: str) -> None:
        if on_progress is not None:
            on_progress(min(next(done), total), total, f"{role} guidance")

    results = PriorCheck()
    field_trusted = _check_scene(views, results)
    for role, guidance in connected.items():
        probe = Probe(role, guidance, torch.device(device), seed, partial(on_query, role))
        try:
            denoises = _check_prior(probe, views, field_trusted, embedding, results)
            if curve and denoises:
                _check_response(probe, views, results)
        except (ValueError, RuntimeError, TypeError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            results.warn(f"The {role} guidance fails: {error}")
            results.stop(role)
    return results


def _check_scene(views: ProbeViews, results: PriorCheck) -> bool:
    """Check mask and field before any prior is queried; return whether the field may contradict a prior's pose."""
    mask = None if views.reference is None else (views.reference.mask > 0.5).float()
    if mask is not None:
        results.warn(warnings.mask_inverted(float(border_pixels(mask).mean()), float(mask.mean())))
    if views.render is None:
        results.unchecked.append(
            "Only the reference image was used, so side, back and the pose of a view guidance were not checked: wire a "
            "field."
        )
        return False
    opacity = views.render(views.camera, torch.zeros(1), views.size)[1].cpu()
    target = None if mask is None else resize(mask, opacity.shape[-2:])
    expected = 0.1 if target is None else float(target.mean())
    if results.record("field", "coverage", float(opacity.mean()) / max(expected, 1e-6)):
        return False
    if target is None:
        return True
    overlap = silhouette_iou(opacity, target)
    results.record("field", "overlap", overlap)
    return overlap >= TRUSTED_OVERLAP


def _check_prior(probe: Probe, views: ProbeViews, field_trusted: bool, embedding: str, results: PriorCheck) -> bool:
    """Run the checks of one prior, up to the first fault that makes the others meaningless; return whether it denoises.
    """
    role, guidance = probe.role, probe.guidance
    results.warn(warnings.no_effect(role, guidance.weight, guidance.t_max), *advice(role, guidance))
    if role == "refine":
        results.warn(warnings.embedding_missing(guidance.note, embedding))
        results.notes += [] if probe.prior.reads_condition else [warnings.NAIVE]
    inputs = list(views.inputs(role, probe.prior.cameras))
    images = [*(item.image for item in inputs), colour_card(len(inputs[0].image), views.size)]
    latents = [probe.encode(image) for image in images]
    preview, std = LatentPreview(latents, images), float(latents[-1].float().std())
    if (bad := max(map(non_finite_share, latents))) > 0.0:
        results.warn(warnings.not_finite(role, bad, 0.0, 0.0))
        results.stop(role)
        return False
    usable = _check_outputs(probe, inputs, latents, preview, results)
    results.record(role, "latent std", std)
    results.record(role, "explained", preview.explained)
    denoises = usable and _check_denoising(probe, views, inputs[0], preview, results)
    if denoises and role == "view" and field_trusted:
        _check_pose(probe, views, results)
    return denoises


def _check_outputs(
    probe: Probe, inputs: list[ProbeInput], latents: list[Tensor], preview: LatentPreview, results: PriorCheck
) -> bool:
    """Add the rows of the sheet; return whether the outputs have the right shape and finite values."""
    role, worst, saturation = probe.role, (0.0, 0.0, 0.0), 0.0  # worst: share of bad values, largest value, sigma
    for item, x0 in zip(inputs, latents, strict=False):  # the last latents are the colour card's
        images = [item.image[len(item.image) // 2 :]]
        for share in NOISE_LEVELS:
            noisy = x0 + probe.sigma(share) * probe.noise(x0)
            output = probe.denoise(noisy, share, item.view)
            if results.warn(warnings.shape_mismatch(role, tuple(x0.shape), tuple(output.shape))):
                results.rows.append((item.label, images))
                return False
            images += [preview(noisy), preview(output)]
            largest = float(output.nan_to_num(0.0, 0.0, 0.0).abs().max())
            worst = max(worst, (non_finite_share(output), largest, probe.sigma(share)), key=lambda w: w[:2])
            if share == NOISE_LEVELS[1]:
                saturation = max(saturation, contrast(output) / max(contrast(x0), 0.1))
        results.rows.append((item.label, images))
    results.figures[role] = {"saturation": saturation}
    if results.warn(warnings.not_finite(role, *worst)):
        return False
    results.warn(warnings.cfg_out_of_range(role, probe.prior.cfg, probe.prior.exact, saturation))
    return True


def _check_denoising(
    probe: Probe, views: ProbeViews, first: ProbeInput, preview: LatentPreview, results: PriorCheck
) -> bool:
    """Run the queries whose correct output is known; return whether the prior denoises and depends on its pose."""
    role, figures = probe.role, results.figures[probe.role]
    front = (views.reference_input() if role in ("view", "refine") else None) or first
    front = with_condition(front) if role == "refine" else front
    x0, denoised = probe.denoised_reference(front)
    if contrast(x0) > 1e-6 and results.record(role, "contrast", contrast(denoised) / contrast(x0)):
        return False
    signal, noise = zip(*probe.denoising_response(denoised, front.view), strict=True)
    figures |= {f"signal {level}": value for level, value in zip(NOISE_LEVELS, signal, strict=True)}
    figures |= {f"noise {level}": value for level, value in zip(NOISE_LEVELS, noise, strict=True)}
    if results.warn(warnings.wrong_prediction_type(role, signal, noise)):
        return False
    if (change := probe.prompt_sensitivity(x0, front.view)) is not None:
        results.record(role, "prompt", change)
    if role in ("view", "refine") and views.reference is not None:
        results.record(role, "drift", colour_drift(preview, x0, denoised, views.reference.mask))
    if role == "refine" and probe.prior.reads_condition:
        results.record(role, "condition", probe.condition_sensitivity(front))
    return role != "view" or not results.record(role, "pose", probe.pose_sensitivity(x0, front.view))


def _check_pose(probe: Probe, views: ProbeViews, results: PriorCheck) -> None:
    """Compare outputs with a rendered view, conditioned on its camera, the mirrored and the opposite one."""
    camera = views.camera_at(POSE, probe.prior.cameras)
    if abs(float(relative_azimuth(camera, views.camera))) < POSE / 2:
        return
    errors = probe.pose_errors(views.input_at("pose", camera, torch.zeros(1)))
    results.figures[probe.role] |= dict(zip(("pose error", "mirrored", "opposite"), errors, strict=True))
    results.warn(warnings.pose_wrong(*errors))


def _check_response(probe: Probe, views: ProbeViews, results: PriorCheck) -> None:
    """Measure where score distillation with this guidance comes to rest."""
    role, guidance = probe.role, probe.guidance
    curve = measure_curve(probe, curve_input(list(views.inputs(role, probe.prior.cameras)), role))
    if curve is None:
        return
    results.curves[role], results.cfgs[role] = curve, [curve.own_cfg]
    results.figures[role] |= curve_figures(curve, noise_draws(guidance))
    results.notes += curve_notes(role, curve, guidance)
    warned = results.warn(curve_warning(role, curve, guidance), colour_warning(role, curve))
    if warned and (best := calibrate_curve(curve, guidance, role)) is not None:
        results.cfgs[role].append(best.cfg)
