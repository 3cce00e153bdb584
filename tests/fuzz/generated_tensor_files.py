"""Files of tensors made from nothing, and config files of priors in diffusers folders."""

from __future__ import annotations

import functools
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from a124core.export.checkpoint import read_field
from a124core.export.embedding import read_embedding
from a124core.priors.diffusers.checks import check_unet, read_schedule
from a124core.priors.diffusers.load import LOADED, load_part
from a124core.priors.diffusers.original import build_text, build_vae, build_vision
from a124core.priors.modelscope.unet import check_shapes, shapes_of
from a124core.priors.weight_files import read_weights
from a124core.stages.snapshot import load_snapshot
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import damage_json, json_bytes
from tests.fuzz.tensor_files import fields, progress, read_progress, snapshots
from tests.fuzz.tensor_generators import any_config, any_tensors, old_program, pickle_zip
from tests.fuzz.tensor_mutations import damage_safetensors
from tests.tiny_folders import SD, UNET

EDGES = (0, 1, -1, 3, 2**20, 2**31, 10**9, 1.5, "a", None, True, [], [4, 4], {"a": 1}, 1e300)


def mostly(make: Callable[[random.Random, bytes], bytes], samples: Callable[[], tuple[bytes, ...]]) -> Any:
    """A file with drawn options, and at times any tensors at all."""
    return lambda rng: (".safetensors", make(rng, rng.choice(samples())) if rng.random() < 0.8 else any_tensors(rng))


def config_bytes(rng: random.Random, config: dict[str, Any]) -> tuple[str, bytes]:
    """A config with odd sizes, or damaged JSON."""
    if rng.random() < 0.3:
        return ".json", json_bytes(rng, damage_json(rng, config))
    return ".json", json.dumps(config | {rng.choice(sorted(config)): rng.choice(EDGES) for _ in range(2)}).encode()


def read_scheduler(path: Path) -> Any:
    folder = path.parent / "model" / "scheduler"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / "scheduler_config.json")
    return read_schedule(folder.parent)


def read_unet_config(path: Path) -> Any:
    folder = path.parent / "model" / "unet"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / "config.json")
    (path.parent / "model" / "scheduler").mkdir(exist_ok=True)
    (path.parent / "model" / "scheduler" / "scheduler_config.json").write_text(json.dumps(SD))
    return check_unet(folder.parent, "image")


@functools.cache
def vae_folder() -> Path:
    """A tiny VAE, whose config and weights are replaced."""
    from diffusers import AutoencoderTiny

    folder = Path(tempfile.mkdtemp(prefix="fuzz-vae-"))
    sizes = {"encoder_block_out_channels": (4, 4), "decoder_block_out_channels": (4, 4)}
    AutoencoderTiny(**sizes, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)).save_pretrained(folder / "vae")
    return folder


@functools.cache
def vae_files() -> tuple[bytes, bytes]:
    folder = vae_folder() / "vae"
    return (folder / "config.json").read_bytes(), (folder / "diffusion_pytorch_model.safetensors").read_bytes()


def vae_part(rng: random.Random) -> tuple[str, bytes]:
    config, weights = vae_files()
    if rng.random() < 0.8:
        return config_bytes(rng, json.loads(config))
    return ".safetensors", damage_safetensors(rng, weights)


def read_vae(path: Path) -> Any:
    config, weights = vae_files()
    folder = vae_folder() / "vae"
    (folder / "config.json").write_bytes(path.read_bytes() if path.suffix == ".json" else config)
    weights = weights if path.suffix == ".json" else path.read_bytes()
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(weights)
    LOADED.clear()
    load_part(folder.parent, "vae", "AutoencoderTiny")


ORIGINAL_NAMES = (
    "conv1.weight", "class_embedding", "positional_embedding", "proj", "ln_pre.weight",
    "transformer.resblocks.0.ln_1.bias",
    "transformer.resblocks.0.mlp.c_fc.weight", "transformer.resblocks.9.mlp.c_fc.weight", "token_embedding.weight",
    "encoder.down.0.block.0.conv1.weight", "decoder.up.0.block.0.conv1.weight", "quant_conv.weight",
    "encoder.conv_in.weight",
    "input_blocks.0.1.proj_in.weight", "transformer_in.proj_in.weight", "time_embed.0.weight", "out.0.weight",
    "middle_block.0.in_layers.2.weight", "input_blocks.²0.0.weight", "down_blocks.77777777777.resnets.0.conv1.weight",
)


def original_weights(rng: random.Random) -> tuple[str, bytes]:
    """The seed of weights under original names with any shapes."""
    return ".txt", str(rng.randrange(2**40)).encode()


def read_original(path: Path) -> Any:
    """Build a network of one kind from these weights."""
    rng = random.Random(path.read_text())
    names = rng.sample(ORIGINAL_NAMES, rng.randint(1, len(ORIGINAL_NAMES)))
    weights = {n: torch.zeros([rng.choice((0, 1, 4, 64)) for _ in range(rng.randint(0, 4))]) for n in names}
    rng.choice((build_vae, build_vision, build_text, lambda w: check_shapes(shapes_of(w))))(weights)


SCHEDULER = SD | {"trained_betas": None, "shift": 1.0}
UNET2D = UNET | {"_class_name": "UNet2DConditionModel", "in_channels": 4}
PARSERS = (
    Parser("generated field", mostly(any_config, fields), read_field),
    Parser("generated snapshot", mostly(any_config, snapshots), load_snapshot),
    Parser("generated progress", mostly(any_config, progress), read_progress),
    Parser("generated embedding", lambda rng: (".safetensors", any_tensors(rng)), read_embedding),
    Parser("generated pickle", lambda rng: (".pt", pickle_zip(rng)), read_embedding),
    Parser("generated old pickle", lambda rng: (".bin", old_program(rng)), read_embedding),
    Parser("generated weights", lambda rng: (".ckpt", pickle_zip(rng)), read_weights, lambda w: ""),
    Parser("scheduler config", lambda rng: config_bytes(rng, SCHEDULER), read_scheduler),
    Parser("unet config", lambda rng: config_bytes(rng, UNET2D), read_unet_config, lambda config: ""),
    Parser("vae folder", vae_part, read_vae),
    Parser("original weights", original_weights, read_original),
)
