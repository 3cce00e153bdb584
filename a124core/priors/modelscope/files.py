"""Which files of a models folder belong together, told from their names: UNet, text encoder, VAE."""

from __future__ import annotations

from collections.abc import Iterable

SUFFIXES = (".safetensors", ".sft", ".pth", ".pt", ".bin", ".ckpt")  # the first is taken where there are several
COMPANIONS = {
    "text encoder": ("text_encoder/model", "text_encoder/pytorch_model", "open_clip_pytorch_model"),
    "VAE": ("vae/diffusion_pytorch_model", "VQGAN_autoencoder"),
}
OTHERS = ("text_encoder/", "vae/", "tokenizer/", "scheduler/", "open_clip", "vqgan", "optimizer", "training_args")


def unet_files(names: Iterable[str]) -> list[str]:
    """Files that may hold a video UNet: every weights file that is not known to be something else."""
    weights = [name for name in names if name.lower().endswith(SUFFIXES)]
    return sorted(name for name in weights if not any(f"/{other}" in f"/{_plain(name)}" for other in OTHERS))


def companion(names: Iterable[str], unet: str, role: str) -> str | None:
    """The text encoder or VAE that lies beside a UNet file, or beside its `unet` folder."""
    folder = _plain(unet).split("/")[:-1]
    base = folder[:-1] if folder[-1:] == ["unet"] else folder
    for start in COMPANIONS[role]:
        wanted = "/".join([*base, start.lower()])
        found = [n for n in names if _plain(n).startswith(wanted) and n.lower().endswith(SUFFIXES)]
        if found:
            return min(found, key=lambda n: (SUFFIXES.index(_suffix(n)), len(n)))
    return None


def _plain(name: str) -> str:
    return name.replace("\\", "/").lower()


def _suffix(name: str) -> str:
    return next(suffix for suffix in SUFFIXES if name.lower().endswith(suffix))
