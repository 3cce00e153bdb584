"""Shares of picture and priors in the gradient, and the unit of a guidance's weight."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import random_views, reference_camera
from a124core.field.config import FieldConfig
from a124core.priors.builtin import example_image, make_priors
from a124core.priors.defaults import BUILT_IN, NORMALISED, NORMALISED_BUILT_IN, RELEASED, released_defaults
from a124core.priors.sds import sds
from a124core.protocols import Guidance, Guidances, Run, Step, View
from a124core.reference.reference import make_reference
from a124core.stages.balance import EVERY, Balance, describe_shares
from a124core.stages.config import LossWeights, RenderConfig, StaticConfig
from a124core.stages.optimise import initial_field, optimise
from a124core.stages.presets import preset
from a124core.stages.render_batch import normalisation, sds_loss
from a124core.stages.schedules import guidance_weights
from tests.fakes import PixelPrior

SMALL = FieldConfig(time_grids=2, levels=4, base_resolution=4, max_resolution=16, log2_hashmap_size=10, hidden=8)
CONFIG = StaticConfig(
    steps=EVERY, render=RenderConfig(size=12, reference_size=12, samples=24, occupancy_size=8), shaded=False,
    normal_phase=0.0, masked_levels=0, reference_mode="every",
    losses=LossWeights(rgb=20.0, mask=5.0, entropy=0.0, orientation=0.0, normal_tv=0.0, normal_blur=0.0),
)


def test_shares_are_means_over_steps_and_a_term_that_a_step_lacks_is_zero_there() -> None:
    balance = Balance("static")
    for step in range(EVERY):
        assert balance.shares == {}
        picture = {"rgb": 3.0, "mask": 1.0} if step % 4 == 0 else {}
        assert balance.add({"sds view": 1.0, **picture}) is None
    assert balance.shares == pytest.approx({"picture": 0.5, "sds view": 0.5})
    assert describe_shares(balance.shares) in ("view 50 %, picture 50 %", "picture 50 %, view 50 %")


def test_a_picture_that_is_not_heard_is_said_once() -> None:
    balance = Balance("coarse")
    said = [balance.add({"rgb": 0.001, "sds video": 1.0}) for _ in range(3 * EVERY)]
    sentences = [sentence for sentence in said if sentence]
    assert len(sentences) == 1 and "the reference picture makes 0.1 % of the gradient" in sentences[0]
    assert "weight_unit to normalised" in sentences[0]


def test_without_a_picture_or_without_priors_nothing_is_said() -> None:
    for norms in ({"sds video": 1.0}, {"rgb": 1.0}, {"rgb": 0.0, "sds video": 0.0}):
        balance = Balance("coarse")
        assert not any(balance.add(norms) for _ in range(2 * EVERY))


def test_a_stage_reports_shares_and_warns_of_weights_that_drown_the_picture() -> None:
    priors, reference = _snowman()
    learned = type("Learned", (type(priors.view.prior),), {"exact": False})(**vars(priors.view.prior))
    for prior, weight, warned in ((learned, 2e-3, False), (learned, 2e3, True), (priors.view.prior, 2e3, False)):
        steps: list[Step] = []
        field = initial_field("static", None, SMALL, CONFIG, 0)
        used = Guidances(view=replace(priors.view, prior=prior, weight=weight))
        optimise("static", field, reference, used, CONFIG, Run(on_step=steps.append))
        assert steps[0].gradient_shares == {}
        notes = [note for step in steps for note in step.notes]
        shares = steps[-1].gradient_shares
        assert set(shares) == {"picture", "sds view"} and sum(shares.values()) == pytest.approx(1.0)
        assert (shares["picture"] > 0.1) == (weight < 1.0) and bool(notes) == warned


def test_shares_do_not_depend_on_the_size_of_the_reference() -> None:
    priors, reference = _snowman()
    shares = []
    for size in (12, 24):
        config, steps = replace(CONFIG, render=replace(CONFIG.render, reference_size=size)), []
        field = initial_field("static", None, SMALL, config, 0)
        optimise("static", field, reference, Guidances(view=priors.view), config, Run(on_step=steps.append))
        shares.append(steps[-1].gradient_shares["picture"])
    assert 0.5 < shares[0] < 0.9 and shares[1] == pytest.approx(shares[0], abs=0.04)


@pytest.mark.parametrize("form", ["eps", "clean"])
def test_a_normalised_weight_means_the_same_at_any_size_and_a_raw_one_grows_with_it(form: str) -> None:
    priors, _ = _snowman()
    gradients: dict[str, list[float]] = {"raw": [], "normalised": []}
    for size in (16, 32):
        for unit, found in gradients.items():
            guidance = replace(priors.view, prior=replace(priors.view.prior, size=size), form=form, weight_unit=unit)
            found.append(_gradient(guidance, size).square().mean().sqrt().item() * size**2)
    assert gradients["normalised"][1] == pytest.approx(gradients["normalised"][0], rel=0.15)
    assert gradients["raw"][1] == pytest.approx(4 * gradients["raw"][0], rel=0.15)


def test_a_normalised_weight_of_1_is_the_mean_residual_times_the_weight_of_the_picture() -> None:
    """At one noise level w over its mean is 1, so the gradient at x0 is rgb (eps_hat - eps) / elements."""
    priors, _ = _snowman()
    prior = priors.view.prior
    guidance = Guidance(prior, 1.0, 0.5, 0.5, weight_unit="normalised")
    gradient = _gradient(guidance, prior.size, encoded=True)
    sigma = float(prior.sigmas[500])
    view, eps = _view(), torch.randn(1, 3, prior.size, prior.size, generator=_drawn(prior.sigmas))
    x0 = prior.encode(_image(prior.size))
    answer = prior.denoise(x0 + sigma * eps, torch.tensor([sigma]), view)
    expected = CONFIG.losses.rgb * (x0 - answer) / sigma / x0.numel()
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


def test_a_raw_weight_multiplies_the_sum_and_nothing_else() -> None:
    """To the bit, as before there were units: saved graphs have this one."""
    priors, _ = _snowman()
    guidance = replace(priors.view, weight=40.0, angle_weight=True)
    assert Guidance(priors.view.prior, 1.0, 0.02, 0.98).weight_unit == guidance.weight_unit == "raw"
    view = View(random_views(2, torch.Generator().manual_seed(1)), reference_camera(), torch.zeros(2), torch.ones(3))
    image, gradients = _image(12).expand(2, -1, -1, -1).clone().requires_grad_(True), []
    for by_hand in (False, True):
        rng = torch.Generator().manual_seed(0)
        loss = _plain_sds(guidance, image, view, rng) if by_hand else sds_loss(guidance, image, view, 1, CONFIG, rng)
        gradients.append(torch.autograd.grad(loss, image)[0])
    assert torch.equal(*gradients) and gradients[0].abs().sum() > 0


NETWORK_ELEMENTS = {  # of x0 at the usual sizes; a clip of 16 frames
    "image": 4 * 64 * 64, "view": 4 * 32 * 32, "video": 16 * 4 * 32 * 32, "refine": 4 * 128 * 128,
    "upscale": 4 * 128 * 128,
}
BUILT_IN_ELEMENTS = {  # 48 pixels, 6 frames, twice the pixels for repair
    "image": 3 * 48**2, "view": 3 * 48**2, "video": 6 * 3 * 48**2, "refine": 3 * 96**2, "upscale": 3 * 96**2,
}


@pytest.mark.parametrize("role", list(NETWORK_ELEMENTS))
def test_the_usual_weights_are_as_strong_in_either_unit(role: str) -> None:
    """At the sizes and the presets that raw weights were made for: released for networks, demo for built-in priors."""
    for preset_name, raw, unit, elements in (
        ("released", RELEASED[role], NORMALISED[role], NETWORK_ELEMENTS[role]),
        ("demo", BUILT_IN[role], NORMALISED_BUILT_IN[role], BUILT_IN_ELEMENTS[role]),
    ):
        settings = preset(preset_name)
        stage = settings.static if role in ("image", "view") else settings.fine
        factor = normalisation(raw.guidance(PixelPrior(), ""), elements, stage)
        assert unit * factor == pytest.approx(raw.weight, rel=0.02), preset_name


def test_draft_repairs_at_half_the_size_with_the_same_strength() -> None:
    """Its render has half of the sides too; raw weights multiply sums over latents."""
    draft, released = (released_defaults("refine", name) for name in ("draft", "released"))
    assert (draft.size, released.size) == (512, 1024)
    assert draft.size / preset("draft").fine.render.size == released.size / preset("released").fine.render.size
    assert draft.weight * draft.size**2 == released.weight * released.size**2


def test_a_weight_unit_that_does_not_exist_is_refused() -> None:
    priors, _ = _snowman()
    with pytest.raises(ValueError, match="weight_unit is 'mean': choose one of raw, normalised"):
        replace(priors.view, weight_unit="mean")


def _snowman() -> tuple:
    image, mask = example_image("snowman", 64)
    reference = make_reference(image, mask, mask_marks="subject")
    return make_priors(reference, "a snowman dancing", subject="snowman", image_size=12), reference


def _plain_sds(guidance: Guidance, image: Tensor, view: View, rng: torch.Generator) -> Tensor:
    """Score distillation of images as the release has it, with the draws of a stage."""
    prior = guidance.prior
    x0 = prior.encode(image)
    low, high = (round(share * len(prior.sigmas)) for share in (guidance.t_min, guidance.t_max))
    timestep = torch.randint(low, min(high, len(prior.sigmas) - 1) + 1, (1,), generator=rng)
    sigma, eps = prior.sigmas[timestep].expand(len(x0)), torch.randn(x0.shape, generator=rng)
    weights = guidance_weights(guidance, view.cameras, view.reference)
    return (weights * sds(prior, x0, view, sigma, eps, guidance.form)).sum() / len(x0)


def _view() -> View:
    cameras = random_views(1, torch.Generator().manual_seed(1))
    return View(cameras, reference_camera(), torch.zeros(1), torch.ones(3))


def _image(size: int) -> Tensor:
    return torch.full((1, 3, size, size), 0.4)


def _drawn(sigmas: Tensor) -> torch.Generator:
    """The random numbers as they are once the noise level was drawn."""
    rng = torch.Generator().manual_seed(0)
    torch.randint(500, 501, (1,), generator=rng)
    return rng


def _gradient(guidance: Guidance, size: int, encoded: bool = False) -> Tensor:
    """Of the loss at the pixels, or at x0."""
    image = _image(size).requires_grad_(True)
    rng = torch.Generator().manual_seed(0)
    gradient = torch.autograd.grad(sds_loss(guidance, image, _view(), 1, CONFIG, rng), image)[0]
    return gradient / 6.0 if encoded else gradient  # x0 = 3 (2 image - 1)
