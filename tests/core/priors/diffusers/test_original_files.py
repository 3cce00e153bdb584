"""Zero123's checkpoint and ModelScope's three files, converted on load, against networks of the original layout."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.original import build_text, build_unet, build_vae, build_vision
from a124core.priors.weight_files import read_weights
from a124core.protocols import View
from a124core.reference.reference import Reference
from tests import tiny_originals as original
from tests.tiny_folders import load_guidance, load_role, randomised, scheduler
from tests.tiny_modelscope import random_weights

pytest.importorskip("diffusers", reason="diffusers is not installed: it is an extra, needed for folders of models")
pytest.importorskip("transformers", reason="transformers is not installed: needed for folders of models")


@torch.no_grad()
def test_the_unet_is_the_same_network(rng: torch.Generator) -> None:
    theirs = original.tiny_unet(in_channels=8)
    ours = build_unet(original.unet(theirs))
    x, text = torch.randn(2, 8, 8, 8, generator=rng), torch.randn(2, 5, 64, generator=rng)
    assert torch.allclose(ours(x, 7, text).sample, theirs(x, 7, text).sample, atol=1e-5)


def test_unknown_and_missing_weights_are_an_error() -> None:
    """diffusers' converters drop the one, and its from_single_file fills the other with random numbers."""
    weights = original.unet(original.tiny_unet(in_channels=8))
    with pytest.raises(ValueError, match="1 of the file's weights are not Stable Diffusion 1's"):
        build_unet(weights | {"label_emb.0.0.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="do not fit a UNet2DConditionModel .1 names, such as conv_norm_out.bias"):
        build_unet({name: w for name, w in weights.items() if name != "out.0.bias"})


def test_no_network_is_asked_for_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    build_unet(original.unet(original.tiny_unet(in_channels=8)))
    build_vae(original.vae(original.tiny_vae()))


@torch.no_grad()
def test_the_vae_is_the_same_network(rng: torch.Generator) -> None:
    theirs = original.tiny_vae()
    ours = build_vae(original.vae(theirs) | {"loss.logvar": torch.zeros(())})
    image = torch.rand(1, 3, 16, 16, generator=rng)
    found, wanted = (v.encode(image).latent_dist.mode() for v in (ours, theirs))
    assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.allclose(ours.decode(found).sample, theirs.decode(wanted).sample, atol=1e-4)


@torch.no_grad()
def test_clips_encoders_are_the_originals(rng: torch.Generator) -> None:
    vision = randomised(original.Vision(128, 2, 64, 28, 14), 3)
    pixels = torch.randn(2, 3, 28, 28, generator=rng)
    ours = build_vision(vision.state_dict())
    assert torch.allclose(ours(pixel_values=pixels).image_embeds, vision(pixels), atol=1e-4)
    text = randomised(original.Text(90, 128, 3), 4)
    ids = torch.randint(90, (2, 77), generator=rng)
    assert torch.allclose(build_text(text.state_dict())(ids)[0], text(ids), atol=1e-4)


def with_callbacks(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the training program saved it: with a class of its own beside the weights."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    for parent in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    sys.modules[name].ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})
    original.zero123(path, callbacks={sys.modules[name].ModelCheckpoint: {"best": None}})
    monkeypatch.undo()
    return path


def test_zero123s_own_checkpoint_is_a_view_prior(
    tmp_path: Path, reference: Reference, view: View, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = load_role("view", with_callbacks(tmp_path / "zero123-xl.ckpt", monkeypatch), reference=reference)
    x0 = prior.encode(torch.rand(3, 3, 16, 16, generator=rng))
    found = prior.denoise(x0, prior.sigmas[300].expand(3), view)
    assert found.shape == (3, 4, 8, 8) and found.isfinite().all()
    assert abs(float(prior.sigmas[300]) - (1 / 0.5877 - 1) ** 0.5) < 5e-3  # Stable Diffusion's abar at 300
    with pytest.raises(ValueError, match="input channels|has no weights under"):
        torch.save({"state_dict": {"model.diffusion_model.out.2.bias": torch.zeros(4)}}, tmp_path / "other.ckpt")
        load_role("view", tmp_path / "other.ckpt", reference=reference)


class Harmful:
    def __reduce__(self) -> tuple:
        return print, ("this must not be run",)


def test_a_file_that_would_run_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}, "more": Harmful()}, tmp_path / "bad.ckpt")
    (tmp_path / "cut.ckpt").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ValueError, match="more than tensors"):
        read_weights(tmp_path / "bad.ckpt")
    with pytest.raises(ValueError, match="damaged"):
        read_weights(tmp_path / "cut.ckpt")
    assert "must not" not in capsys.readouterr().out


