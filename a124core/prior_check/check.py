"""Before hours are spent: what does each prior see in pictures of the scene, and is a wire wrong?

Three views at three noise levels through each connected guidance, as one sheet, and a sentence for each suspicion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..cameras.rig import relative_azimuth
from ..protocols import Guidance
from ..reference.reference import Reference
from ..reference.segment import border_pixels, resize
from . import warnings as say
from .probe import (
    LEVELS,
    Preview,
    Probe,
    Shown,
    bad_share,
    belief,
    colour_card,
    colour_drift,
    condition_heard,
    contrast,
    denoising,
    heard,
    pose_errors,
    pose_heard,
)
from .sheet import Row, draw_prior_sheet
from .views import Pictures, Scene, with_condition

ROLES = ("image", "view", "video", "refine")
POSE = 60.0  # the view that tells a mirrored pose: a face turned aside is not its own mirror image
N_QUERIES = 20  # to each guidance, about
TRUSTED = 0.6  # overlap of silhouettes from which on a field may contradict a prior's pose
ALL_WELL = "Nothing suspicious."

@dataclass
class Findings:
    """What one check gathers."""

    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, *sentences: str | None) -> None:
        self.warnings += [s for s in sentences if s is not None]


@dataclass(frozen=True)
class PriorCheck:
    sheet: Tensor  # (1, 3, H, W) in [0, 1]
    report: str
    warnings: tuple[str, ...]
    figures: dict[str, dict[str, float]]  # by role, what the suspicions were read from


@torch.no_grad()
def check_priors(
    guidances: dict[str, Guidance | None],  # by role, of ROLES
    reference: Reference | None = None,
    pictures: Pictures | None = None,  # the field, or a truth; None: the reference picture alone
    embedding: str = "",  # the learned word that the refine guidance should read
    size: int = 128,  # pixels of a render
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_ask: Callable[[], None] | None = None,  # called before each of some QUESTIONS to each guidance
) -> PriorCheck:
    """Show every guidance the scene and say what is suspicious. Same seed, same answer."""
    wired = {role: guidances[role] for role in ROLES if guidances.get(role) is not None}
    if not wired:
        raise ValueError("no guidance is connected: wire at least one of image, view, video and refine guidance.")
    if reference is None and pictures is None:
        raise ValueError("there is nothing to show to the priors: connect the reference or a field.")
    found = Findings()
    scene = Scene(reference, pictures, size)
    trusted = _look_at_scene(scene, found)
    for role, guidance in wired.items():
        probe = Probe(role, guidance, torch.device(device), seed, on_ask)
        try:
            _look_through(probe, scene, trusted, embedding, found)
        except (ValueError, RuntimeError, TypeError, IndexError) as error:
            if "out of memory" in str(error).lower():
                raise
            found.add(say.stopped(role, error))
            found.rows.append(Row(f"{role}: stopped", torch.full((1, 3, 1, 1), 0.5), ()))
    return _written(found)


def _look_at_scene(scene: Scene, found: Findings) -> bool:
    """Mask and field, before any prior is asked; may the field contradict a prior's pose?"""
    mask = None if scene.reference is None else (scene.reference.mask > 0.5).float()
    if mask is not None:
        found.add(say.mask_inverted(float(border_pixels(mask).mean()), float(mask.mean())))
    if scene.pictures is None:
        found.notes.append(
            "Only the picture was shown, so side, back and the pose of a view guidance were not checked: wire a field."
        )
        return False
    opacity = scene.pictures(scene.camera, torch.zeros(1), scene.size)[1].cpu()
    wanted = None if mask is None else resize(mask, opacity.shape[-2:])
    empty = say.field_empty(float(opacity.mean()), 0.1 if wanted is None else float(wanted.mean()))
    if empty is not None or wanted is None:
        found.add(empty)
        return empty is None
    a, b = opacity > 0.5, wanted > 0.5
    overlap = float((a & b).sum()) / max(float((a | b).sum()), 1.0)
    found.add(say.field_of_another(overlap))
    found.figures["field"] = {"overlap": overlap}
    return overlap >= TRUSTED


def _look_through(probe: Probe, scene: Scene, trusted: bool, embedding: str, found: Findings) -> None:
    """All questions to one prior."""
    role, guidance = probe.role, probe.guidance
    found.add(say.without_effect(role, guidance.weight, guidance.t_max))
    if role == "refine":
        found.add(say.token_missing(guidance.note, embedding))
        found.notes += [] if probe.prior.reads_condition else [say.NAIVE]
    shown = list(scene.shown(role, probe.prior.cameras))
    latents = [probe.encode(s.image) for s in shown]
    card = colour_card(len(shown[0].image), scene.size)
    coded = probe.encode(card)
    preview = Preview(probe.prior, [*latents, coded], [*(s.image for s in shown), card])
    figures = {"latent std": float(coded.float().std()), "explained": preview.explained}
    found.figures[role] = figures
    if not all(x.isfinite().all() for x in (*latents, coded)):
        found.add(say.not_finite(role, max(map(bad_share, (*latents, coded))), 0.0, 0.0))
        return
    sound = _answers(probe, shown, latents, preview, figures, found)
    found.add(say.latents_out_of_scale(role, figures["latent std"]), say.latents_show_nothing(role, preview.explained))
    if sound:
        _interrogate(probe, scene, shown, preview, trusted, figures, found)


