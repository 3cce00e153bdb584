"""A network's outputs, inputs and timesteps against the formulas typed out and against diffusers' schedulers."""

from __future__ import annotations

import pytest
import torch

from a124core.priors.noise import sigma_table
from a124core.priors.parameterization import (
    EPS,
    FLOW,
    KINDS,
    SAMPLE,
    V,
    nearest_timestep,
    scale_input,
    sigma_to_timestep,
    to_x0,
)
from a124core.priors.sds import sds

SIGMA, X0, NOISE = 1.7, torch.tensor([0.3, -1.2, 0.8]), torch.tensor([0.5, 0.1, -2.0])


def output_of(kind: str, x0: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """Return the output of a network that knows x0 and eps."""
    a, s = 1 / (1 + SIGMA**2) ** 0.5, SIGMA / (1 + SIGMA**2) ** 0.5
    return {EPS: eps, V: a * eps - s * x0, SAMPLE: x0, FLOW: eps - x0}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_knows_the_answer_gives_it(kind: str) -> None:
    x_t = X0 + SIGMA * NOISE
    x0_hat = to_x0(output_of(kind, X0, NOISE), x_t, torch.tensor(SIGMA), kind)
    assert torch.allclose(x0_hat, X0, atol=1e-5)


@pytest.mark.parametrize(("kind", "x0_share", "eps_share"), [
    (EPS, 1 / (1 + SIGMA**2) ** 0.5, SIGMA / (1 + SIGMA**2) ** 0.5), (FLOW, 1 / (1 + SIGMA), SIGMA / (1 + SIGMA)),
])
def test_the_input_is_the_mixture_it_was_trained_on(kind: str, x0_share: float, eps_share: float) -> None:
    mixture = scale_input(X0 + SIGMA * NOISE, torch.tensor(SIGMA), kind)
    assert torch.allclose(mixture, x0_share * X0 + eps_share * NOISE, atol=1e-5)


@pytest.mark.parametrize("kind", [EPS, V, FLOW])
def test_the_sds_gradient_is_w_times_the_error_in_the_noise(kind: str) -> None:
    """(1 - abar) (eps_hat - eps), where eps_hat follows from the wrong output `out`."""
    wrong = torch.tensor([0.2, -0.4, 0.1])
    out = output_of(kind, X0, NOISE) + wrong
    abar = 1 / (1 + SIGMA**2)

    class Answers:
        def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: object) -> torch.Tensor:
            return to_x0(out[None], x_t, sigma.view(-1, 1), kind)

    x0 = X0[None].clone().requires_grad_(True)
    sds(Answers(), x0, None, torch.tensor([SIGMA]), NOISE[None]).sum().backward()
    # by the definitions: eps_hat = eps + d where d is out's error carried to the noise
    to_noise = {EPS: 1.0, V: abar**0.5, FLOW: 1 / (1 + SIGMA)}[kind]
    assert torch.allclose(x0.grad[0], (1 - abar) * to_noise * wrong, atol=1e-5)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_flow_networks_timestep_is_the_schedulers_own(shift: float) -> None:
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
