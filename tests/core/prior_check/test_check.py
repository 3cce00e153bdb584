"""Deliberate mistakes are named, correct graphs are left alone; every suspicion by itself on figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from a124core.cameras.rig import reference_camera
from a124core.prior_check import warnings as say
from a124core.prior_check.check import ALL_WELL, PriorCheck, check_priors
from a124core.prior_check.probe import kept_and_left
from a124core.priors.builtin import BuiltInPriors, example_image, make_priors
from a124core.priors.builtin.scenes import Look
from a124core.priors.clip import ClipPrior
from a124core.protocols import Guidance
from a124core.reference.reference import Reference, make_reference
from tests.core import misfits as wrong

SCENES = [("panda", "a panda is dancing"), ("robot", "a robot is swaying"), ("rocket", "a rocket is flying")]


@dataclass(frozen=True)
class Scene:
    reference: Reference
    priors: BuiltInPriors

    def guidances(self, **changed: Guidance | None) -> dict[str, Guidance | None]:
        p = self.priors
        return {"image": p.image, "view": p.view, "video": p.video, "refine": p.refine, **changed}

    def check(self, guidances: dict[str, Guidance | None], with_field: bool = True, **more: Any) -> PriorCheck:
        pictures = self.priors.truth.render if with_field else None
        return check_priors(guidances, more.pop("reference", self.reference), pictures, size=32, **more)


def scene_of(subject: str, prompt: str) -> Scene:
    reference = make_reference(*example_image(subject, 96))
    return Scene(reference, make_priors(reference, prompt, picture_size=16, tile_size=32))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return scene_of(*SCENES[0])


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "prompt"), SCENES)
def test_no_alarm_on_correct_graphs(subject: str, prompt: str) -> None:
    made = scene_of(subject, prompt)
    whole = made.check(made.guidances())
    assert whole.report == ALL_WELL and set(whole.figures) == {"field", "image", "view", "video", "refine"}
    assert whole.sheet.shape[:2] == (1, 3) and 0.0 <= whole.sheet.min() and whole.sheet.max() <= 1.0
    front = made.check(made.guidances(refine=made.priors.upscale), with_field=False)
    assert front.warnings == () and "wire a field" in front.report


def test_a_rough_field_is_no_reason_for_alarm(scene: Scene) -> None:
    def rough(cameras: Any, time: Any, size: int) -> tuple:
        image, mask = scene.priors.truth.render(cameras, time, size // 4)
        return tuple(torch.nn.functional.interpolate(0.6 * x + 0.4 * e, (size, size), mode="bilinear")
                     for x, e in ((image, torch.ones_like(image)), (mask, mask)))  # fmt: skip

    found = check_priors(scene.guidances(video=None), scene.reference, rough, size=32)
    assert found.warnings == (), found.report


def test_a_learned_prior_at_scale_101_is_no_reason_for_alarm(scene: Scene) -> None:
    guidance = Guidance(wrong.Learned(), 1.0, 0.2, 0.6)
    assert scene.check({"image": guidance}).warnings == ()


def test_a_clip_is_no_reason_for_alarm(scene: Scene) -> None:
    time = torch.arange(5) / 4
    image, mask = scene.priors.truth.render(reference_camera()[torch.zeros(5, dtype=torch.long)], time, 24)
    layers = torch.cat((image - (1 - mask), mask), dim=1)
    clip = Guidance(ClipPrior(layers, reference_camera()), 1.0, 0.02, 0.98)
    found = scene.check({"video": clip})
    assert found.warnings == ()
    assert found.sheet.shape[2] < 300  # one row: a clip knows one camera


def test_a_refine_guidance_without_a_controlnet_is_a_note_not_an_alarm(scene: Scene) -> None:
    """The paper's naive prior answers any picture to repair alike, which of a prior with a ControlNet is suspicious."""
    deaf = wrong.misfit(scene.priors.refine, wrong.fixed_condition)
    naive = replace(deaf, prior=wrong.Naive(deaf.prior.right, deaf.prior.answer))
    found = scene.check({"refine": naive})
    assert found.warnings == () and "no ControlNet" in found.report, found.report
    assert any("not look at" in s for s in scene.check({"refine": deaf}).warnings)


def palette(guidance: Guidance, name: str) -> Guidance:
    """A tile prior whose pictures have other colours: no learned word."""
    setup = guidance.prior.setup
    looks = [Look(look.subject, name, look.motion) for look in setup.looks]
    return replace(guidance, prior=replace(guidance.prior, setup=replace(setup, looks=looks)))


