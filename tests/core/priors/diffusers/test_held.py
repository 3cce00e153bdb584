"""What a prior from folders says about the memory that it holds, against the networks that it loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.diffusers.refine import refine_prior

SIZE = 64


def repairing(models: Path, place: OffloadPolicy) -> FolderPrior:
    base, control = models / "stable-diffusion-v1-5", models / "control_v11f1e_sd15_tile"
    return refine_prior(base, control, "a panda", 3.0, SIZE, place)


def bytes_of(network: torch.nn.Module) -> int:
    return sum(v.numel() * v.element_size() for v in network.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_counted_in_their_precision(models: Path, dtype: torch.dtype) -> None:
    prior = repairing(models, OffloadPolicy(dtype=dtype))
    networks = (prior.network.unet, prior.network.control, prior.encoder.vae)
    assert prior.weight_bytes() == ({id(n): bytes_of(n) for n in networks}, 0)
    assert next(prior.network.unet.parameters()).dtype == dtype


def test_parked_networks_come_only_to_be_asked(models: Path) -> None:
    prior = repairing(models, OffloadPolicy(rest="cpu", apart=True))
    stay, come = prior.weight_bytes()
    assert stay == {id(prior.encoder.vae): bytes_of(prior.encoder.vae)}
    assert come == bytes_of(prior.network.unet) + bytes_of(prior.network.control)


def test_the_vaes_gradient_is_about_what_its_graph_holds(models: Path) -> None:
    prior, kept = repairing(models, OffloadPolicy()), {}

    def note(value: torch.Tensor) -> torch.Tensor:
        kept[value.untyped_storage().data_ptr()] = (value.untyped_storage().nbytes(), value)
        return value

    image = torch.rand(1, 3, SIZE, SIZE, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        prior.encoder.unscaled(image)
    graph = sum(size for size, _ in kept.values()) - bytes_of(prior.encoder.vae)
    assert graph / 3 < prior.activation_bytes() < 3 * graph
