"""Checkpoints in the real layouts, as small as the host's detection accepts, with random weights.

Run by the host's Python: tiny_models.py COMFYUI_PATH OUT. The UNets keep the width that names their family (320) and
have one level and one block; text encoder and VAE have the sizes that the host has written down for them.
"""

from __future__ import annotations

import sys
from pathlib import Path

UNET = {"use_spatial_transformer": True, "legacy": False, "image_size": 32, "num_heads": 8, "num_head_channels": -1,
        "model_channels": 320, "num_res_blocks": [1], "channel_mult": [1], "transformer_depth": [1],
        "transformer_depth_output": [1, 1], "transformer_depth_middle": 1, "context_dim": 768}
KL = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
      "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}


def randomised(module, seed):
    """Return random weights that keep the size of activations, none of them zero; in float16, as files are."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    weights = {}
    for name, value in module.state_dict().items():
        noise = torch.randn(value.shape, generator=rng)
        if value.ndim > 1:
            noise /= value[0].numel() ** 0.5
        else:
            noise = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
        weights[name] = noise.half()
    return weights


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


def vae(seed, levels=4, channels=4):
    """SD's; with three levels the x4 upscaler's, with 16 channels SD 3's."""
    from comfy.ldm.models.autoencoder import AutoencoderKL

    config = {**KL, "ch_mult": KL["ch_mult"][:levels], "z_channels": channels}
    return randomised(AutoencoderKL(ddconfig=config, embed_dim=channels), seed)


def sd3(seed):
    """SD 3's transformer with one block, which makes it 64 wide."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT

    context = {"target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 64}}
    return randomised(MMDiT(
        input_size=None, in_channels=16, depth=1, adm_in_channels=2048, context_embedder_config=context,
        num_patches=256, pos_embed_max_size=16, operations=comfy.ops.disable_weight_init,
    ), seed)


def qwen_image(seed):
    """One block of Qwen-Image, whose width (3072) the host has written down; some 700 MB."""
    import comfy.ops
    from comfy.ldm.qwen_image.model import QwenImageTransformer2DModel

    ops = comfy.ops.disable_weight_init
    return randomised(QwenImageTransformer2DModel(num_layers=1, operations=ops), seed)


def wan(seed):
    """Wan 2.1's text-to-video transformer with one head and one block, and its VAE."""
    import comfy.ldm.wan.model
    import comfy.ldm.wan.vae
    import comfy.ops

    sizes = {"dim": 128, "ffn_dim": 256, "num_heads": 1, "num_layers": 1, "cross_attn_norm": True}
    transformer = comfy.ldm.wan.model.WanModel(**sizes, operations=comfy.ops.disable_weight_init)
    first_stage = comfy.ldm.wan.vae.WanVAE(
        dim=96, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[], dropout=0.0,
        temperal_downsample=[False, True, True],
    )
    return randomised(transformer, seed), randomised(first_stage, seed + 1)


def clip_l(seed, width=768, layers=12, vocabulary=49408):
    """CLIP-L's text half under its names in SD 1.5 files. All layers are alike: only their sizes matter."""
    import torch

    rng = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return (torch.randn(shape, generator=rng) * 0.02).half()

    inner = 4 * width
    parts = {"layer_norm1": (width,), "layer_norm2": (width,), "mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
    parts |= {f"self_attn.{p}_proj": (width, width) for p in ("q", "k", "v", "out")}
    weights = {
        "embeddings.token_embedding.weight": noise(vocabulary, width),
        "embeddings.position_embedding.weight": noise(77, width),
        "final_layer_norm.weight": noise(width) + 1,
        "final_layer_norm.bias": noise(width),
    }
    for part, shape in parts.items():
        weight, bias = noise(*shape) + (1 if len(shape) == 1 else 0), noise(shape[0])
        for layer in range(layers):
            weights[f"encoder.layers.{layer}.{part}.weight"] = weight.clone()
            weights[f"encoder.layers.{layer}.{part}.bias"] = bias.clone()
    return {f"cond_stage_model.transformer.text_model.{k}": v for k, v in weights.items()}


def clip_vision(seed, width=1024, layers=24):
    """CLIP ViT-L's image half under its names in Zero123 files. All layers share their numbers, also in the file."""
    import torch

    rng = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return (torch.randn(shape, generator=rng) * 0.02).half()

    weights = {"class_embedding": noise(width), "conv1.weight": noise(width, 3, 14, 14), "proj": noise(width, 768)}
    weights["positional_embedding"] = noise(257, width)
    for name in ("ln_pre", "ln_post"):
        weights |= {f"{name}.weight": noise(width) + 1, f"{name}.bias": noise(width)}
    block = {
        "attn.in_proj_weight": noise(3 * width, width), "attn.in_proj_bias": noise(3 * width),
        "attn.out_proj.weight": noise(width, width), "attn.out_proj.bias": noise(width),
        "mlp.c_fc.weight": noise(4 * width, width), "mlp.c_fc.bias": noise(4 * width),
        "mlp.c_proj.weight": noise(width, 4 * width), "mlp.c_proj.bias": noise(width),
        "ln_1.weight": noise(width) + 1, "ln_1.bias": noise(width),
        "ln_2.weight": noise(width) + 1, "ln_2.bias": noise(width),
    }
    for layer in range(layers):
        weights |= {f"transformer.resblocks.{layer}.{name}": value for name, value in block.items()}
    return {f"cond_stage_model.model.visual.{name}": value for name, value in weights.items()}


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
    zero |= clip_vision(8)
    zero["cc_projection.weight"] = (torch.randn(768, 772, generator=rng) / 28).half()
    zero["cc_projection.bias"] = torch.zeros(768).half()
    torch.save({"state_dict": zero}, out / "checkpoints/tiny_zero123.ckpt")
    save(save_file, out / "checkpoints/tiny_edit.safetensors", edit)
    wide = {"context_dim": 1024, "model_channels": 256, "use_linear_in_transformer": True}
    wide |= {"channel_mult": [1] * 4, "num_res_blocks": [1] * 4, "disable_self_attentions": [True, True, True, False]}
    wide |= {"transformer_depth": [1, 0, 0, 0], "transformer_depth_output": [1, 1, 0, 0, 0, 0, 0, 0]}
    x4 = unet(9, in_channels=7, **wide, num_classes=1000)
    x4 = {**prefixed("model.diffusion_model.", x4), **prefixed("first_stage_model.", vae(10, levels=3))}
    save(save_file, out / "checkpoints/tiny_x4.safetensors", x4)
    transformer, first_stage = wan(11)
    save(save_file, out / "diffusion_models/tiny_wan.safetensors", transformer)
    save(save_file, out / "diffusion_models/tiny_sd3.safetensors", prefixed("model.diffusion_model.", sd3(13)))
    save(save_file, out / "vae/tiny_sd3_vae.safetensors", vae(14, channels=16))
    save(save_file, out / "diffusion_models/one_block_qwen_image_lightning.safetensors", qwen_image(15))
    save(save_file, out / "vae/tiny_wan_vae.safetensors", first_stage)
    save(save_file, out / "controlnet/tiny_tile.safetensors", control(6))
    save(save_file, out / "loras/tiny_lora.safetensors", lora(7))
    save(save_file, out / "embeddings/tiny_word.safetensors", {"emb_params": torch.randn(1, 768, generator=rng)})


def save(save_file, path: Path, weights) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, str(path))


if __name__ == "__main__":
    from pack_in_host import enter_host

    comfyui, target = sys.argv[1], Path(sys.argv[2])
    enter_host(comfyui)
    write(target)
