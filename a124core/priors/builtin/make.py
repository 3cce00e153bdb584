"""Put it together: a reference and a sentence -> the five guidances and the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...cameras.rig import reference_camera
from ...protocols import Cameras, Guidance, Guidances, Prior, Shading
from ...reference.reference import Reference, camera_of
from ..noise import scaled_linear_sigmas
from . import recipe
from .bank import Bank, lattice
from .body import Subject
from .denoisers import ImagePrior, TilePrior, VideoPrior, ViewPrior, _Setup
from .inflate import inflated, recognised
from .recipe import NEVER, Numbers
from .scenes import STILL, Look, draw, subject_named
from .truth import Truth
from .words import FROM_PROMPT, MOTIONS, SUBJECTS, understand


@dataclass(frozen=True)
class BuiltInPriors:
    """The guidances of one scene, and the answer they hide."""

    image: Guidance
    view: Guidance
    video: Guidance
    refine: Guidance
    upscale: Guidance
    truth: Truth
    bank: Bank
    understood: str  # for the user: which subject, which motion, what was guessed

    @property
    def guidances(self) -> Guidances:
        """The four of the method."""
        return Guidances(self.image, self.view, self.video, self.refine)


def make_priors(
    reference: Reference | None,
    prompt: str,
    motion: str = FROM_PROMPT,
    picture_size: int = 48,
    tile_size: int = 96,
    subject: str | None = None,
    seed: int = 0,
) -> BuiltInPriors:
    """Built-in priors for a reference picture and a prompt.

    subject names a primitive; else the reference decides: an example picture is recognised, any other is inflated.
    Without a reference the prompt must name a subject. seed chooses the other subjects of the bank.
    """
    read = understand(prompt, motion)
    camera = camera_of(reference)
    _check_distance(camera)
    hero, what = _hero(reference, subject, read.subject)
    bank = Bank(camera, lattice(camera))
    others = _others(hero, seed)
    motions = [read.motion, *(m for m in MOTIONS if m != read.motion)][: recipe.BANK_MOTIONS]
    truth = Truth(Look(hero, "reference", read.motion), float(camera.azimuth))
    sentence = f"{what} {read.sentence}"
    crowd = [hero, *others]
    target = _target(reference, truth, camera, picture_size)
    setup = dict(bank=bank, sigmas=scaled_linear_sigmas())
    stills = [Look(s, p, read.motion) for s in crowd for p in ("reference", "drifted")]
    right = torch.tensor([0.0 if look.subject is hero else NEVER for look in stills])
    image = ImagePrior(_Setup(looks=stills, cond=right, size=picture_size, cfg=recipe.IMAGE.cfg, **setup))
    like = _likeness(bank, stills, camera, target)
    view = ViewPrior(_Setup(looks=stills, cond=like, size=picture_size, cfg=recipe.VIEW.cfg, **setup))
    clips = [Look(hero, "drifted", m) for m in motions] + [Look(s, "drifted", read.motion) for s in others]
    caption = torch.tensor([0.0] + [NEVER] * (len(clips) - 1))
    video = VideoPrior(_Setup(looks=clips, cond=caption, size=picture_size, cfg=recipe.VIDEO.cfg, **setup))
    tiles = [Look(look.subject, "reference", look.motion) for look in clips]
    token = torch.tensor([0.0 if look.subject is hero else NEVER for look in tiles])
    refine = TilePrior(
        _Setup(looks=tiles, cond=token, size=tile_size, cfg=recipe.REFINE.cfg, **setup),
        recipe.TILE_SIZE,
        recipe.TILE_STD,
        recipe.TILE_COLOUR_STD,
    )
    everything = [t for pair in zip(tiles, clips, strict=True) for t in pair]
    upscale = TilePrior(
        _Setup(looks=everything, cond=torch.zeros(len(everything)), size=tile_size, cfg=recipe.UPSCALE.cfg, **setup),
        recipe.UPSCALE_SIZE,
        recipe.UPSCALE_STD,
        recipe.UPSCALE_STD,
    )
    return BuiltInPriors(
        image=_guidance(image, recipe.IMAGE, f"Built-in image prior. {sentence}"),
        view=_guidance(view, recipe.VIEW, f"Built-in view prior. {sentence}"),
        video=_guidance(video, recipe.VIDEO, f"Built-in video prior, in drifted colours. {sentence}"),
        refine=_guidance(refine, recipe.REFINE, f"Built-in refine prior, in the reference colours. {sentence}"),
        upscale=_guidance(
            upscale, recipe.UPSCALE, f"Built-in upscale prior, keeps the colours it is given. {sentence}"
        ),
        truth=truth,
        bank=bank,
        understood=sentence,
    )


def example_image(subject: str = "snowman", size: int = 512) -> tuple[Tensor, Tensor]:
    """Image (1, 3, size, size), white where nothing is, and mask (1, 1, size, size), from the reference camera."""
    layers = draw(Look(subject_named(subject), "reference", STILL), reference_camera(), torch.zeros(1), size)
    rgb, mask = layers[:, :3], layers[:, 3:]
    return torch.where(mask > 0, rgb / mask.clamp_min(1e-6), torch.ones_like(rgb)).clamp(0, 1), mask


def _check_distance(camera: Cameras) -> None:
    radius = float(camera.radius)
    if radius < recipe.NEAREST:
        raise ValueError(
            f"radius is {radius:g}: the built-in priors draw a scene of side 2 from {recipe.NEAREST:g} or more away "
            "(1.8 is usual)."
        )


def _guidance(prior: Prior, numbers: Numbers, note: str) -> Guidance:
    return Guidance(prior, numbers.weight, numbers.t_min, numbers.t_max, numbers.t_max_end, numbers.form, note=note)


def _hero(reference: Reference | None, named: str | None, read: str | None) -> tuple[Subject, str]:
    """Who the scene is about, and a sentence that says so."""
    if named is not None:
        return subject_named(named), f"Subject: the built-in {named}."
    if reference is None:
        if read is None:
            raise ValueError(
                f"no reference picture, and the prompt names no subject: use one of {', '.join(SUBJECTS)}."
            )
        return subject_named(read), f"Subject: the built-in {read}, read in the prompt."
    name = recognised(reference)
    if name is not None:
        return subject_named(name), f"Subject: the built-in {name}, recognised by its example picture."
    return inflated(reference), "Subject: your picture, inflated."


def _others(hero: Subject, seed: int) -> list[Subject]:
    """BANK_OTHERS other subjects, by seed."""
    names = [n for n in SUBJECTS if n != hero.name]
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return [subject_named(names[i]) for i in order[: recipe.BANK_OTHERS]]


def _target(reference: Reference | None, truth: Truth, camera: Cameras, size: int) -> Tensor:
    """The reference on white (1, 3, size, size); the truth's own picture where there is none."""
    if reference is None:
        return truth.render(camera, torch.zeros(1), size)[0]
    return reference.on(torch.ones(3), size)


def _likeness(bank: Bank, looks: list[Look], camera: Cameras, target: Tensor) -> Tensor:
    """Log weight (K,) of each look by its picture from the reference camera at time 0."""
    pictures = bank.pictures(looks, camera, torch.zeros(1), target.shape[-1], torch.ones(3), Shading())
    apart = (pictures[:, 0] - target.cpu()).square().flatten(1).sum(1)
    return -(apart - apart.min()) / (2 * recipe.LIKENESS_STD**2)
