"""Deliberate mistakes are reported, correct graphs are not; and every warning by itself, from figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from a124core.cameras.rig import reference_camera
from a124core.prior_check import warnings
from a124core.prior_check.check import ALL_WELL, N_QUERIES, PriorCheck, check_priors
from a124core.prior_check.probe import signal_and_noise
from a124core.prior_check.views import ProbeViews
from a124core.priors.builtin import BuiltInPriors, example_image, make_priors
from a124core.priors.builtin.appearance import Appearance
from a124core.priors.noise import flow_sigmas
from a124core.priors.video_clip import ClipPrior
from a124core.protocols import Guidance, Guidances
from a124core.reference.reference import Reference, make_reference
from tests.core import misfits as wrong

SCENES = [("panda", "a panda is dancing"), ("robot", "a robot is swaying"), ("rocket", "a rocket is flying")]


@dataclass(frozen=True)
class Scene:
    reference: Reference
    priors: BuiltInPriors

    @property
    def guidances(self) -> Guidances:
        p = self.priors
        return Guidances(p.image, p.view, p.video, p.refine)

    def views(self, render: Any) -> ProbeViews:
        return ProbeViews(self.reference, render, 32)

    def check(
        self, guidances: Guidances, with_field: bool = True, reference: Reference | None = None, **options: Any
    ) -> PriorCheck:
        render = self.priors.truth.render if with_field else None
        return check_priors(guidances, ProbeViews(reference or self.reference, render, 32), **options)


def scene_of(subject: str, prompt: str) -> Scene:
    reference = make_reference(*example_image(subject, 96))
    return Scene(reference, make_priors(reference, prompt, image_size=16))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return scene_of(*SCENES[0])


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "prompt"), SCENES)
def test_no_alarm_on_correct_graphs(subject: str, prompt: str) -> None:
    scene = scene_of(subject, prompt)
    whole = scene.check(scene.guidances)
    assert whole.report == ALL_WELL and set(whole.figures) == {"field", "image", "view", "video", "refine"}
    assert whole.sheet().shape[:2] == (1, 3) and 0.0 <= whole.sheet().min() and whole.sheet().max() <= 1.0
    front = scene.check(replace(scene.guidances, refine=scene.priors.upscale), with_field=False)
    assert front.warnings == [] and "wire a field" in front.report


def test_a_rough_field_is_no_reason_for_alarm(scene: Scene) -> None:
    def rough(cameras: Any, time: Any, size: int) -> tuple:
        image, mask = scene.priors.truth.render(cameras, time, size // 4)
        return tuple(torch.nn.functional.interpolate(0.6 * x + 0.4 * e, (size, size), mode="bilinear")
                     for x, e in ((image, torch.ones_like(image)), (mask, mask)))

    found = check_priors(replace(scene.guidances, video=None), scene.views(rough))
    assert found.warnings == [], found.report


def test_a_learned_prior_at_scale_101_is_no_reason_for_alarm(scene: Scene) -> None:
    guidance = Guidance(wrong.Learned(), 1.0, 0.2, 0.6)
    assert scene.check(Guidances(image=guidance)).warnings == []


def test_a_clip_is_no_reason_for_alarm(scene: Scene) -> None:
    time = torch.arange(5) / 4
    image, mask = scene.priors.truth.render(reference_camera()[torch.zeros(5, dtype=torch.long)], time, 24)
    layers = torch.cat((image - (1 - mask), mask), dim=1)
    clip = Guidance(ClipPrior(layers, reference_camera()), 1.0, 0.02, 0.98)
    found = scene.check(Guidances(video=clip))
    assert found.warnings == []
    assert found.sheet().shape[2] < 300  # one row: a clip knows one camera


def test_a_refine_guidance_without_a_controlnet_is_a_note_not_an_alarm(scene: Scene) -> None:
    """The paper's naive prior ignores the image to repair, which is suspicious in a prior with a ControlNet."""
    blind = wrong.misfit(scene.priors.refine, wrong.fixed_condition)
    naive = replace(blind, prior=wrong.Naive(blind.prior.correct, blind.prior.denoise_fn))
    found = scene.check(Guidances(refine=naive))
    assert found.warnings == [] and "no ControlNet" in found.report, found.report
    assert any("ignores the image" in s for s in scene.check(Guidances(refine=blind)).warnings)


