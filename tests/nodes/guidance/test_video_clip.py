"""A clip on an IMAGE wire, through the node and into the coarse stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch


@pytest.fixture
def clip(picture: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The red disc sliding to the right: IMAGE (4, 64, 64, 3), MASK (4, 64, 64) with 1 = transparent."""
    image, mask = picture
    return tuple(torch.cat([t.roll(2 * i, dims=2) for i in range(4)]) for t in (image, mask))


def test_a_clip_becomes_a_video_guidance(
    nodes: dict[str, type], call_node: Callable, clip: Any, reference: Any
) -> None:
    with torch.inference_mode():
        inputs = {"images": clip[0].clone(), "mask": clip[1].clone()}
        guidance = call_node(nodes["A124ClipGuidance"], **inputs, reference=reference)[0]
    assert guidance.prior.layers.shape == (4, 4, 64, 64) and not guidance.prior.layers.is_inference()
    assert "4 frames" in guidance.note and "overlaps" not in guidance.note
    assert guidance.prior.cameras is reference.camera


def test_without_masks_the_black_background_is_cut_away(nodes: dict[str, type], call_node: Callable, clip: Any) -> None:
    prior = call_node(nodes["A124ClipGuidance"], images=clip[0])[0].prior
    assert ((prior.layers[:, 3] > 0.5).float() - (1.0 - clip[1])).abs().mean() < 0.02
    opaque = call_node(nodes["A124ClipGuidance"], images=clip[0], mask=torch.zeros_like(clip[1]))[0].prior
    assert torch.equal(opaque.layers, prior.layers), "as Load Image gives an opaque GIF"


def test_alpha_counts_as_a_mask(nodes: dict[str, type], call_node: Callable, clip: Any) -> None:
    rgba = torch.cat((clip[0], 1.0 - clip[1][..., None]), dim=-1)
    prior = call_node(nodes["A124ClipGuidance"], images=rgba)[0].prior
    torch.testing.assert_close(prior.layers[:, 3], 1.0 - clip[1])


@pytest.mark.usefixtures("tiny")
def test_it_drives_the_coarse_stage_beside_a_built_in_view_prior(
    nodes: dict[str, type], call_node: Callable, clip: Any, reference: Any, pack_module: Callable
) -> None:
    video = call_node(nodes["A124ClipGuidance"], images=clip[0], mask=clip[1], size=16, reference=reference)[0]
    view = call_node(nodes["A124BuiltInPriors"], prompt="a toy is swaying", reference=reference)[1]
    assert pack_module("a124core.stages.presets").auto_preset([view, video]) == "demo"
    still = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    moving = call_node(
        nodes["A124CoarseOptimizer"], field=still, reference=reference, view_guidance=view, video_guidance=video
    )[0]
    assert moving.table.shape[0] == 3 and moving.table.isfinite().all()


def test_a_single_frame_is_refused(nodes: dict[str, type], call_node: Callable, clip: Any) -> None:
    with pytest.raises(ValueError, match="2 or more"):
        call_node(nodes["A124ClipGuidance"], images=clip[0][:1])
