"""Weights are in memory once; files of other precisions; latents that are not finite."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from a124core.priors.diffusers.load import LOADED, load_part
from a124core.priors.diffusers.offload import OffloadPolicy, offload_policy
from tests.tiny_folders import load_role

SD, UNET = "stable-diffusion-v1-5", "UNet2DConditionModel"


def test_two_priors_of_one_folder_share_their_weights(models: Path) -> None:
    first, second = (load_role("image", models, prompt=prompt) for prompt in ("a", "b"))
    assert first.denoiser.unet is second.denoiser.unet and first.encoder.vae is second.encoder.vae
    key = next(k for k in LOADED if k[1] == "unet")
    del first, second
    gc.collect()
    assert key not in LOADED, "nobody holds them any more"


def test_files_of_sixteen_and_of_mixed_bits(models: Path, tmp_path: Path) -> None:
    """Folders copied with their 16-bit files only, and a file half of which was converted: one precision results."""
    plain = load_part(models / SD, "unet", UNET).state_dict()
    shutil.copytree(models / SD, tmp_path / "sd")
    path = tmp_path / "sd" / "unet" / "diffusion_pytorch_model.safetensors"
    mixed = {n: w.half() if k % 2 else w for k, (n, w) in enumerate(load_file(path).items())}
    save_file(mixed, path.with_name("diffusion_pytorch_model.fp16.safetensors"), {"format": "pt"})
    path.unlink()
    found = load_part(tmp_path / "sd", "unet", UNET).state_dict()
    assert {w.dtype for w in found.values()} == {torch.float32}
    assert all(torch.allclose(found[n], plain[n], atol=2e-3) for n in plain)


def test_latents_that_are_not_finite_are_an_error(models: Path) -> None:
    prior = load_role("image", models)
    with torch.no_grad():
        weight = prior.encoder.vae.quant_conv.weight
        before = weight.clone()
        weight.fill_(float("nan"))
        with pytest.raises(RuntimeError, match="NaN or infinite latents.*vae folder"):
            prior.encode(torch.rand(1, 3, 16, 16))
        weight.copy_(before)


def test_a_folder_that_does_not_fit_into_memory_is_not_called_damaged(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL

    def out_of_memory(*args: object, **options: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 5000000000 bytes.")

    monkeypatch.setattr(AutoencoderKL, "from_pretrained", out_of_memory)
    with pytest.raises(RuntimeError, match="does not fit into the free memory: .* leave a role out"):
        load_part(models / SD, "vae", "AutoencoderKL", tag="full")


def test_a_size_that_does_not_fit_is_an_error(models: Path) -> None:
    with pytest.raises(ValueError, match="size is 17: this model needs a multiple of 2"):
        load_role("image", models, size=17)


def test_the_memory_option_on_a_cpu() -> None:
    assert offload_policy("full", "cpu") == OffloadPolicy()
    assert offload_policy("low", "cpu") == OffloadPolicy(split_cfg=True)


@pytest.mark.gpu
def test_low_memory_offloads_the_weights(models: Path, rng: torch.Generator) -> None:
    policy = offload_policy("low", "cuda")
    assert policy.offload_device == "cpu" and policy.dtype in (torch.bfloat16, torch.float16)
    prior = load_role("image", models, policy=policy)
    x0 = prior.encode(torch.rand(1, 3, 16, 16, generator=rng).cuda())
    from a124core.cameras.rig import make_cameras
    from a124core.protocols import View

    camera = make_cameras(0.0, 0.0)
    guess = prior.denoise(x0, prior.sigmas[[400]], View(camera, camera, torch.zeros(1), torch.ones(3)))
    assert guess.device.type == "cuda" and guess.isfinite().all()
    assert {p.device.type for n in (prior.denoiser.unet, prior.encoder.vae) for p in n.parameters()} == {"cpu"}
