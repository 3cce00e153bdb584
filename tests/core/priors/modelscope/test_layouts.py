"""Which files belong together, told from their names."""

from __future__ import annotations

import pytest

from a124core.priors.modelscope.layouts import companion, unet_files

FLAT = ["text2video_pytorch_model.pth", "open_clip_pytorch_model.bin", "VQGAN_autoencoder.pth", "configuration.json"]
FOLDER = [
    "ms/unet/diffusion_pytorch_model.bin",
    "ms/unet/diffusion_pytorch_model.safetensors",
    "ms/text_encoder/pytorch_model.bin",
    "ms/text_encoder/model.fp16.safetensors",
    "ms/text_encoder/model.safetensors",
    "ms/vae/diffusion_pytorch_model.bin",
    "ms/tokenizer/vocab.json",
]


def test_only_unets_are_listed() -> None:
    own = ["zeroscope.safetensors", "zs/text2video_pytorch_model.pth", "zs/open_clip_pytorch_model.bin", "README.md"]
    assert unet_files(FLAT + FOLDER + own) == sorted([FLAT[0], *FOLDER[:2], own[0], own[1]])


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_companions_lie_beside_the_file_or_its_unet_folder(slash: str) -> None:
    names = [n.replace("/", slash) for n in FLAT + FOLDER]
    at = {n: n.replace("/", slash) for n in FOLDER}
    assert companion(names, FLAT[0], "text encoder") == FLAT[1]
    assert companion(names, FLAT[0], "VAE") == FLAT[2]
    assert companion(names, at[FOLDER[0]], "text encoder") == at["ms/text_encoder/model.safetensors"]
    assert companion(names, at[FOLDER[1]], "VAE") == at["ms/vae/diffusion_pytorch_model.bin"]


def test_companions_of_another_model_are_not_taken() -> None:
    assert (
        companion([*FLAT, "zs/unet/diffusion_pytorch_model.bin"], "zs/unet/diffusion_pytorch_model.bin", "VAE") is None
    )
    assert companion(FOLDER, "alone.pth", "text encoder") is None
