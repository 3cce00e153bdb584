"""The same weights through diffusers' UNet3DConditionModel, where diffusers happens to be installed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from a124core.priors.modelscope.layouts import to_original
from a124core.priors.modelscope.unet import check_shapes, load_unet, shapes_of

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: it is needed for this comparison only")

SMALL = {
    "block_out_channels": (64, 128),
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "cross_attention_dim": 48,
    "layers_per_block": 1,
}
DEEP = {"block_out_channels": (64, 64, 128, 128), "cross_attention_dim": 32}


def randomised(config: dict[str, Any]) -> Any:
    """diffusers starts its temporal convolutions at zero: every weight is drawn anew."""
    theirs = diffusers.UNet3DConditionModel(**config).eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(0)
    for name, weight in theirs.named_parameters():
        fan = max(1, weight[0].numel())
        drawn = torch.randn(weight.shape, generator=rng) / fan**0.5
        weight.copy_(0.1 * drawn + float(name.endswith("weight")) if weight.ndim == 1 else drawn)
    return theirs


@pytest.mark.parametrize(
    ("config", "size"), [(SMALL, (3, 8, 8)), (SMALL, (1, 8, 8)), (DEEP, (4, 8, 8)), (DEEP, (2, 9, 14))]
)
def test_same_weights_same_noise(config: dict[str, Any], size: tuple[int, int, int]) -> None:
    theirs = randomised(config)
    rng = torch.Generator().manual_seed(1)
    x, text = torch.randn(2, 4, *size, generator=rng), torch.randn(2, 7, config["cross_attention_dim"], generator=rng)
    timesteps = torch.tensor([20, 961])
    with torch.no_grad():
        wanted = theirs(x, timesteps, text).sample
        found = load_unet(theirs.state_dict())(x, timesteps, text)
    error = (found - wanted).abs().max() / wanted.abs().max()
    assert error < 1e-4, f"relative error {error:.2e}"


def test_the_published_size_has_the_same_weights() -> None:
    with torch.device("meta"):
        theirs = diffusers.UNet3DConditionModel()
    check_shapes(shapes_of(to_original(theirs.state_dict())))
