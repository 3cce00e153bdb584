"""A LoRA on a tiny Stable Diffusion folder: trained, written, and read by diffusers and by our own refinement."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("peft")

from a124core.dreambooth.config import DreamBoothConfig
from a124core.dreambooth.learn import learn_lora
from a124core.dreambooth.subject import subject_of
from a124core.export.lora import write_lora
from a124core.inversion.steps import LearnRun
from a124core.priors.diffusers import package
from a124core.priors.diffusers.checks import UNET2D
from a124core.priors.diffusers.dreambooth import FolderLoraModel, load_lora_model
from a124core.priors.diffusers.load import load_part
from a124core.priors.diffusers.lora import add_lora
from a124core.priors.diffusers.networks import load_networks
from a124core.priors.diffusers.offload import OffloadPolicy
from tests.tiny_folders import load_role

PROMPT, CLASS = "a photo of sks fox", "a photo of a fox"
TINY = DreamBoothConfig(PROMPT, CLASS, steps=60, lr=3e-3, batch=2, class_images=2, size=16, sampling_steps=3)


@pytest.fixture(scope="module")
def folder(models: Path) -> Path:
    return models / "stable-diffusion-v1-5"


@pytest.fixture(scope="module")
def learned(folder: Path) -> tuple[FolderLoraModel, dict[str, Tensor], list[float], dict[str, Tensor]]:
    """The trained model, its LoRA, the losses, and the UNet's own weights before."""
    model, losses = load_lora_model(folder, 4, OffloadPolicy()), []
    before = {n: p.detach().clone() for n, p in model.unet.named_parameters() if "lora" not in n}
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    lora = learn_lora(subject_of(image, 16), model, TINY, LearnRun(1, lambda step: losses.append(step.loss)))
    return model, lora, losses, before


@pytest.fixture(scope="module")
def file(learned: tuple, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lora") / "fox.safetensors"
    write_lora(path, learned[1], {"made_by": "animate124"})
    return path


def x0_hat(model: FolderLoraModel) -> Tensor:
    x_t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return model.denoise(x_t, model.sigmas[[300, 700]], [PROMPT, CLASS])


def test_it_is_nothing_at_first_and_beside_every_projection(folder: Path) -> None:
    model = load_lora_model(folder, 2, OffloadPolicy())
    plain = FolderLoraModel(**vars(load_networks(folder, OffloadPolicy(), "plain")))
    assert torch.equal(x0_hat(model), x0_hat(plain)) and plain.lora_parameters() == {}
    parameters = model.lora_parameters()
    assert len(parameters) == 2 * 4 * 2 * 4, "up and down, 4 projections, self- and cross-attention, 4 blocks"
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    down, up = (parameters[f"{name}.lora_{part}.weight"] for part in ("down", "up"))
    assert down.shape == (2, 32) and up.shape[1] == 2
    trained = {id(p) for p in model.unet.parameters() if p.requires_grad}
    assert trained == {id(p) for p in parameters.values()}


def test_the_loss_falls_and_the_models_own_weights_stay(learned: tuple) -> None:
    model, lora, losses, before = learned
    assert sum(losses[-15:]) < 0.9 * sum(losses[:15])
    after = {n: p for n, p in model.unet.named_parameters() if "lora" not in n}
    assert before.keys() == after.keys() and all(torch.equal(before[n], after[n]) for n in before)
    assert all(tensor.norm() > 0 for tensor in lora.values())


def test_diffusers_loads_the_file_to_the_same_output(learned: tuple, folder: Path, file: Path) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        load_part(folder, "vae", "AutoencoderKL", tag="pipeline"), learned[0].text.model, learned[0].text.tokenizer,
        load_part(folder, "unet", UNET2D, tag="pipeline"), scheduler=None, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )
    plain = FolderLoraModel(**vars(load_networks(folder, OffloadPolicy(), "plain")))
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name, local_files_only=True)
    loaded = FolderLoraModel(**{**vars(plain), "unet": pipeline.unet})
    change = x0_hat(learned[0]) - x0_hat(plain)
    assert change.norm() > 1e-2
    torch.testing.assert_close(x0_hat(loaded) - x0_hat(plain), change, atol=1e-4, rtol=1e-3)


def test_the_refinement_takes_the_file_and_adds_it_once(learned: tuple, folder: Path, file: Path) -> None:
    unet = load_part(folder, "unet", UNET2D, tag="added")
    before = {name: p.detach().clone() for name, p in unet.named_parameters()}
    for _ in range(2):
        add_lora(unet, file)
    assert before.keys() == dict(unet.named_parameters()).keys(), "nothing of peft stays"
    plain = load_networks(folder, OffloadPolicy(), "plain")
    loaded = FolderLoraModel(**{**vars(plain), "unet": unet})
    torch.testing.assert_close(x0_hat(loaded), x0_hat(learned[0]), atol=1e-4, rtol=1e-3)
    assert not any(p.requires_grad for p in unet.parameters())


def test_a_refine_guidance_with_the_file_is_another_prior(models: Path, file: Path) -> None:
    from a124core.cameras.rig import reference_camera
    from a124core.protocols import View

    camera = reference_camera()
    view = View(camera, camera, torch.zeros(1), torch.ones(3)).with_condition(torch.rand(1, 3, 16, 16))
    x_t = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    outputs = [load_role("refine", models, **lora).denoise(x_t, torch.tensor([2.0]), view)
               for lora in ({}, {"lora": file}, {})]
    assert torch.equal(outputs[0], outputs[2]) and (outputs[0] - outputs[1]).norm() > 1e-3


def test_a_lora_of_another_model_and_a_damaged_one_are_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    other, damaged = tmp_path / "other.safetensors", tmp_path / "damaged.safetensors"
    save_file({f"{name}.lora_down.weight": torch.zeros(4, 768), f"{name}.lora_up.weight": torch.zeros(320, 4),
               f"{name}.alpha": torch.tensor(4.0)}, other)
    damaged.write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="does not fit the model"):
        add_lora(load_part(folder, "unet", UNET2D, tag="refused"), other)
    with pytest.raises(ValueError, match="damaged"):
        add_lora(load_part(folder, "unet", UNET2D, tag="refused too"), damaged)
    with pytest.raises(ValueError, match="was not found"):
        add_lora(load_part(folder, "unet", UNET2D, tag="refused too"), tmp_path / "none.safetensors")


def test_a_rank_above_the_dimensions_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="rank is 33, but the smallest attention projection has 32"):
        load_lora_model(folder, 33, OffloadPolicy())


def test_without_peft_its_command_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.setattr(package, "installed", {}.get)
    with pytest.raises(ValueError, match="LoRAs of models in diffusers folders need the Python package peft.*pip inst"):
        load_lora_model(folder, 4, OffloadPolicy())
