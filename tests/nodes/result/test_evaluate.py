"""Evaluate: without anything but a field, with the built-in priors, and with the two halves of a CLIP."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

FEW = {"views": 2, "times": 3, "size": 16}


@pytest.fixture
def field(pack_module: Callable[[str], ModuleType]) -> Any:
    config = pack_module("a124core.field.config").FieldConfig(
        time_grids=3, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8
    )
    return pack_module("a124core.field.field4d").new_field(config, torch.Generator().manual_seed(0))


def test_a_field_alone_gives_the_films_own_figures(nodes: dict[str, type], call_node: Any, field: Any) -> None:
    table, curves, figures = call_node(nodes["A124Evaluate"], field=field, **FEW)
    scene = json.loads(figures)["scenes"][0]
    assert set(scene["figures"]) == {"motion", "flicker", "janus"} and len(scene["curves"]["motion"]) == 3
    assert "motion" in table and "2 views x 3 times, 16 px" in table
    assert curves.ndim == 4 and curves.shape[-1] == 3 and 0 <= float(curves.min()) < float(curves.max()) <= 1


def test_built_in_priors_bring_the_bank_and_the_truth(
    nodes: dict[str, type], call_node: Any, field: Any, pack_module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluation, scores = pack_module("a124core.evaluation.evaluate"), pack_module("a124core.evaluation.scores")
    for name, value in (("LARGE", 24), ("TIMES", 2), ("CAMERAS", 3), ("PATH_TIMES", 4), ("PATH_SIZE", 24)):
        monkeypatch.setattr(evaluation, name, value)
    monkeypatch.setattr(scores, "TRUTH_SIZE", 16)
    monkeypatch.setattr(pack_module("a124core.priors.builtin.bank"), "SUPERSAMPLED_SIZE", 32)
    appearance, bank = (pack_module(f"a124core.priors.builtin.{name}") for name in ("appearance", "bank"))
    camera = pack_module("a124core.cameras.rig").reference_camera()
    clips = [appearance.Appearance(appearance.get_subject("snowman"), "drifted", m) for m in ("jump", "sway")]
    prior = pack_module("a124core.priors.builtin.denoisers").VideoPrior(
        bank=bank.Bank(camera, bank.camera_lattice(camera)), items=clips, cond=torch.zeros(2),
        sigmas=torch.tensor([0.1, 1.0]), size=16, cfg=1.0,
    )
    guidance = pack_module("a124core.protocols").Guidance(prior, 1.0, 0.0, 1.0)
    _, _, figures = call_node(nodes["A124Evaluate"], field=field, video_guidance=guidance, **FEW)
    scene = json.loads(figures)["scenes"][0]
    known = {"bank_r", "bank_t", "bank_i", "bank_f", "psnr_heldout", "ssim_heldout", "janus_truth"}
    assert known <= set(scene["figures"])
    assert any("measure the machinery" in note for note in scene["notes"])


class TextHalf:
    """What the node uses of the host's CLIP: the end of a text before its projection, and the projection."""

    def __init__(self, dim: int, spread: float) -> None:
        text = torch.nn.Module()
        text.text_projection = torch.nn.Linear(dim, dim, bias=False)
        torch.nn.init.normal_(text.text_projection.weight, std=spread, generator=torch.Generator().manual_seed(3))
        self.cond_stage_model, self.dim, self.weight = torch.nn.ModuleList([text]), dim, text.text_projection.weight

    def tokenize(self, text: str) -> str:
        return text

    def pooled(self, text: str) -> torch.Tensor:
        return torch.randn(1, self.dim, generator=torch.Generator().manual_seed(sum(map(ord, text))))

    def encode_from_tokens(self, tokens: str, return_pooled: Any) -> tuple[None, torch.Tensor]:
        assert return_pooled == "unprojected"
        return None, self.pooled(tokens)


