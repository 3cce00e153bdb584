"""All roles, one after another."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import folders, lessons, models
from .config import ROLES, Config
from .learn import Say, learn
from .lessons import Desk
from .text import Readers, text_lesson
from .vae import linear_vae
from .words import write_tokenizer
from .world import album_in

PATCHES = 512  # pictures by which the VAE's components are found


def train(config: Config, out: Path, say: Say, roles: Collection[str] = ROLES) -> None:
    """out/image, view, video and control as diffusers folders, which `animate --models out` finds by these names;
    snapshots in out/train. The image role, which the others begin as, is trained before any of them."""
    work = out / "train"
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = work / "tokenizer"
    vocabulary = write_tokenizer(tokenizer, config.world, config.nets.text_length)
    desk = _desk(config, work, tokenizer, say)
    torch.manual_seed(config.seed)  # of the networks' first weights
    encoder = _text(desk, vocabulary, work, say)
    base = {"unet": _image(desk, encoder, work, say), "text_encoder": encoder}
    parts = {"vae": desk.vae, "scheduler": models.schedule()}
    folders.save_config(out, config)
    folders.save_folder(out / "image", "image", {**base, **parts}, tokenizer)
    if "view" in roles:
        view = _view(desk, base["unet"], work, say)
        folders.save_folder(out / "view", "view", {**view, **parts}, None)
        folders.save_eyes(out / "view" / "feature_extractor", config.world.size)
    if "video" in roles:
        video = _video(desk, base, work, say)
        folders.save_folder(out / "video", "video", {**video, "text_encoder": encoder, **parts}, tokenizer)
    if "control" in roles:
        folders.save_part(out / "control", _controlnet(desk, base, work, say))


def _desk(config: Config, work: Path, tokenizer: Path, say: Say) -> Desk:
    from transformers import CLIPTokenizer

    album = album_in(work, config.world, config.seed, say)
    blind = Desk(config, album, None, None, Tensor())
    rng = torch.Generator().manual_seed(config.seed)
    rows = blind.random_rows(PATCHES, rng)
    examples = album.images(rows, torch.rand(PATCHES, generator=rng) < 0.5, torch.rand(PATCHES, 3, generator=rng))
    reader = CLIPTokenizer.from_pretrained(str(tokenizer))
    vae, levels = linear_vae(examples).to(config.device), models.schedule().alphas_cumprod.to(config.device)
    return Desk(config, replace(album, layers=album.layers.to(config.device)), vae, reader, levels)


def _learn(desk: Desk, role: str, networks: dict[str, nn.Module], lesson: Any, work: Path, say: Say) -> dict:
    learn(role, networks, lesson, desk.config, work, say)
    return networks


def _text(desk: Desk, vocabulary: int, work: Path, say: Say) -> nn.Module:
    """The encoder that image and video role share."""
    encoder, readers = models.text_encoder(desk.config.nets, vocabulary), Readers(desk.config)
    lesson = text_lesson(desk, encoder, readers, desk.config.courses["text"])
    return _learn(desk, "text", {"text_encoder": encoder, "readers": readers}, lesson, work, say)["text_encoder"]


def _image(desk: Desk, encoder: nn.Module, work: Path, say: Say) -> nn.Module:
    c = desk.config
    unet = models.unet(c.nets, c.world)
    lesson = lessons.image_lesson(desk, unet, encoder, c.courses["image"])
    return _learn(desk, "image", {"unet": unet}, lesson, work, say)["unet"]


def _view(desk: Desk, base: nn.Module, work: Path, say: Say) -> dict[str, nn.Module]:
    c = desk.config
    unet = models.unet(c.nets, c.world, channels=8)
    models.begin_as(unet, base)
    seer, camera = models.image_encoder(c.nets, c.world), models.camera_projection(c.nets)
    lesson = lessons.view_lesson(desk, unet, seer, camera, c.courses["view"])
    networks = {"unet": unet, "image_encoder": seer, "cc_projection": camera}
    return _learn(desk, "view", networks, lesson, work, say)


def _video(desk: Desk, base: dict[str, nn.Module], work: Path, say: Say) -> dict[str, nn.Module]:
    c = desk.config
    unet = models.clip_unet(c.nets, c.world)
    models.begin_as(unet, base["unet"])
    lesson = lessons.video_lesson(desk, unet, base["text_encoder"], c.courses["video"])
    return _learn(desk, "video", {"unet": unet}, lesson, work, say)


def _controlnet(desk: Desk, base: dict[str, nn.Module], work: Path, say: Say) -> nn.Module:
    c = desk.config
    control = models.controlnet(base["unet"]).requires_grad_(True)
    lesson = lessons.controlnet_lesson(desk, control, base["unet"], base["text_encoder"], c.courses["control"])
    return _learn(desk, "control", {"control": control}, lesson, work, say)["control"]