def _answers(
    probe: Probe, shown: list[Shown], latents: list[Tensor], preview: Preview, figures: dict, found: Findings
) -> bool:
    """The rows of the sheet; is what came back a picture at all?"""
    role, worst, largest, at = probe.role, 0.0, 0.0, 0.0
    saturation = 0.0
    for s, x0 in zip(shown, latents, strict=True):
        pairs = []
        for share in LEVELS:
            noisy = x0 + probe.sigma(share) * probe.noise(x0)
            answer = probe.ask(noisy, share, s.view)
            wrong = say.shapes_differ(role, tuple(x0.shape), tuple(answer.shape))
            if wrong is not None:
                found.add(wrong)
                found.rows.append(Row(s.label, s.image[len(s.image) // 2 :], tuple(pairs)))
                return False
            pairs.append((preview(noisy), preview(answer)))
            bad, top = bad_share(answer), float(answer.nan_to_num(0.0, 0.0, 0.0).abs().max())
            if (bad, top) > (worst, largest):
                worst, largest, at = bad, top, probe.sigma(share)
            if share == LEVELS[1]:
                saturation = max(saturation, contrast(answer) / max(contrast(x0), 0.1))
        found.rows.append(Row(s.label, s.image[len(s.image) // 2 :], tuple(pairs)))
    broken = say.not_finite(role, worst, largest, at)
    found.add(broken)
    figures["saturation"] = saturation
    if broken is None:
        found.add(say.cfg_far_off(role, probe.cfg, probe.prior.exact, saturation))
    return broken is None


def _interrogate(
    probe: Probe, scene: Scene, shown: list[Shown], preview: Preview, trusted: bool, figures: dict, found: Findings
) -> None:
    """Questions with a known right answer."""
    role = probe.role
    front = scene.front() if role in ("view", "refine") else None
    front = shown[0] if front is None else with_condition(front) if role == "refine" else front
    x0, believed = belief(probe, front)
    figures["contrast"] = contrast(believed) / max(contrast(x0), 1e-12)
    lifeless = say.dead(role, figures["contrast"]) if contrast(x0) > 1e-6 else None
    found.add(lifeless)
    if lifeless is not None:
        return
    kept, left = denoising(probe, believed, front.view)
    figures |= {f"kept {n}": v for n, v in zip(LEVELS, kept, strict=True)}
    figures |= {f"noise left {n}": v for n, v in zip(LEVELS, left, strict=True)}
    kind = say.wrong_kind(role, kept, left)
    found.add(kind)
    if kind is not None:
        return
    if (effect := heard(probe, x0, front.view)) is not None:
        figures["heard"] = effect
        found.add(say.prompt_ignored(role, effect))
    if role in say.DRIFT and scene.reference is not None:
        figures["drift"] = colour_drift(preview, x0, believed, scene.reference.mask)
        found.add(say.another_subject(role, figures["drift"]))
    if role == "refine" and probe.prior.reads_condition:
        figures["condition"] = condition_heard(probe, front)
        found.add(say.condition_ignored(figures["condition"]))
    if role == "view":
        _ask_for_pose(probe, scene, front, x0, trusted, figures, found)


def _ask_for_pose(
    probe: Probe, scene: Scene, front: Shown, x0: Tensor, trusted: bool, figures: dict, found: Findings
) -> None:
    """Does the view guidance know where the camera is, and on the right side?"""
    figures["pose"] = pose_heard(probe, x0, front.view)
    deaf = say.pose_ignored(figures["pose"])
    found.add(deaf)
    if deaf is not None or not trusted:
        return
    camera = scene.at(POSE, probe.prior.cameras)
    if abs(float(relative_azimuth(camera, scene.camera))) < POSE / 2:
        return
    errors = pose_errors(probe, scene.picture("pose", camera, torch.zeros(1)))
    figures |= dict(zip(("told", "mirrored", "opposite"), errors, strict=True))
    found.add(say.pose_turned(*errors))


def _written(found: Findings) -> PriorCheck:
    said = list(dict.fromkeys(found.warnings))
    lines = [*(f"- {s}" for s in said)] or [ALL_WELL]
    sheet = draw_prior_sheet(found.rows, [f"noise {share:g}" for share in LEVELS])
    return PriorCheck(sheet, "\n".join([*lines, *found.notes]), tuple(said), found.figures)