def test_modelscopes_own_files_are_a_video_prior(tmp_path: Path, view: View, rng: torch.Generator) -> None:
    folder = original.modelscope(tmp_path / "modelscope")
    prior = load_role("video", folder)
    x0 = prior.encode(torch.rand(3, 3, 16, 16, generator=rng))
    assert x0.shape == (1, 4, 3, 8, 8)
    found = prior.denoise(x0, prior.sigmas[[500]], view)
    prior.cfg = 0.0
    assert found.isfinite().all() and not torch.allclose(found, prior.denoise(x0, prior.sigmas[[500]], view))
    guidance = load_guidance("video", folder, still="standing still")
    texts = [p.conditioner.conds["plain"] for p in (prior, guidance.prior, guidance.source)]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[1], texts[2])
    (folder / "VQGAN_autoencoder.pth").unlink()
    with pytest.raises(ValueError, match="put VQGAN_autoencoder.pth beside it"):
        load_role("video", folder)


def denoised_by(first: FolderPrior, second: FolderPrior, view: View, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The outputs of two priors for the same noisy latents of the same images."""
    image = torch.rand(3, 3, 16, 16, generator=rng)
    x0, twin = first.encode(image), second.encode(image)
    assert torch.allclose(x0, twin, atol=1e-5)
    x_t = x0 + first.sigmas[400] * torch.randn(x0.shape, generator=rng)
    sigma = first.sigmas[400].expand(len(x0))
    return first.denoise(x_t, sigma, view), second.denoise(x_t, second.sigmas[400].expand(len(x0)), view)


def close(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


@torch.no_grad()
def test_zero123s_file_and_its_diffusers_folder_are_the_same_prior(
    tmp_path: Path, reference: Reference, view: View, rng: torch.Generator
) -> None:
    file, folder = original.zero123(tmp_path / "zero123-xl.ckpt"), tmp_path / "zero123-xl"
    weights = torch.load(file, weights_only=True)["state_dict"]
    original.tiny_unet(in_channels=8).save_pretrained(folder / "unet")
    original.tiny_vae().save_pretrained(folder / "vae")
    build_vision(original.tiny_vision().state_dict()).save_pretrained(folder / "image_encoder")
    (folder / "cc_projection").mkdir()
    layer = {name: weights[f"cc_projection.{name}"] for name in ("weight", "bias")}
    save_file(layer, folder / "cc_projection" / "diffusion_pytorch_model.safetensors")
    scheduler(folder)
    priors = (load_role("view", path, reference=reference) for path in (file, folder))
    close(*denoised_by(*priors, view, rng))


@torch.no_grad()
def test_modelscopes_files_and_its_diffusers_folder_are_the_same_prior(
    tmp_path: Path, view: View, rng: torch.Generator
) -> None:
    from diffusers import UNet3DConditionModel

    files, folder = original.modelscope(tmp_path / "files"), tmp_path / "folder"
    network = UNet3DConditionModel(
        block_out_channels=(64, 128), layers_per_block=1, cross_attention_dim=64, attention_head_dim=64,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"), up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
    )
    network.load_state_dict(random_weights(original.MODELSCOPE, "diffusers"))
    network.save_pretrained(folder / "unet")
    original.tiny_vae().save_pretrained(folder / "vae")
    build_text(original.tiny_text(files).state_dict()).save_pretrained(folder / "text_encoder")
    shutil.copytree(files / "tokenizer", folder / "tokenizer")
    settings = folder / "tokenizer" / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"pad_token": "!"}))  # number 0, as published
    scheduler(folder)
    close(*denoised_by(*(load_role("video", path) for path in (files, folder)), view, rng))
