"""A124DiffusersGuidance without a host: its menu lists tiny folders in the real formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

OUTPUTS = ("image", "view", "video", "refine")


@pytest.fixture
def host(pack_module: Callable[[str], ModuleType]) -> ModuleType:
    return pack_module("nodes.host.model_folders")


@pytest.fixture
def listed(host: ModuleType, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"diffusers/{path.name}": path for path in host._models(models, 2)}
    monkeypatch.setattr(host, "folders", lambda: names)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(("role", "model", "output"), [
    ("image", "stable-diffusion-v1-5", "image"), ("view", "zero123-xl", "view"),
    ("video", "text-to-video-ms-1.7b", "video"), ("refine", "stable-diffusion-v1-5", "refine"),
    ("upscale", "stable-diffusion-x4-upscaler", "refine"),
])
def test_every_role_gives_its_guidance_with_the_released_numbers(
    nodes: dict[str, type], reference: Any, call_node: Any, role: str, model: str, output: str
) -> None:
    node = nodes["A124DiffusersGuidance"]
    outputs = call_node(
        node, role=role, model=f"diffusers/{model}", control_net="diffusers/control_v11f1e_sd15_tile", prompt="a panda",
        size=16, reference=reference,
    )
    outputs = dict(zip(OUTPUTS, outputs, strict=True))
    guidance = outputs.pop(output)
    assert not any(outputs.values()), "the other outputs are as if unplugged"
    released = {"image": (101, 0.025), "view": (5, 1), "video": (101, 1), "refine": (8.5, 1), "upscale": (9, 1)}
    cfg, weight = released[role]
    assert (guidance.prior.cfg, guidance.weight, guidance.prior.size) == (cfg, weight, 16)
    assert guidance.angle_weight == (role == "view") and (guidance.form == "clean") == (output == "refine")
    assert (guidance.prior.denoiser.controlnet is not None) == (role == "refine")


@pytest.mark.usefixtures("listed", "tiny")
def test_a_folder_drives_the_static_stage(nodes: dict[str, type], reference: Any, call_node: Any) -> None:
    """Wired like any other guidance: it changes the field, and is offloaded when the stage is done."""
    image = call_node(nodes["A124DiffusersGuidance"], role="image", model="diffusers/stable-diffusion-v1-5", size=16,
                      weight=0.5)[0]
    fields = [call_node(nodes["A124StaticOptimizer"], reference=reference, image_guidance=g)[0] for g in (image, None)]
    assert fields[0].table.isfinite().all() and not torch.equal(fields[0].table, fields[1].table)


@pytest.mark.usefixtures("listed")
def test_unused_options_of_a_role_are_named(
    nodes: dict[str, type], call_node: Any, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the model is loaded, which takes minutes."""
    calls: list[str] = []
    monkeypatch.setattr(pack_module("nodes.host.ui"), "show_text", lambda node, text, **_: calls.append(text))
    monkeypatch.setattr(pack_module("nodes.guidance.diffusers"), "folder_guidance", lambda *_: calls.append("read"))
    inputs = {"role": "image", "model": "diffusers/stable-diffusion-v1-5", "size": 16}
    for more in ({}, {"noise_level": 5, "control_net": "diffusers/control_v11f1e_sd15_tile", "negative_prompt": "fog"}):
        call_node(nodes["A124DiffusersGuidance"], **inputs, **more)
    assert calls == ["read", "Without effect for role image: control_net, noise_level.", "read"]


@pytest.mark.usefixtures("listed")
def test_a_missing_model_is_reported(nodes: dict[str, type], call_node: Any) -> None:
    node = nodes["A124DiffusersGuidance"]
    assert node.VALIDATE_INPUTS("image", "diffusers/zero123-xl", "none") is True
    with pytest.raises(ValueError, match=r"extra_model_paths\.yaml"):
        node.VALIDATE_INPUTS("image", "diffusers/gone", "none")
    with pytest.raises(ValueError, match="‘diffusers∕gone’"):
        node.VALIDATE_INPUTS("image", "diffusers/zero123-xl", "diffusers/gone")
    with pytest.raises(ValueError, match="Nothing is downloaded"):
        call_node(node, role="image", model="diffusers/gone")
    with pytest.raises(ValueError, match="compares with your image"):
        call_node(node, role="view", model="diffusers/zero123-xl")
    with pytest.raises(ValueError, match="not in models/embeddings"):
        call_node(node, role="refine", model="diffusers/stable-diffusion-v1-5", prompt="a embedding:fox dances")


def test_models_are_found_also_under_their_owners(host: ModuleType, tmp_path: Path) -> None:
    for name in ("a/unet/config.json", "owner/b/unet/config.json", "c/text2video_pytorch_model.pth", "junk/readme.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "tile").mkdir()
    (tmp_path / "tile" / "config.json").write_text('{"_class_name": "ControlNetModel"}')
    (tmp_path / "zero123-xl.ckpt").write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in host._models(tmp_path, 2)]
    assert sorted(names) == ["a", "c", "owner/b", "tile", "zero123-xl.ckpt"]
    before = host.folder_stamp(tmp_path / "a")
    (tmp_path / "a" / "unet" / "config.json").write_text('{"x": 1}')
    assert host.folder_stamp(tmp_path / "a") != before
