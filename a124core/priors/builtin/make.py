"""Put it together: a reference and a sentence become five guidances and the ground truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...cameras.rig import reference_camera
from ...models3d.read import LoadedModel
from ...protocols import Guidance, Guidances, Prior, Shading
from ...reference.reference import Reference, camera_of
from ...utils.progress import OnProgress, ProgressCounter
from ...utils.validate import checked_prompt
from ..defaults import BUILT_IN
from ..noise import scaled_linear_sigmas
from .appearance import STILL, Appearance, get_subject, render_appearance
from .bank import Bank, GroundTruth, camera_lattice
from .denoisers import NEVER, ImagePrior, TilePrior, VideoPrior, ViewPrior
from .fit import fit_note
from .motions import AS_USUAL
from .pose import Manner
from .prompt import FROM_PROMPT, MOTIONS, SUBJECTS, parse_prompt
from .puppet.inflate import inflate, match_example
from .puppet.own_model import model_subject
from .puppet.parts import describe_parts
from .subject import Subject

TILE = 2  # the tile priors' images are this many times as wide as the others'
MIN_RADIUS = 0.3  # of the camera to the scene's middle: 0.3 works, 0.1 takes more points than anyone waits for
BANK_MOTIONS = 8  # motions of the subject in the bank, the requested one included
BANK_OTHERS = 4  # other subjects in the bank, under the requested motion
LIKENESS_STD = 0.15  # view prior: how far an image may be from the reference, per pixel and channel
REFINE_GRID = 16  # side at which a condition is compared
REFINE_STD = 0.15  # luminance and silhouette
REFINE_COLOUR_STD = 0.45  # colour counts little, so that drift can be repaired
UPSCALE_GRID = 24
UPSCALE_STD = 0.06  # colour counts as much as anything: the condition's is preserved


@dataclass(frozen=True)
class BuiltInPriors:
    """The guidances of one scene, and the answer they hide."""

    image: Guidance
    view: Guidance
    video: Guidance
    refine: Guidance
    upscale: Guidance
    truth: GroundTruth
    bank: Bank
    summary: str  # for the user: which subject, which motion, what was guessed

    @property
    def guidances(self) -> Guidances:
        """Return the four of the method."""
        return Guidances(self.image, self.view, self.video, self.refine)


@dataclass(frozen=True)
class RequestedMotion:
    """The motion that a user chose, and how it is done."""

    name: str = FROM_PROMPT
    manner: Manner = AS_USUAL


AS_IN_PROMPT = RequestedMotion()


def make_priors(
    reference: Reference | None,
    prompt: str,
    motion: RequestedMotion = AS_IN_PROMPT,
    image_size: int = 48,
    subject: str | LoadedModel | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,  # in drawn subjects
) -> BuiltInPriors:
    """Make built-in priors for a reference image and a prompt.

    subject names a built-in one, or is a 3D model; else the reference decides: an example image is recognised, any
    other is inflated. Without both the prompt must name a subject. seed chooses the other subjects of the bank.
    """
    parsed, manner = parse_prompt(prompt, motion.name), motion.manner
    camera = camera_of(reference)
    if float(camera.radius) < MIN_RADIUS:
        raise ValueError(
            f"radius is {float(camera.radius):g}: the built-in priors render a scene of side 2 from {MIN_RADIUS:g} or "
            "more away (1.8 is usual)."
        )
    looked_at = 0 if reference is None or subject is not None else len(SUBJECTS)
    progress = ProgressCounter(looked_at + 2 * (1 + BANK_OTHERS), on_progress, text="drawing the built-in subjects")
    progress.report()
    main, source = _main_subject(reference, subject, parsed.subject, progress)
    truth = GroundTruth(Appearance(main, "reference", parsed.motion, manner), float(camera.azimuth))
    bank = Bank(camera, camera_lattice(camera))
    shows_main = reference is not None and not isinstance(subject, LoadedModel)  # to the pixel, and in its own colours
    target = reference.composite(image_size) if shows_main else truth.render(camera, torch.zeros(1), image_size)[0]
    priors = _priors(bank, truth, _other_subjects(main, seed), target, progress)
    notes = {
        "image": "Built-in image prior.",
        "view": "Built-in view prior.",
        "video": "Built-in video prior, in drifted colours.",
        "refine": "Built-in refine prior, in the reference colours.",
        "upscale": "Built-in upscale prior, keeps the colours of its condition.",
    }
    summary = " ".join(filter(None, (source, parsed.sentence, fit_note(main, parsed.motion, manner))))
    guidances = {role: BUILT_IN[role].guidance(priors[role], f"{note} {summary}") for role, note in notes.items()}
    return BuiltInPriors(**guidances, truth=truth, bank=bank, summary=summary)


def _priors(
    bank: Bank, truth: GroundTruth, others: list[Subject], target: Tensor, progress: ProgressCounter
) -> dict[str, Prior]:
    """Make the five priors by role, each over its own appearances of the bank; target: the reference image (1, 3, h, h)
    at the size of theirs."""
    main, motion, manner = truth.appearance.subject, truth.motion, truth.appearance.manner
    motions = [motion, *(m for m in MOTIONS if m != motion)][:BANK_MOTIONS]
    stills = [Appearance(s, p, motion, manner) for s in (main, *others) for p in ("reference", "drifted")]
    clips = [Appearance(main, "drifted", m, manner) for m in motions]
    clips += [Appearance(s, "drifted", motion, manner) for s in others]
    tiles = [replace(clip, palette="reference") for clip in clips]
    both = [tile for pair in zip(tiles, clips, strict=True) for tile in pair]
    images = dict(bank=bank, sigmas=scaled_linear_sigmas(), size=target.shape[-1])
    large = images | dict(size=TILE * target.shape[-1])
    cfg = {role: defaults.cfg for role, defaults in BUILT_IN.items()}
    caption = torch.tensor([0.0] + [NEVER] * (len(clips) - 1))
    likeness = _likeness(bank, stills, target, progress)
    refine = dict(grid=REFINE_GRID, std=REFINE_STD, colour_std=REFINE_COLOUR_STD)
    upscale = dict(grid=UPSCALE_GRID, std=UPSCALE_STD, colour_std=UPSCALE_STD)
    return {
        "image": ImagePrior(items=stills, cond=_only(main, stills), cfg=cfg["image"], **images),
        "view": ViewPrior(items=stills, cond=likeness, cfg=cfg["view"], **images),
        "video": VideoPrior(items=clips, cond=caption, cfg=cfg["video"], **images),
        "refine": TilePrior(items=tiles, cond=_only(main, tiles), cfg=cfg["refine"], **large, **refine),
        "upscale": TilePrior(items=both, cond=torch.zeros(len(both)), cfg=cfg["upscale"], **large, **upscale),
    }


def example_image(subject: str = "snowman", size: int = 512) -> tuple[Tensor, Tensor]:
    """Render an image (1, 3, size, size), white around the subject, and its mask, from the reference camera."""
    appearance = Appearance(get_subject(subject), "reference", STILL)
    layers = render_appearance(appearance, reference_camera(), torch.zeros(1), size)
    rgb, mask = layers[:, :3], layers[:, 3:]
    return torch.where(mask > 0, rgb / mask.clamp_min(1e-6), torch.ones_like(rgb)).clamp(0, 1), mask


def check_built_in(prompt: str, motion: str, has_subject: bool) -> None:
    """Refuse a prompt or motion of which make_priors could make nothing; has_subject: an image or a model is it."""
    parsed = parse_prompt(checked_prompt(prompt), motion)
    if not has_subject:
        _check_named(parsed.subject)


def _check_named(in_prompt: str | None) -> None:
    if in_prompt is None:
        raise ValueError(f"no reference image, and the prompt names no subject: use one of {', '.join(SUBJECTS)}.")


def _main_subject(
    reference: Reference | None, requested: str | LoadedModel | None, in_prompt: str | None, progress: ProgressCounter
) -> tuple[Subject, str]:
    """Choose the scene's subject, and say in a sentence which it is."""
    if isinstance(requested, LoadedModel):
        own = model_subject(requested, reference, progress.on_progress)
        return own.subject, own.sentence
    if requested is not None:
        return get_subject(requested), f"Subject: the built-in {requested}."
    if reference is None:
        _check_named(in_prompt)
        return get_subject(in_prompt), f"Subject: the built-in {in_prompt}, read in the prompt."
    name = match_example(reference, progress)
    if name is not None:
        return get_subject(name), f"Subject: the built-in {name}, recognised by its example image."
    subject = inflate(reference)
    pieces = len(subject.skeleton.pieces or ())
    return subject, f"Subject: your image, inflated. {describe_parts(subject.skeleton.parts, pieces)}"


def _other_subjects(main: Subject, seed: int) -> list[Subject]:
    """Choose BANK_OTHERS other subjects, by seed."""
    names = [n for n in SUBJECTS if n != main.name]
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return [get_subject(names[i]) for i in order[:BANK_OTHERS]]


def _only(subject: Subject, items: list[Appearance]) -> Tensor:
    """Return log weights (K,) that exclude all other subjects."""
    return torch.tensor([0.0 if item.subject is subject else NEVER for item in items])


def _likeness(bank: Bank, items: list[Appearance], target: Tensor, progress: ProgressCounter) -> Tensor:
    """Return the log weight (K,) of each item by its image from the reference camera at time 0."""
    images = []
    for item in items:
        images.append(bank.images([item], bank.reference, torch.zeros(1), target.shape[-1], torch.ones(3), Shading()))
        progress.advance("drawing the bank of images")
    error = (torch.cat(images)[:, 0] - target.cpu()).square().flatten(1).sum(1)
    return -(error - error.min()) / (2 * LIKENESS_STD**2)
