"""ModelScope's three models as files in both published layouts, 2 GB on disk, for the checks in the host.

The UNet is a small one that reads text 1024 wide. Text encoder and VAE have the sizes that the host has written down
for them; their weights are a few random numbers over and over, each tensor with its own memory, as in published files.
"""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from tiny_modelscope import Sizes, random_weights

SIZES = Sizes(dim=64, mults=(1, 2), layers=1, context=1024, first_width=64)
PTH = "text2video_pytorch_model.pth"
FOLDER = str(Path("t2v/unet/diffusion_pytorch_model.safetensors"))
VAE = "kl.pt"

POOL = torch.randn(6_000_000, generator=torch.Generator().manual_seed(3))
SCALED: dict[int, torch.Tensor] = {}


def overlapping(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A float16 tensor of the shape whose memory it shares with all others of the same scale."""
    if len(shape) < 2:
        return (0.1 * POOL[: shape[0]] + float(name.endswith("weight"))).half() if shape else torch.tensor(1.0)
    fan = torch.Size(shape[1:]).numel()
    pool = SCALED.setdefault(fan, (POOL / fan**0.5).half())
    step = min(fan, (len(pool) - fan) // shape[0])
    return pool.as_strided((shape[0], fan), (step, 1)) if len(shape) == 2 else pool[: shape[0] * fan].view(shape)


def whole(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights, none of which shares memory: files where some do are refused."""
    return {name: weight.clone() for name, weight in weights.items()}


def open_clip_h() -> dict[str, torch.Tensor]:
    """OpenCLIP ViT-H as its own file names it, without most of the image half."""
    shapes = {
        "token_embedding.weight": (49408, 1024), "positional_embedding": (77, 1024), "text_projection": (1024, 1024),
        "ln_final.weight": (1024,), "ln_final.bias": (1024,), "visual.conv1.weight": (8, 3, 14, 14),
    }
    sizes = {"attn.in_proj_": (3072, 1024), "attn.out_proj.": (1024, 1024), "mlp.c_fc.": (4096, 1024)}
    for layer in range(24):
        at = f"transformer.resblocks.{layer}."
        for name, size in {**sizes, "mlp.c_proj.": (1024, 4096)}.items():
            shapes |= {f"{at}{name}weight": size, f"{at}{name}bias": size[:1]}
        for norm in ("ln_1.", "ln_2."):
            shapes |= {f"{at}{norm}weight": (1024,), f"{at}{norm}bias": (1024,)}
    return {name: overlapping(name, shape) for name, shape in shapes.items()}


def to_diffusers(open_clip: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same network under the names of transformers; the last of its 24 layers is left out there."""
    names = {"token_embedding.": "embeddings.token_embedding.", "ln_final.": "final_layer_norm.",
             "positional_embedding": "embeddings.position_embedding.weight"}
    inner = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
             "attn.out_proj": "self_attn.out_proj"}
    found = {}
    for name, weight in open_clip.items():
        if name.startswith("transformer.resblocks."):
            layer, part = name.split(".", 3)[2:]
            at = f"text_model.encoder.layers.{layer}."
            if layer == "23":
                continue
            if part.startswith("attn.in_proj_"):
                for letter, third in zip("qkv", weight.chunk(3), strict=True):
                    found[f"{at}self_attn.{letter}_proj.{part[13:]}"] = third
            else:
                module, kind = part.rsplit(".", 1)
                found[f"{at}{inner[module]}.{kind}"] = weight
        for theirs, ours in names.items():
            if name.startswith(theirs):
                found[f"text_model.{ours}{name[len(theirs) :]}"] = weight
    return found


def first_stage() -> dict[str, torch.Tensor]:
    """Stable Diffusion's VAE; names and shapes are the host's."""
    from comfy.ldm.models.autoencoder import AutoencoderKL

    sizes = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
             "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}
    with torch.device("meta"):
        meta = AutoencoderKL(ddconfig=sizes, embed_dim=4).state_dict()
    return {name: overlapping(name, tuple(w.shape)) for name, w in meta.items()}


def write(models: Path) -> None:
    """models/text2video with both layouts, and a VAE in models/vae."""
    ours = models / "text2video"
    for folder in (ours / "t2v" / "unet", ours / "t2v" / "text_encoder", models / "vae"):
        folder.mkdir(parents=True)
    torch.save(random_weights(SIZES, "original"), ours / PTH)
    safetensors.torch.save_file(random_weights(SIZES, "diffusers"), ours / FOLDER)
    clip, vae = open_clip_h(), first_stage()
    torch.save(whole(clip), ours / "open_clip_pytorch_model.bin")
    torch.save(whole(to_diffusers(clip)), ours / "t2v" / "text_encoder" / "pytorch_model.bin")
    packed = {f"first_stage_model.{name}": w for name, w in vae.items()} | {"loss.logvar": torch.zeros(1)}
    torch.save({"state_dict": whole(packed)}, ours / "VQGAN_autoencoder.pth")
    torch.save(whole(vae), models / "vae" / VAE)
