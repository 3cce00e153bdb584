"""The bytes that a prior from folders reports, against the networks that it loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a124core.priors.diffusers.offload import OffloadPolicy
from tests.tiny_folders import load_role

SIZE = 64


def bytes_of(network: torch.nn.Module) -> int:
    return sum(v.numel() * v.element_size() for v in network.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_counted_in_their_precision(models: Path, dtype: torch.dtype) -> None:
    prior = load_role("refine", models, policy=OffloadPolicy(dtype=dtype))
    networks = (*prior.denoiser.networks, prior.encoder.vae)
    assert prior.weight_bytes() == ({id(n): bytes_of(n) for n in networks}, 0)
    held = torch.float16 if dtype is torch.bfloat16 else dtype  # the image's own UNet, whose cfg is high (offload.py)
    assert next(prior.denoiser.unet.parameters()).dtype == held


def test_offloaded_networks_are_transient(models: Path) -> None:
    prior = load_role("refine", models, policy=OffloadPolicy(offload_device="cpu", split_cfg=True))
    resident, transient = prior.weight_bytes()
    assert resident == {id(prior.encoder.vae): bytes_of(prior.encoder.vae)}
    assert transient == sum(map(bytes_of, prior.denoiser.networks))


def test_the_vaes_gradient_is_about_what_its_graph_holds(models: Path) -> None:
    prior, saved = load_role("refine", models, size=SIZE), {}

    def note(value: torch.Tensor) -> torch.Tensor:
        saved[value.untyped_storage().data_ptr()] = (value.untyped_storage().nbytes(), value)
        return value

    image = torch.rand(1, 3, SIZE, SIZE, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        prior.encoder.unscaled(image)
    graph = sum(size for size, _ in saved.values()) - bytes_of(prior.encoder.vae)
    assert graph / 3 < prior.activation_bytes() < 3 * graph
