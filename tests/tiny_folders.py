"""Folders of every role in diffusers' own layout, written by save_pretrained, tiny and with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SD = {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
      "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}
UNET = {"sample_size": 8, "block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "attention_head_dim": 8}
CLIP = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WIDTH = 32  # dimensions of the embeddings
PROMPT = "a panda"
FOLDERS = {"image": "stable-diffusion-v1-5", "refine": "stable-diffusion-v1-5", "view": "zero123-xl",
           "video": "text-to-video-ms-1.7b", "upscale": "stable-diffusion-x4-upscaler"}
CONTROL = "control_v11f1e_sd15_tile"
ALPHABET = "!abcdefghijklmnopqrstuvwxyz0123456789,.:<>_-"


def randomised(network: Any, seed: int) -> Any:
    """Random weights, none of them zero, that keep the size of activations."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim == 0:  # CLIP's logit_scale
                continue
            drawn = torch.randn(weight.shape, generator=rng) / max(1, weight[0].numel()) ** 0.5
            weight.copy_(0.1 * drawn + float(name.endswith("weight")) if weight.ndim == 1 else drawn)
    return network.eval()


def scheduler(folder: Path, name: str = "scheduler", **changes: Any) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "scheduler_config.json").write_text(json.dumps(SD | changes))


def tokens(folder: Path) -> int:
    """CLIP's own files with a vocabulary of single letters. -> how many tokens."""
    path = folder / "tokenizer"
    path.mkdir(parents=True, exist_ok=True)
    names = [*ALPHABET, *(f"{c}</w>" for c in ALPHABET), "<|startoftext|>", "<|endoftext|>"]
    (path / "vocab.json").write_text(json.dumps({name: k for k, name in enumerate(names)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    (path / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    }))
    return len(names)


def text(folder: Path, seed: int, width: int = WIDTH) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    size = tokens(folder)
    ends = {"bos_token_id": size - 2, "eos_token_id": size - 1, "pad_token_id": size - 1}
    config = CLIPTextConfig(**{**CLIP, "hidden_size": width}, vocab_size=size, max_position_embeddings=77, **ends)
    randomised(CLIPTextModel(config), seed).save_pretrained(folder / "text_encoder")


def vae(folder: Path, seed: int, levels: int = 2, **config: Any) -> Any:
    from diffusers import AutoencoderKL

    network = AutoencoderKL(
        block_out_channels=(16,) * levels, down_block_types=("DownEncoderBlock2D",) * levels, norm_num_groups=8,
        up_block_types=("UpDecoderBlock2D",) * levels, layers_per_block=1, latent_channels=4, **config,
    )
    randomised(network, seed).save_pretrained(folder / "vae")
    return network


def tiny_vae(folder: Path, seed: int = 51, **config: Any) -> Any:
    """TAESD's class, as small as the other VAE."""
    from diffusers import AutoencoderTiny

    sizes = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    network = AutoencoderTiny(**sizes, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), **config)
    randomised(network, seed).save_pretrained(folder / "vae")
    return network


def unet(folder: Path, seed: int, **changes: Any) -> Any:
    from diffusers import UNet2DConditionModel

    config = UNET | {"in_channels": 4, "out_channels": 4, "cross_attention_dim": WIDTH} | changes
    network = randomised(UNet2DConditionModel(**config), seed)
    network.save_pretrained(folder / "unet")
    return network


def image(folder: Path, seed: int = 1, **schedule: Any) -> Path:
    """Stable Diffusion."""
    unet(folder, seed)
    vae(folder, seed + 1)
    text(folder, seed + 2)
    scheduler(folder, **schedule)
    return folder


def control(folder: Path, seed: int = 11, **changes: Any) -> Path:
    from diffusers import ControlNetModel

    shared = {k: UNET[k] for k in ("block_out_channels", "layers_per_block", "norm_num_groups", "down_block_types",
                                   "attention_head_dim")}
    config = {**shared, "cross_attention_dim": WIDTH, "conditioning_embedding_out_channels": (8, 16), **changes}
    randomised(ControlNetModel(in_channels=4, **config), seed).save_pretrained(folder)
    return folder


def view(folder: Path, seed: int = 21, camera: str = "cc_projection") -> Path:
    """Zero123 as its converters wrote it."""
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    unet(folder, seed, in_channels=8)
    vae(folder, seed + 1)
    config = CLIPVisionConfig(**CLIP, image_size=28, patch_size=14, projection_dim=WIDTH)
    randomised(CLIPVisionModelWithProjection(config), seed + 2).save_pretrained(folder / "image_encoder")
    rng = torch.Generator().manual_seed(seed + 3)
    (folder / camera).mkdir()
    weight = torch.randn(WIDTH, WIDTH + 4, generator=rng) / 6
    layer = {"projection.weight": weight, "projection.bias": torch.zeros(WIDTH)}
    save_file(layer, folder / camera / "diffusion_pytorch_model.safetensors")
    (folder / camera / "config.json").write_text(json.dumps({"_class_name": "CCProjection"}))
    scheduler(folder)
    return folder


def video(folder: Path, seed: int = 31) -> Path:
    """ModelScope or ZeroScope."""
    from diffusers import UNet3DConditionModel

    network = UNet3DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8, cross_attention_dim=WIDTH,
        attention_head_dim=16, down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"), sample_size=8,
    )
    randomised(network, seed).save_pretrained(folder / "unet")
    vae(folder, seed + 1)
    text(folder, seed + 2)
    scheduler(folder)
    return folder


def upscale(folder: Path, seed: int = 41) -> Path:
    """The SD x4 upscaler: 7 channels, a label for the noise, v-prediction, a scale of its own."""
    unet(folder, seed, in_channels=7, num_class_embeds=1000)
    vae(folder, seed + 1, levels=3, scaling_factor=0.08333)
    text(folder, seed + 2)
    more = {"beta_start": 0.0001, "beta_end": 0.02}
    scheduler(folder, prediction_type="v_prediction", **more)
    scheduler(folder, "low_res_scheduler", **more)
    return folder


def everything(folder: Path) -> Path:
    """The folder of `--models`."""
    image(folder / FOLDERS["image"])
    control(folder / CONTROL)
    view(folder / FOLDERS["view"])
    video(folder / FOLDERS["video"])
    upscale(folder / FOLDERS["upscale"])
    return folder


def load_role(role: str, path: Path, cfg: float = 3.0, size: int = 16, policy: Any = None, **options: Any) -> Any:
    """The prior of a role: path is its own folder or file, or the folder of `--models`."""
    return load_guidance(role, path, cfg, size, policy, **options).prior


def load_guidance(role: str, path: Path, cfg: float = 3.0, size: int = 16, policy: Any = None, **options: Any) -> Any:
    """The guidance of a role, as load_role's prior."""
    from a124core.priors.defaults import RoleDefaults
    from a124core.priors.diffusers.offload import OffloadPolicy
    from a124core.priors.diffusers.roles import RoleRequest, folder_guidance

    if (path / CONTROL).is_dir():
        options = {"control": path / CONTROL, **options}
        path = path / FOLDERS[role]
    numbers = RoleDefaults(cfg, weight=1.0, t_min=0.0, t_max=1.0, size=size)
    request = RoleRequest(role, path, options.pop("prompt", PROMPT), numbers, **options)
    return folder_guidance(request, OffloadPolicy() if policy is None else policy)