@pytest.mark.parametrize("shift", [1.0, 3.0, 8.0])
def test_a_flow_model_is_no_reason_for_alarm_but_low_noise_is(scene: Scene, shift: float) -> None:
    kind = type("FlowPrior", (type(scene.priors.image.prior),), {"flow": True})
    flow = kind(**{**vars(scene.priors.image.prior), "sigmas": flow_sigmas(1000, shift)})
    for t_min, alarm in ((0.3, False), (0.2, True)):
        found = scene.check(Guidances(image=replace(scene.priors.image, prior=flow, t_min=t_min)))
        assert any("set t_min to 0.3" in s for s in found.warnings) == alarm
        assert len(found.warnings) == alarm, found.report


def test_a_distilled_model_is_named(scene: Scene) -> None:
    distilled = type("Distilled", (wrong.Learned,), {"distilled": "its file is called turbo"})()
    found = scene.check(Guidances(image=Guidance(distilled, 1.0, 0.2, 0.6)))
    assert len(found.warnings) == 1 and "turbo" in found.report and "base model" in found.report


def palette(guidance: Guidance, name: str) -> Guidance:
    """A tile prior whose images have other colours: no learned embedding."""
    items = [Appearance(item.subject, name, item.motion) for item in guidance.prior.items]
    return replace(guidance, prior=replace(guidance.prior, items=items))


def unconditional(guidance: Guidance) -> Guidance:
    return replace(guidance, prior=replace(guidance.prior, cond=torch.zeros_like(guidance.prior.cond)))


def scaled(guidance: Guidance, cfg: float) -> Guidance:
    return replace(guidance, prior=guidance.prior.with_cfg(cfg))


def inverted(reference: Reference) -> Reference:
    return replace(reference, mask=1.0 - reference.mask)