def deaf(guidance: Guidance) -> Guidance:
    setup = guidance.prior.setup
    return replace(guidance, prior=replace(guidance.prior, setup=replace(setup, cond=torch.zeros_like(setup.cond))))


def scaled(guidance: Guidance, cfg: float) -> Guidance:
    return replace(guidance, prior=guidance.prior.with_cfg(cfg))


def inverted(reference: Reference) -> Reference:
    return replace(reference, mask=1.0 - reference.mask)


# name: (role, guidance made from the scene's, more for the check, words of the sentence)
MISTAKES: dict[str, tuple] = {
    "view: mirrored pose": ("view", lambda g: wrong.misfit(g, wrong.mirrored_pose), {}, "pose is mirrored"),
    "view: opposite pose": ("view", lambda g: wrong.misfit(g, wrong.opposite_pose), {}, "opposite side"),
    "view: pose not heard": ("view", lambda g: wrong.misfit(g, wrong.no_pose), {}, "does not hear where"),
    "reference: inverted mask": ("view", lambda g: g, {"invert": True}, "mask looks inverted"),
    "image: latents 5.49 times too large": ("image", lambda g: wrong.misfit(g, wrong.right, 1 / 0.18215), {}, "VAE"),
    "image: latents scaled twice": ("image", lambda g: wrong.misfit(g, wrong.right, 0.13), {}, "VAE"),
    "image: MODEL of other channels": ("image", lambda g: wrong.misfit(g, wrong.fewer_channels), {}, "VAE is not"),
    "image: v read as eps": ("image", lambda g: wrong.misfit(g, wrong.v_as_eps), {}, "wrong kind"),
    "image: eps read as v": ("image", lambda g: wrong.misfit(g, wrong.eps_as_v), {}, "wrong kind"),
    "image: nothing is denoised": ("image", lambda g: wrong.misfit(g, wrong.nothing_removed), {}, "not denoise"),
    "image: flat answer": ("image", lambda g: wrong.misfit(g, wrong.flat), {}, "is dead"),
    "view: NaN at high noise": ("view", lambda g: wrong.misfit(g, wrong.nan), {}, "NaN"),
    "view: overflow at high noise": ("view", lambda g: wrong.misfit(g, wrong.overflow), {}, "overflows"),
    "image: CLIP of another width": ("image", lambda g: wrong.misfit(g, wrong.refused), {}, "cannot be asked"),
    "image: built-in at cfg 101": ("image", lambda g: scaled(g, 101.0), {}, "cfg 101"),
    "image: learned at cfg 1": ("image", lambda g: replace(g, prior=wrong.Learned(cfg=1.0)), {}, "cfg 1"),
    "image: learned at cfg 900": ("image", lambda g: replace(g, prior=wrong.Learned(cfg=900.0)), {}, "cfg 900"),
    "image: prompt not heard": ("image", deaf, {}, "does not hear its prompt"),
    "refine: condition not heard": ("refine", lambda g: wrong.misfit(g, wrong.fixed_condition), {}, "not look at"),
    "refine: colours of another subject": ("refine", lambda g: palette(g, "drifted"), {}, "another subject"),
    "refine: learned word not in the prompt": ("refine", lambda g: g, {"embedding": "my_panda"}, "word is missing"),
    "image: weight 0": ("image", lambda g: replace(g, weight=0.0), {}, "teaches nothing"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(scene: Scene, name: str) -> None:
    role, change, more, words = MISTAKES[name]
    more = dict(more)
    if more.pop("invert", False):
        more["reference"] = inverted(scene.reference)
    found = scene.check({role: change(scene.guidances()[role])}, **more)
    assert any(words in s for s in found.warnings), f"{found.report}\n{found.figures}"
    assert f"- {found.warnings[0]}" in found.report


def test_a_view_guidance_of_another_picture_is_named(scene: Scene) -> None:
    other = scene_of("duck", "a duck is hopping").priors.view
    found = scene.check({"view": other}, with_field=False)
    assert "another subject" in found.report


def test_the_field_of_another_scene_and_an_empty_one_are_named(scene: Scene) -> None:
    def empty(cameras: Any, time: Any, size: int) -> tuple:
        return torch.ones(len(cameras), 3, size, size), torch.zeros(len(cameras), 1, size, size)

    def corner(cameras: Any, time: Any, size: int) -> tuple:
        image, mask = empty(cameras, time, size)
        mask[..., : size // 3, : size // 3] = 1.0
        return image - 0.7 * mask, mask

    for pictures, words in ((empty, "field is empty"), (corner, "do not belong together")):
        assert words in check_priors({"image": scene.priors.image}, scene.reference, pictures, size=32).report


def test_same_seed_same_answer(scene: Scene) -> None:
    a, b = (scene.check({"image": scene.priors.image}) for _ in range(2))
    assert torch.equal(a.sheet, b.sheet) and a.figures == b.figures


def test_nothing_to_show_or_nobody_to_ask_is_refused(scene: Scene) -> None:
    with pytest.raises(ValueError, match="connect the reference or a field"):
        check_priors({"image": scene.priors.image})
    with pytest.raises(ValueError, match="at least one"):
        check_priors({"image": None}, scene.reference)


def test_lack_of_memory_is_not_taken_for_a_wrong_wire(scene: Scene) -> None:
    def greedy(*_: Any) -> torch.Tensor:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(RuntimeError, match="out of memory"):
        scene.check({"image": wrong.misfit(scene.priors.image, greedy)}, with_field=False)


def test_another_cfg_leaves_the_prior_alone(scene: Scene) -> None:
    prior = scene.priors.view.prior
    other = prior.with_cfg(7.0)
    assert (prior.cfg, other.cfg) == (1.5, 7.0) and other.setup.bank is prior.setup.bank
    assert wrong.Misfit(prior, wrong.right).cfg is None


def test_kept_and_left_are_least_squares(rng: torch.Generator) -> None:
    x0, eps = (torch.randn(1, 4, 3, 16, 16, generator=rng) for _ in range(2))
    kept, left = kept_and_left(0.7 * x0 + 0.2 * 3.0 * eps + 5.0, x0, eps, 3.0)
    assert (kept, left) == pytest.approx((0.7, 0.2), abs=1e-3)


def test_each_suspicion_by_itself() -> None:
    quiet_and_loud = [
        (say.mask_inverted, (0.1, 0.4), (0.9, 0.6)),
        (say.mask_inverted, (0.4, 0.8), (0.3, 0.95)),
        (say.field_empty, (0.2, 0.3), (0.001, 0.3)),
        (say.field_of_another, (0.9,), (0.1,)),
        (say.latents_out_of_scale, ("image", 1.0), ("image", 5.5)),
        (say.latents_out_of_scale, ("image", 1.0), ("image", 0.18)),
        (say.latents_show_nothing, ("image", 0.7), ("image", 0.05)),
        (say.shapes_differ, ("image", (1, 4), (1, 4)), ("image", (1, 4), (1, 16))),
        (say.not_finite, ("image", 0.0, 9.0, 1.0), ("image", 0.5, 9.0, 1.0)),
        (say.not_finite, ("image", 0.0, 9.0, 1.0), ("image", 0.0, 65504.0, 1.0)),
        (say.dead, ("image", 0.9), ("image", 0.001)),
        (say.wrong_kind, ("image", [1, 1, 0.9], [0.7, 0.2, 0.0]), ("image", [1.3, 2.4, 5], [0, 0, 0])),
        (say.wrong_kind, ("image", [1, 1, 0.9], [0, 0, 0]), ("image", [0.8, 0.3, 0], [-0.1, -0.25, -0.15])),
        (say.wrong_kind, ("image", [1, 1, 0.9], [0, 0, 0]), ("image", [1, 1, 1], [1, 1, 1])),
        (say.cfg_far_off, ("image", 101.0, False, 6.0), ("image", 1.0, False, 1.0)),
        (say.cfg_far_off, ("view", 5.0, False, 1.0), ("view", 101.0, False, 1.0)),
        (say.cfg_far_off, ("image", 3.0, True, 1.0), ("image", 101.0, True, 1.0)),
        (say.cfg_far_off, ("image", None, False, 1.0), ("image", None, False, 80.0)),
        (say.prompt_ignored, ("image", 0.2), ("image", 0.0)),
        (say.pose_ignored, (0.5,), (0.0,)),
        (say.pose_turned, (1.0, 1.0, 1.0), (1.5, 1.0, 2.0)),
        (say.pose_turned, (0.5, 1.0, 1.0), (1.5, 2.0, 1.0)),
        (say.condition_ignored, (0.5,), (0.0,)),
        (say.token_missing, ("a embedding:pan is dancing", "pan"), ("a panda is dancing", "pan")),
        (say.token_missing, ("a panda is dancing", ""), ("a embedding:x is dancing", "embedding:pan")),
        (say.another_subject, ("refine", 0.03), ("refine", 0.13)),
        (say.without_effect, ("image", 1.0, 0.6), ("image", 0.0, 0.6)),
    ]
    for function, quiet, loud in quiet_and_loud:
        assert function(*quiet) is None, function.__name__
        assert len(function(*loud)) > 40, function.__name__