class ImageHalf:
    """What the node uses of the host's CLIP_VISION."""

    image_size = 224

    def __init__(self, dim: int, width: int = 768, patch: int = 32, is_clip: bool = True) -> None:
        self.config = {"hidden_act": "quick_gelu"}
        embeddings = SimpleNamespace(
            class_embedding=torch.zeros(1) if is_clip else None,
            patch_embedding=SimpleNamespace(weight=torch.empty(width, 3, patch, patch, device="meta")),
        )
        network = SimpleNamespace(embeddings=embeddings, encoder=SimpleNamespace(layers=[None] * 12))
        projection = SimpleNamespace(weight=torch.empty(512, width, device="meta"))
        self.model = SimpleNamespace(vision_model=network, visual_projection=projection)
        self.matrix = torch.randn(3, dim, generator=torch.Generator().manual_seed(2))

    def encode_image(self, image: torch.Tensor) -> SimpleNamespace:
        assert image.shape[-1] == 3  # the host's IMAGE
        return SimpleNamespace(image_embeds=image.mean((1, 2)) @ self.matrix)


def test_both_halves_of_a_clip_give_its_scores(
    nodes: dict[str, type], call_node: Any, field: Any, reference: Any
) -> None:
    text, image = TextHalf(8, 8**-0.5), ImageHalf(8)
    wires = {"clip": text, "clip_vision": image, "reference": reference, "candidates": "captions"}
    lines = "a cat\na dog (asleep)\n\n"
    table, _, figures = call_node(nodes["A124Evaluate"], field=field, caption="a fox", captions=lines, **wires, **FEW)
    scene = json.loads(figures)["scenes"][0]["figures"]
    assert -1 <= scene["clip_t"] <= 1 and 0 <= scene["clip_r"] <= 1
    assert {"clip_i", "clip_f"} <= set(scene)
    assert "3 captions (of the box, with its own)" in table and "CLIP ViT-B/32 (CLIP_VISION)" in table
    assert "Not comparable with the paper's tables: the paper's films have" in table


def test_the_scores_are_cosines_of_projected_texts(
    nodes: dict[str, type], pack_module: Callable[[str], ModuleType]
) -> None:
    text, image = TextHalf(8, 8**-0.5), ImageHalf(8)
    clip = pack_module("nodes.host.clip_scores").HostClip(text, image)
    expected = text.pooled("a \\(cat\\)") @ text.weight.T
    assert torch.allclose(clip.texts(["a (cat)"]), expected / expected.norm(), atol=1e-6)
    pixels = torch.rand(2, 3, 5, 5)
    embeds = pixels.mean((2, 3)) @ image.matrix
    assert torch.allclose(clip.images(pixels), embeds / embeds.norm(dim=1, keepdim=True), atol=1e-6)


def test_image_half_alone_leaves_captions_out(
    nodes: dict[str, type], call_node: Any, field: Any, reference: Any
) -> None:
    wires = {"clip_vision": ImageHalf(8, width=1024, patch=14), "reference": reference}
    table, _, figures = call_node(nodes["A124Evaluate"], field=field, caption="a fox", **wires, **FEW)
    scene = json.loads(figures)["scenes"][0]["figures"]
    assert {"clip_i", "clip_f"} <= set(scene) and "clip_t" not in scene and "ViT-L/14" in table


@pytest.mark.parametrize(
    ("halves", "sentence"),
    [
        ((TextHalf(8, 0.0), ImageHalf(8)), "no projection of its texts"),
        ((TextHalf(8, 8**-0.5), ImageHalf(6)), "texts have 8 dimensions, but CLIP_VISION's images have 6"),
        ((TextHalf(8, 8**-0.5), ImageHalf(8, is_clip=False)), "is no CLIP but another encoder"),
    ],
)
def test_halves_that_do_not_fit_are_one_sentence(
    nodes: dict[str, type], call_node: Any, field: Any, halves: tuple[TextHalf, ImageHalf], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as error:
        call_node(nodes["A124Evaluate"], field=field, caption="a fox", clip=halves[0], clip_vision=halves[1], **FEW)
    assert "\n" not in str(error.value)


def test_what_cannot_be_measured_is_refused_when_queued(nodes: dict[str, type], refusal: Any) -> None:
    node, wired = nodes["A124Evaluate"], None
    assert refusal(node, candidates="paper", captions="", views=2, times=3, size=16, geometry=False) == ""
    assert "clip_vision is not" in refusal(node, clip=wired)
    assert "list of captions is empty" in refusal(node, candidates="captions", captions=" \n")
    assert "there twice" in refusal(node, candidates="captions", captions="a cat\na cat")
    assert "geometry is on" in refusal(node, geometry=True)
    assert refusal(node, geometry=True, video_guidance=wired) == ""
    assert "times is 2" in refusal(node, times=2)
