"""The same weights twice: as the host's checkpoints through our native guidances, and as diffusers folders.

Run by the host's Python, which needs diffusers: folder_parity_checks.py COMFYUI_PATH MODELS. MODELS is what
tiny_models.py and modelscope_files.py wrote; the folders are made here from its files. Figures are largest differences,
relative to the largest number.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import native_checks as base  # noqa: E402

sys.path.remove(str(HERE))

import comfy.controlnet  # noqa: E402
import comfy.utils  # noqa: E402
import torch  # noqa: E402

rel_error, noise, random_image, view_at, SIZE = base.rel_error, base.noise, base.random_image, base.view_at, base.SIZE
original, roles = (base.part(f"a124core.priors.diffusers.{name}") for name in ("original", "roles"))
RoleDefaults, OffloadPolicy = base.part("a124core.priors.defaults").RoleDefaults, roles.OffloadPolicy
SD = {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
      "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}
FOLDERS = Path(tempfile.mkdtemp(prefix="folders-"))
TOKENIZER = Path(base.COMFYUI) / "comfy" / "sd1_tokenizer"  # CLIP's own vocabulary


def folder_prior(role, path, cfg, **options):
    numbers = RoleDefaults(cfg, weight=1.0, t_min=0.0, t_max=1.0, size=SIZE)
    return roles.folder_prior(roles.RoleRequest(role, path, base.PROMPT, numbers, **options), OffloadPolicy())


def floats(path: Path) -> dict[str, torch.Tensor]:
    return {name: w.float() for name, w in comfy.utils.load_torch_file(str(base.MODELS / path)).items()}


def stable_diffusion() -> Path:
    """Write the checkpoint's parts under the names of diffusers and transformers."""
    from transformers import CLIPTextConfig, CLIPTextModel

    folder, weights = FOLDERS / "sd", floats(Path("checkpoints/tiny_sd15.safetensors"))
    if folder.exists():
        return folder
    original.build_unet(original.below(weights, "model.diffusion_model.")).save_pretrained(folder / "unet")
    original.build_vae(original.below(weights, "first_stage_model.")).save_pretrained(folder / "vae")
    text = original.below(weights, "cond_stage_model.transformer.text_model.")
    encoder = CLIPTextModel(CLIPTextConfig(
        vocab_size=49408, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
        bos_token_id=49406, eos_token_id=49407, pad_token_id=49407,
    ))
    first = next(iter(encoder.state_dict()))
    prefix = "text_model." if first.startswith("text_model.") else ""  # releases of transformers differ
    missing, unknown = encoder.load_state_dict({prefix + n: w for n, w in text.items()}, strict=False)
    assert not unknown and all("position_ids" in n for n in missing), (missing, unknown)
    encoder.save_pretrained(folder / "text_encoder")
    shutil.copytree(TOKENIZER, folder / "tokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SD))
    return folder


def control_net() -> Path:
    """Write the ControlNet under the names of diffusers, by its own converter."""
    from diffusers import ControlNetModel
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    weights = floats(Path("controlnet/tiny_tile.safetensors"))
    network = ControlNetModel(
        block_out_channels=(320,), layers_per_block=1, cross_attention_dim=768, attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D",),
    )
    network.load_state_dict(convert_controlnet_checkpoint(weights, network.config))
    network.save_pretrained(FOLDERS / "tile")
    return FOLDERS / "tile"


def compared(native, folder, view, shape):
    """Latents of the same image, and x0_hat of the same noisy ones at three noise levels."""
    image = random_image(21, 3 if native.is_video_clip else shape[0], native.size)
    latents = rel_error(folder.encode(image), native.encode(image))
    denoised = []
    for step in (30, 400, 900):
        sigma = native.sigmas[step].expand(shape[0])
        x = native.encode(image).detach() + native.sigmas[step] * noise(step, *shape)
        denoised.append(rel_error(folder.denoise(x, sigma, view), native.denoise(x, sigma, view)))
    return {"sigmas": rel_error(folder.sigmas, native.sigmas), "latents": latents, "x0_hat": max(denoised)}


def check_image():
    folder = folder_prior("image", stable_diffusion(), 7.0)
    return compared(base.image_guidance().prior, folder, view_at([30.0, -120.0], 10.0), (2, 4, 8, 8))


def check_refine():
    folder = folder_prior("refine", stable_diffusion(), 7.0, control=control_net())
    view = view_at([0.0, 9.0], view_text=False, condition=random_image(11, 2))
    with torch.inference_mode():
        native = base.refine_guidance().prior
    return compared(native, folder, view, (2, 4, 8, 8))


def check_view():
    """Both use the host's image embedding: it enlarges the image in its own way, and rounds it."""
    zero, reference = base.checkpoint("tiny_zero123", vision=True), base.disc_reference(20.0)
    wires = {"model": zero.model, "clip_vision": zero.vision, "vae": zero.vae, "reference": reference}
    native = base.guidance("A124ViewGuidance", **wires, size=SIZE, cfg=5.0, kind="zero123").prior
    file = next((base.MODELS / "checkpoints").glob("tiny_zero123.*"))
    folder = folder_prior("view", file, 5.0, reference=reference)
    ours, host = folder.conditioner.embedding, native.conditioner.embedding
    folder.conditioner.embedding = host
    cosine = torch.nn.functional.cosine_similarity(ours.flatten(), host.flatten(), dim=0)
    return {**compared(native, folder, view_at([30.0, -120.0], 10.0), (2, 4, 8, 8)), "embedding": float(cosine)}


def check_video():
    files = base.MODELS / "text2video"
    if not (files / "tokenizer").exists():
        shutil.copytree(TOKENIZER, files / "tokenizer")
    host = base.part("nodes.host.modelscope")
    names = ("text2video_pytorch_model.pth", "open_clip_pytorch_model.bin", "VQGAN_autoencoder.pth")
    with torch.inference_mode():
        loaders = (host.load_model, host.load_clip, host.load_vae)
        model, clip, vae = (load(str(files / name)) for load, name in zip(loaders, names, strict=True))
    wires = {"model": model, "clip": clip, "vae": vae, "prompt": base.PROMPT}
    native = base.guidance("A124VideoGuidance", **wires, size=SIZE, cfg=7.0).prior
    folder = folder_prior("video", files, 7.0)
    view = replace(view_at([0.0, 5.0, 10.0]), view_text=False)
    return compared(native, folder, view, (1, 4, 3, 8, 8))


if __name__ == "__main__":
    try:
        base.main(globals())
    finally:
        shutil.rmtree(FOLDERS, ignore_errors=True)