# name: (role, change of the scene's guidance, further options of the check, part of the warning)
MISTAKES: dict[str, tuple] = {
    "view: mirrored pose": ("view", lambda g: wrong.misfit(g, wrong.mirrored_pose), {}, "pose is mirrored"),
    "view: opposite pose": ("view", lambda g: wrong.misfit(g, wrong.opposite_pose), {}, "opposite side"),
    "view: pose ignored": ("view", lambda g: wrong.misfit(g, wrong.no_pose), {}, "ignores the camera"),
    "reference: inverted mask": ("view", lambda g: g, {"invert": True}, "mask looks inverted"),
    "image: latents 5.49 times too large": ("image", lambda g: wrong.misfit(g, wrong.correct, 1 / 0.18215), {}, "VAE"),
    "image: latents scaled twice": ("image", lambda g: wrong.misfit(g, wrong.correct, 0.13), {}, "VAE"),
    "image: MODEL of other channels": ("image", lambda g: wrong.misfit(g, wrong.fewer_channels), {}, "VAE is not"),
    "image: v read as eps": ("image", lambda g: wrong.misfit(g, wrong.v_as_eps), {}, "wrong kind"),
    "image: eps read as v": ("image", lambda g: wrong.misfit(g, wrong.eps_as_v), {}, "wrong kind"),
    "image: nothing is denoised": ("image", lambda g: wrong.misfit(g, wrong.identity), {}, "not denoise"),
    "image: flat output": ("image", lambda g: wrong.misfit(g, wrong.flat_output), {}, "output is flat"),
    "view: NaN at high noise": ("view", lambda g: wrong.misfit(g, wrong.nan), {}, "NaN"),
    "view: overflow at high noise": ("view", lambda g: wrong.misfit(g, wrong.overflow), {}, "overflows"),
    "image: CLIP of another width": ("image", lambda g: wrong.misfit(g, wrong.shape_error), {}, "guidance fails"),
    "image: built-in at cfg 101": ("image", lambda g: scaled(g, 101.0), {}, "cfg 101"),
    "image: learned at cfg 1": ("image", lambda g: replace(g, prior=wrong.Learned(cfg=1.0)), {}, "cfg 1"),
    "image: learned at cfg 900": ("image", lambda g: replace(g, prior=wrong.Learned(cfg=900.0)), {}, "cfg 900"),
    "image: prompt ignored": ("image", unconditional, {}, "ignores its prompt"),
    "refine: condition ignored": ("refine", lambda g: wrong.misfit(g, wrong.fixed_condition), {}, "ignores the image"),
    "refine: colours of another subject": ("refine", lambda g: palette(g, "drifted"), {}, "another subject"),
    "refine: embedding not in the prompt": ("refine", lambda g: g, {"embedding": "my_panda"}, "embedding is missing"),
    "image: weight 0": ("image", lambda g: replace(g, weight=0.0), {}, "has no effect"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported(scene: Scene, name: str) -> None:
    role, change, options, text = MISTAKES[name]
    options = dict(options)
    if options.pop("invert", False):
        options["reference"] = inverted(scene.reference)
    found = scene.check(Guidances(**{role: change(getattr(scene.guidances, role))}), **options)
    assert any(text in s for s in found.warnings), f"{found.report}\n{found.figures}"
    assert f"- {found.warnings[0]}" in found.report


def test_latents_that_are_not_finite_end_the_check_of_a_prior(scene: Scene) -> None:
    found = scene.check(Guidances(image=wrong.misfit(scene.priors.image, wrong.correct, float("nan"))))
    assert len(found.warnings) == 1 and "NaN" in found.report and found.sheet().isfinite().all()


def test_a_view_guidance_of_another_image_is_reported(scene: Scene) -> None:
    other = scene_of("duck", "a duck is hopping").priors.view
    found = scene.check(Guidances(view=other), with_field=False)
    assert "another subject" in found.report


def test_the_field_of_another_scene_and_an_empty_one_are_reported(scene: Scene) -> None:
    def empty(cameras: Any, time: Any, size: int) -> tuple:
        return torch.ones(len(cameras), 3, size, size), torch.zeros(len(cameras), 1, size, size)

    def corner(cameras: Any, time: Any, size: int) -> tuple:
        image, mask = empty(cameras, time, size)
        mask[..., : size // 3, : size // 3] = 1.0
        return image - 0.7 * mask, mask

    for render, text in ((empty, "field is empty"), (corner, "do not belong together")):
        assert text in check_priors(Guidances(image=scene.priors.image), scene.views(render)).report


def test_same_seed_same_result(scene: Scene) -> None:
    a, b = (scene.check(Guidances(image=scene.priors.image)) for _ in range(2))
    assert torch.equal(a.sheet(), b.sheet()) and a.figures == b.figures


def test_no_scene_or_no_guidance_is_an_error(scene: Scene) -> None:
    with pytest.raises(ValueError, match="connect the reference or a field"):
        ProbeViews(None, None)
    with pytest.raises(ValueError, match="at least one"):
        check_priors(Guidances(), scene.views(None))


def test_progress_is_reported_before_each_query(scene: Scene) -> None:
    calls: list[tuple] = []
    scene.check(Guidances(image=scene.priors.image), on_progress=lambda *call: calls.append(call))
    assert calls[:2] == [(0, N_QUERIES, "image guidance"), (1, N_QUERIES, "image guidance")]
    assert calls[-1][0] <= N_QUERIES


def test_out_of_memory_is_not_reported_as_a_wrong_wire(scene: Scene) -> None:
    def out_of_memory(*_: Any) -> torch.Tensor:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(RuntimeError, match="out of memory"):
        scene.check(Guidances(image=wrong.misfit(scene.priors.image, out_of_memory)), with_field=False)


def test_another_cfg_leaves_the_prior_alone(scene: Scene) -> None:
    prior = scene.priors.view.prior
    other = prior.with_cfg(7.0)
    assert (prior.cfg, other.cfg) == (1.5, 7.0) and other.bank is prior.bank
    assert wrong.Misfit(prior, wrong.correct).cfg is None


def test_signal_and_noise_are_least_squares(rng: torch.Generator) -> None:
    x0, eps = (torch.randn(1, 4, 3, 16, 16, generator=rng) for _ in range(2))
    signal, noise = signal_and_noise(0.7 * x0 + 0.2 * 3.0 * eps + 5.0, x0, eps, 3.0)
    assert (signal, noise) == pytest.approx((0.7, 0.2), abs=1e-3)


def test_each_warning_by_itself() -> None:
    cases = [
        (warnings.mask_inverted, (0.1, 0.4), (0.9, 0.6)),
        (warnings.mask_inverted, (0.4, 0.8), (0.3, 0.95)),
        (warnings.outside_limits, ("field", "coverage", 0.7), ("field", "coverage", 0.003)),
        (warnings.outside_limits, ("field", "overlap", 0.9), ("field", "overlap", 0.1)),
        (warnings.outside_limits, ("image", "latent std", 1.0), ("image", "latent std", 5.5)),
        (warnings.outside_limits, ("image", "latent std", 1.0), ("image", "latent std", 0.18)),
        (warnings.outside_limits, ("image", "explained", 0.7), ("image", "explained", 0.05)),
        (warnings.shape_mismatch, ("image", (1, 4), (1, 4)), ("image", (1, 4), (1, 16))),
        (warnings.not_finite, ("image", 0.0, 9.0, 1.0), ("image", 0.5, 9.0, 1.0)),
        (warnings.not_finite, ("image", 0.0, 9.0, 1.0), ("image", 0.0, 65504.0, 1.0)),
        (warnings.outside_limits, ("image", "contrast", 0.9), ("image", "contrast", 0.001)),
        (warnings.wrong_prediction_type, ("image", [1, 1, 0.9], [0.7, 0.2, 0.0]), ("image", [1.3, 2.4, 5], [0, 0, 0])),
        (warnings.wrong_prediction_type, ("image", [1, 1, 0.9], [0, 0, 0]), ("image", [0.8, 0.3, 0], [-0.1, -0.2, 0])),
        (warnings.wrong_prediction_type, ("image", [1, 1, 0.9], [0, 0, 0]), ("image", [1, 1, 1], [1, 1, 1])),
        (warnings.cfg_out_of_range, ("image", 101.0, False, 6.0), ("image", 1.0, False, 1.0)),
        (warnings.cfg_out_of_range, ("view", 5.0, False, 1.0), ("view", 101.0, False, 1.0)),
        (warnings.cfg_out_of_range, ("image", 3.0, True, 1.0), ("image", 101.0, True, 1.0)),
        (warnings.cfg_out_of_range, ("image", None, False, 1.0), ("image", None, False, 80.0)),
        (warnings.outside_limits, ("image", "prompt", 0.2), ("image", "prompt", 0.0)),
        (warnings.outside_limits, ("view", "pose", 0.5), ("view", "pose", 0.0)),
        (warnings.pose_wrong, (1.0, 1.0, 1.0), (1.5, 1.0, 2.0)),
        (warnings.pose_wrong, (0.5, 1.0, 1.0), (1.5, 2.0, 1.0)),
        (warnings.outside_limits, ("refine", "condition", 0.5), ("refine", "condition", 0.0)),
        (warnings.embedding_missing, ("a embedding:pan is dancing", "pan"), ("a panda is dancing", "pan")),
        (warnings.embedding_missing, ("a panda is dancing", ""), ("a embedding:x is dancing", "embedding:pan")),
        (warnings.outside_limits, ("refine", "drift", 0.03), ("refine", "drift", 0.13)),
        (warnings.no_effect, ("image", 1.0, 0.6), ("image", 0.0, 0.6)),
    ]
    for function, good, bad in cases:
        assert function(*good) is None, function.__name__
        assert len(function(*bad)) > 40, function.__name__
