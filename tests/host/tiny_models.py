"""Checkpoints in the real layouts, as small as the host's detection accepts, with random weights.

Run by the host's Python: tiny_models.py COMFYUI_PATH OUT. The UNets keep the width that names their family (320) and
have one level and one block; text encoder and VAE have the sizes that the host has written down for them.
"""

from __future__ import annotations

import sys
from pathlib import Path

UNET = {"use_spatial_transformer": True, "legacy": False, "image_size": 32, "num_heads": 8, "num_head_channels": -1,
        "model_channels": 320, "num_res_blocks": [1], "channel_mult": [1], "transformer_depth": [1],
        "transformer_depth_output": [1, 1], "transformer_depth_middle": 1, "context_dim": 768}  # fmt: skip
KL = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
      "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}  # fmt: skip


def randomised(module, seed):
    """Weights that keep the size of what passes through, none of them zero; in float16, as files are."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    found = {}
    for name, value in module.state_dict().items():
        noise = torch.randn(value.shape, generator=rng)
        if value.ndim > 1:
            noise /= value[0].numel() ** 0.5
        else:
            noise = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
        found[name] = noise.half()
    return found


def unet(seed, in_channels=4, **changes):
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    config = {**UNET, "in_channels": in_channels, "out_channels": 4, **changes}
    return randomised(UNetModel(**config, operations=comfy.ops.disable_weight_init), seed)


def control(seed):
    import comfy.cldm.cldm
    import comfy.ops

    config = {k: v for k, v in UNET.items() if k != "transformer_depth_output"}
    ops = comfy.ops.disable_weight_init
    return randomised(comfy.cldm.cldm.ControlNet(**config, in_channels=4, hint_channels=3, operations=ops), seed)


def vae(seed):
    from comfy.ldm.models.autoencoder import AutoencoderKL

    return randomised(AutoencoderKL(ddconfig=dict(KL), embed_dim=4), seed)


def clip_l(seed, width=768, layers=12, words=49408):
    """CLIP-L's text half under its names in SD 1.5 files. All layers are alike: only their sizes matter."""
    import torch

    rng = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return (torch.randn(shape, generator=rng) * 0.02).half()

    inner = 4 * width
    parts = {"layer_norm1": (width,), "layer_norm2": (width,), "mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
    parts |= {f"self_attn.{p}_proj": (width, width) for p in ("q", "k", "v", "out")}
    found = {
        "embeddings.token_embedding.weight": noise(words, width),
        "embeddings.position_embedding.weight": noise(77, width),
        "final_layer_norm.weight": noise(width) + 1,
        "final_layer_norm.bias": noise(width),
    }
    for part, shape in parts.items():
        weight, bias = noise(*shape) + (1 if len(shape) == 1 else 0), noise(shape[0])
        for layer in range(layers):
            found[f"encoder.layers.{layer}.{part}.weight"] = weight.clone()
            found[f"encoder.layers.{layer}.{part}.bias"] = bias.clone()
    return {f"cond_stage_model.transformer.text_model.{k}": v for k, v in found.items()}


def lora(seed):
    """One attention weight of the UNet, in kohya's layout."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_v"
    return {
        f"{name}.lora_up.weight": torch.randn(320, 4, generator=rng).half(),
        f"{name}.lora_down.weight": torch.randn(4, 768, generator=rng).half(),
        f"{name}.alpha": torch.tensor(4.0).half(),
    }


def prefixed(prefix, weights):
    return {f"{prefix}{name}": value for name, value in weights.items()}


def write(out: Path) -> None:
    """models/ as the host's folders are named."""
    import torch
    from safetensors.torch import save_file

    shared_vae = prefixed("first_stage_model.", vae(1))
    sd15 = {**prefixed("model.diffusion_model.", unet(2)), **shared_vae, **clip_l(3)}
    save(save_file, out / "checkpoints/tiny_sd15.safetensors", sd15)
    rng = torch.Generator().manual_seed(4)
    zero = {**prefixed("model.diffusion_model.", unet(5, in_channels=8)), **shared_vae}
    edit = dict(zero)
    zero["cc_projection.weight"] = (torch.randn(768, 772, generator=rng) / 28).half()
    zero["cc_projection.bias"] = torch.zeros(768).half()
    save(save_file, out / "checkpoints/tiny_zero123.safetensors", zero)
    save(save_file, out / "checkpoints/tiny_edit.safetensors", edit)
    save(save_file, out / "controlnet/tiny_tile.safetensors", control(6))
    save(save_file, out / "loras/tiny_lora.safetensors", lora(7))
    save(save_file, out / "embeddings/tiny_word.safetensors", {"emb_params": torch.randn(1, 768, generator=rng)})


def save(save_file, path: Path, weights) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, str(path))


def enter_host(comfyui: str) -> None:
    """The host's modules, on the CPU, as `main.py --cpu` sets them."""
    sys.argv = ["main.py", "--cpu"]
    sys.path.insert(0, comfyui)
    import comfy.options

    comfy.options.enable_args_parsing()


if __name__ == "__main__":
    where, target = sys.argv[1], Path(sys.argv[2])
    enter_host(where)
    write(target)
