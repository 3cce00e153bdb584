"""Noise tables and what a network's output means, against the formulas typed out and against diffusers' schedulers."""

from __future__ import annotations

import pytest
import torch

from a124core.priors.parameterization import (
    EPS,
    FLOW,
    KINDS,
    SAMPLE,
    V,
    nearest_timestep,
    scale_input,
    sigma_table,
    sigma_to_timestep,
    to_x0,
)
from a124core.priors.sds import sds

SIGMA, X0, NOISE = 1.7, torch.tensor([0.3, -1.2, 0.8]), torch.tensor([0.5, 0.1, -2.0])


def told(kind: str, x0: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """What a network that knows x0 and eps would answer."""
    a, s = 1 / (1 + SIGMA**2) ** 0.5, SIGMA / (1 + SIGMA**2) ** 0.5
    return {EPS: eps, V: a * eps - s * x0, SAMPLE: x0, FLOW: eps - x0}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_knows_the_answer_gives_it(kind: str) -> None:
    x_t = X0 + SIGMA * NOISE
    found = to_x0(told(kind, X0, NOISE), x_t, torch.tensor(SIGMA), kind)
    assert torch.allclose(found, X0, atol=1e-5)


@pytest.mark.parametrize(("kind", "x0_share", "eps_share"), [
    (EPS, 1 / (1 + SIGMA**2) ** 0.5, SIGMA / (1 + SIGMA**2) ** 0.5), (FLOW, 1 / (1 + SIGMA), SIGMA / (1 + SIGMA)),
])  # fmt: skip
def test_the_network_sees_the_mixture_it_was_trained_on(kind: str, x0_share: float, eps_share: float) -> None:
    mixture = scale_input(X0 + SIGMA * NOISE, torch.tensor(SIGMA), kind)
    assert torch.allclose(mixture, x0_share * X0 + eps_share * NOISE, atol=1e-5)


@pytest.mark.parametrize("kind", [EPS, V, FLOW])
def test_the_sds_gradient_is_w_times_the_error_in_the_noise(kind: str) -> None:
    """(1 - abar) (eps_hat - eps), where eps_hat is what the wrong answer `out` says about the noise."""
    wrong = torch.tensor([0.2, -0.4, 0.1])
    out = told(kind, X0, NOISE) + wrong
    abar = 1 / (1 + SIGMA**2)

    class Answers:
        def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: object) -> torch.Tensor:
            return to_x0(out[None], x_t, sigma.view(-1, 1), kind)

    x0 = X0[None].clone().requires_grad_(True)
    sds(Answers(), x0, None, torch.tensor([SIGMA]), NOISE[None]).sum().backward()
    # by the definitions: eps_hat = eps + d where d is out's error carried to the noise
    to_noise = {EPS: 1.0, V: abar**0.5, FLOW: 1 / (1 + SIGMA)}[kind]
    assert torch.allclose(x0.grad[0], (1 - abar) * to_noise * wrong, atol=1e-5)


CONFIGS = [
    ("DDIMScheduler", {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}),  # SD 1, ModelScope
    ("DDPMScheduler", {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "scaled_linear"}),  # x4 upscaler
    ("DDPMScheduler", {"beta_schedule": "linear", "num_train_timesteps": 400}),
    ("DDPMScheduler", {"beta_schedule": "squaredcos_cap_v2"}),
    ("DDIMScheduler", {"trained_betas": [0.01, 0.02, 0.05], "num_train_timesteps": 3}),
]


@pytest.mark.parametrize(("name", "config"), CONFIGS)
def test_tables_are_the_schedulers_own(name: str, config: dict) -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: its tables are compared here only")
    theirs = getattr(diffusers, name)(**config).alphas_cumprod.double()
    ours, kind = sigma_table({"_class_name": name, **config})
    assert kind == EPS and ours.shape == theirs.shape and bool((ours.diff() > 0).all())
    assert torch.allclose(1 / (1 + ours.double() ** 2), theirs, rtol=1e-3, atol=1e-7)


def test_zero_terminal_and_flow_tables_are_the_schedulers_own() -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: its tables are compared here only")
    config = CONFIGS[0][1] | {"rescale_betas_zero_snr": True}
    theirs = diffusers.DDIMScheduler(**config).alphas_cumprod.double()
    ours, _ = sigma_table(config)
    assert torch.allclose(1 / (1 + ours.double() ** 2), theirs, rtol=2e-2, atol=1e-6)
    flow = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    found, kind = sigma_table({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})
    shares = flow.sigmas.flip(0).double().clamp(max=0.999)
    assert kind == FLOW and torch.allclose(found.double() / (1 + found.double()), shares, atol=1e-5)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_flow_network_is_told_the_schedulers_own_timestep(shift: float) -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: its tables are compared here only")
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift).timesteps.flip(0)[:-9]  # the last are capped
    ours, kind = sigma_table({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift})
    assert torch.allclose(sigma_to_timestep(ours, ours, kind)[:-9], theirs, atol=1e-2)


def test_a_noise_level_finds_its_timestep() -> None:
    sigmas, _ = sigma_table({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"})
    steps = torch.tensor([0, 20, 499, 999])
    assert torch.equal(nearest_timestep(sigmas[steps], sigmas), steps)
    assert torch.equal(sigma_to_timestep(sigmas[steps], sigmas, V), steps)
    assert nearest_timestep(torch.tensor([0.0, 1e6]), sigmas).tolist() == [0, 999]


@pytest.mark.parametrize("config", [{"prediction_type": "score"}, {"beta_schedule": "sigmoid"}])
def test_schedules_nobody_published_are_refused(config: dict) -> None:
    with pytest.raises(ValueError, match="is needed"):
        sigma_table(config)
