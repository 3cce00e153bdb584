"""Every role from tiny folders in the real format, against a plain forward of the same diffusers networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.image import image_prior
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.diffusers.refine import refine_prior
from a124core.priors.diffusers.upscale import upscale_prior
from a124core.priors.diffusers.video import video_prior
from a124core.priors.diffusers.view import view_prior
from a124core.priors.view_text import view_weights
from a124core.priors.zero123_pose import STABLE_ZERO123, ZERO123
from a124core.protocols import Prior, View
from a124core.reference.reference import Reference

SIZE, STEP = 16, 400
ROLES = ("image", "view", "video", "refine", "naive", "upscale")
WORDS = "a panda"


MADE: dict[str, FolderPrior] = {}  # each role is loaded once


def made(role: str, models: Path, picture: Reference, cfg: float = 3.0) -> FolderPrior:
    """The role in full precision, with this cfg."""
    if role not in MADE:
        MADE[role] = loaded(role, models, picture, OffloadPolicy())
    MADE[role].cfg = cfg
    return MADE[role]


def loaded(role: str, models: Path, picture: Reference, place: OffloadPolicy, cfg: float = 3.0) -> FolderPrior:
    sd = models / "stable-diffusion-v1-5"
    if role == "view":
        return view_prior(models / "zero123-xl", picture, ZERO123, cfg, SIZE, place)
    if role == "video":
        return video_prior(models / "text-to-video-ms-1.7b", WORDS, cfg, SIZE, place)
    if role in ("refine", "naive"):
        control = models / "control_v11f1e_sd15_tile" if role == "refine" else None
        return refine_prior(sd, control, WORDS, cfg, SIZE, place)
    if role == "upscale":
        return upscale_prior(models / "stable-diffusion-x4-upscaler", WORDS, cfg, 2 * SIZE, 20, place)
    return image_prior(sd, WORDS, cfg, SIZE, place)


def asked(prior: FolderPrior, seen: View, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents of three pictures, their noise level, and the guess."""
    x0 = prior.encode(torch.rand(3, 3, 24, 24, generator=rng)).detach()
    sigma = prior.sigmas[STEP].expand(len(x0))
    x_t = x0 + prior.sigmas[STEP] * torch.randn(x0.shape, generator=rng)
    return x_t, sigma, prior.denoise(x_t, sigma, seen)


@pytest.mark.parametrize("role", ROLES)
def test_it_is_a_prior_and_every_switch_gives_the_same_guess(
    role: str, models: Path, picture: Reference, seen: View, rng: torch.Generator
) -> None:
    prior = made(role, models, picture)
    assert isinstance(prior, Prior) and prior.sigmas.shape == (1000,)
    x_t, sigma, found = asked(prior, seen, rng)
    assert found.shape == x_t.shape and found.dtype == torch.float32 and found.isfinite().all()
    assert not found.requires_grad
    low = loaded(role, models, picture, OffloadPolicy(rest="cpu", apart=True))
    assert low.network.unet is not prior.network.unet
    assert torch.allclose(low.denoise(x_t, sigma, seen), found, atol=1e-4)


def test_sixteen_bits_make_nearly_the_same_guess(
    models: Path, picture: Reference, seen: View, rng: torch.Generator
) -> None:
    x_t, sigma, found = asked(made("refine", models, picture), seen, rng)
    short = loaded("refine", models, picture, OffloadPolicy(dtype=torch.bfloat16))
    assert {p.dtype for n in (short.network.unet, short.network.control) for p in n.parameters()} == {torch.bfloat16}
    assert next(short.encoder.vae.parameters()).dtype == torch.float32
    guess = short.denoise(x_t, sigma, seen)
    assert guess.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(guess.flatten(), found.flatten(), dim=0) > 0.95


@pytest.mark.parametrize("role", ROLES)
def test_guidance_is_the_standard_form(
    role: str, models: Path, picture: Reference, seen: View, rng: torch.Generator
) -> None:
    """1 is the condition alone, 0 none of it, and in between and beyond it is linear."""
    prior = made(role, models, picture, 1.0)
    x_t, sigma, cond = asked(prior, seen, rng)
    guesses = {1.0: cond}
    for scale in (0.0, 8.5, 101.0):
        prior.cfg = scale
        guesses[scale] = prior.denoise(x_t, sigma, seen)
    assert not torch.allclose(guesses[0.0], cond, atol=1e-3), "the condition changes nothing"
    for scale in (8.5, 101.0):
        wanted = guesses[0.0] + scale * (cond - guesses[0.0])
        assert (guesses[scale] - wanted).abs().max() < 1e-4 * wanted.abs().max()


@pytest.mark.parametrize("role", [r for r in ROLES if r != "video"])
def test_a_batch_of_different_poses_is_a_loop_of_single_ones(
    role: str, models: Path, picture: Reference, seen: View, rng: torch.Generator
) -> None:
    prior = made(role, models, picture)
    x_t, sigma, found = asked(prior, seen, rng)
    for k in range(3):
        one = slice(k, k + 1)
        alone = replace(seen, cameras=seen.cameras[one], time=seen.time[one], condition=seen.condition[one])
        assert torch.allclose(prior.denoise(x_t[one], sigma[one], alone), found[one], atol=1e-4)


@pytest.mark.parametrize("role", ROLES)
def test_encoding_is_the_mode_times_the_scale_and_has_the_joint_gradient(
    role: str, models: Path, picture: Reference, rng: torch.Generator
) -> None:
    """One picture at a time, forwards and again backwards: exactly what the whole batch would give."""
    prior = made(role, models, picture)
    images = [torch.rand(3, 3, prior.size, prior.size, generator=rng) for _ in range(2)]
    image, twin = images[0].clone().requires_grad_(True), images[0].clone().requires_grad_(True)
    vae = prior.encoder.vae
    wanted = vae.encode(2 * twin - 1).latent_dist.mean * vae.config.scaling_factor
    wanted = wanted.transpose(0, 1)[None] if role == "video" else wanted
    found = prior.encode(image)
    assert torch.allclose(found, wanted, atol=1e-5)
    pull = torch.randn(found.shape, generator=rng)
    (found * pull).sum().backward()
    (wanted * pull).sum().backward()
    assert torch.allclose(image.grad, twin.grad, atol=1e-5) and image.grad.abs().sum() > 0


# Parity: the same weights, called by hand


def by_hand(models: Path, folder: str, text: str) -> Tensor:
    """What the folder's text encoder says of a text, through transformers alone."""
    from transformers import CLIPTextModel, CLIPTokenizer

    path = models / folder
    words = CLIPTokenizer.from_pretrained(path / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(path / "text_encoder")
    ids = words(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        return encoder(ids)[0]


def network(models: Path, folder: str, kind: str = "UNet2DConditionModel", part: str = "unet") -> Any:
    import diffusers

    return getattr(diffusers, kind).from_pretrained(models / folder, subfolder=part).eval()


def alpha_bar(step: int, start: float = 0.00085, end: float = 0.012) -> float:
    """Typed out: scaled-linear betas."""
    bar = 1.0
    for k in range(step + 1):
        bar *= 1.0 - (start**0.5 + (end**0.5 - start**0.5) * k / 999) ** 2
    return bar


def close(found: Tensor, wanted: Tensor) -> None:
    error = float((found - wanted).abs().max() / wanted.abs().max())
    assert error < 1e-4, f"relative error {error:.2e}"


@torch.no_grad()
def test_image_parity_with_blended_text(models: Path, picture: Reference, seen: View, rng: torch.Generator) -> None:
    folder = "stable-diffusion-v1-5"
    x_t, _, found = asked(made("image", models, picture, 7.0), seen, rng)
    base = f"{WORDS}, 8k, good quality"
    sides = [by_hand(models, folder, f"{base}, {side} view") for side in ("front", "side", "back")]
    weights = view_weights(seen.cameras.azimuth)
    text = sum(weights[:, k].view(3, 1, 1) * sides[k] for k in range(3))
    empty = by_hand(models, folder, "").expand(3, -1, -1)
    bar, unet = alpha_bar(STEP), network(models, folder)
    noisy = bar**0.5 * x_t
    cond, uncond = (unet(noisy, STEP, encoder_hidden_states=t).sample for t in (text, empty))
    eps = uncond + 7.0 * (cond - uncond)
    close(found, (noisy - (1 - bar) ** 0.5 * eps) / bar**0.5)


@torch.no_grad()
def test_video_parity(models: Path, picture: Reference, seen: View, rng: torch.Generator) -> None:
    folder = "text-to-video-ms-1.7b"
    seen = replace(seen, view_text=False)
    x_t, _, found = asked(made("video", models, picture, 7.0), seen, rng)
    assert x_t.shape == (1, 4, 3, 8, 8)
    unet = network(models, folder, "UNet3DConditionModel")
    text = by_hand(models, folder, f"{WORDS}, high-resolution, 8k, good quality")
    bar = alpha_bar(STEP)
    noisy = bar**0.5 * x_t
    cond, uncond = (unet(noisy, STEP, encoder_hidden_states=t).sample for t in (text, by_hand(models, folder, "")))
    close(found, (noisy - (1 - bar) ** 0.5 * (uncond + 7.0 * (cond - uncond))) / bar**0.5)


@torch.no_grad()
def test_refine_parity(models: Path, picture: Reference, seen: View, rng: torch.Generator) -> None:
    folder = "stable-diffusion-v1-5"
    seen = replace(seen, view_text=False)
    x_t, _, found = asked(made("refine", models, picture, 8.5), seen, rng)
    hint = torch.nn.functional.interpolate(seen.condition, (16, 16), mode="bilinear", antialias=True)
    fixed = by_hand(models, folder, "best quality, high resolution").expand(3, -1, -1)
    unet, control = network(models, folder), network(models, "control_v11f1e_sd15_tile", "ControlNetModel", "")
    bar = alpha_bar(STEP)
    noisy = bar**0.5 * x_t
    down, mid = control(noisy, STEP, fixed, hint, return_dict=False)
    halves = []
    for words in (f"{WORDS}, high-resolution, 8k, good quality", ""):
        text = by_hand(models, folder, words).expand(3, -1, -1)
        more = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        halves.append(unet(noisy, STEP, encoder_hidden_states=text, **more).sample)
    eps = halves[1] + 8.5 * (halves[0] - halves[1])
    close(found, (noisy - (1 - bar) ** 0.5 * eps) / bar**0.5)


@torch.no_grad()
def test_upscale_parity(models: Path, picture: Reference, seen: View, rng: torch.Generator) -> None:
    """v-prediction: x0 = sqrt(abar) x - sqrt(1 - abar) v."""
    folder = "stable-diffusion-x4-upscaler"
    seen = replace(seen, view_text=False)
    x_t, _, found = asked(made("upscale", models, picture, 9.0), seen, rng)
    small = torch.nn.functional.interpolate(seen.condition, (8, 8), mode="bilinear", antialias=True) * 2 - 1
    noise = torch.randn(small[:1].shape, generator=torch.Generator().manual_seed(0))
    rough = alpha_bar(20, 0.0001, 0.02)
    small = rough**0.5 * small + (1 - rough) ** 0.5 * noise
    bar, unet = alpha_bar(STEP, 0.0001, 0.02), network(models, folder)
    noisy, halves = bar**0.5 * x_t, []
    for words in (f"{WORDS}, high-resolution, 8k, good quality", ""):
        text = by_hand(models, folder, words).expand(3, -1, -1)
        label = torch.full((3,), 20)
        halves.append(unet(torch.cat([noisy, small], 1), STEP, encoder_hidden_states=text, class_labels=label).sample)
    v = halves[1] + 9.0 * (halves[0] - halves[1])
    close(found, bar**0.5 * noisy - (1 - bar) ** 0.5 * v)


@torch.no_grad()
@pytest.mark.parametrize("kind", [ZERO123, STABLE_ZERO123])
def test_view_parity(kind: str, models: Path, picture: Reference, seen: View, rng: torch.Generator) -> None:
    """CLIP's description and the pose through one linear layer, the picture's latents unscaled; without: zeros."""
    import math

    from safetensors.torch import load_file
    from transformers import CLIPVisionModelWithProjection

    folder = models / "zero123-xl"
    prior = view_prior(folder, picture, kind, 5.0, SIZE, OffloadPolicy())
    x_t, _, found = asked(prior, seen, rng)
    shown = picture.on((1.0, 1.0, 1.0), SIZE)
    pixels = torch.nn.functional.interpolate(shown, (28, 28), mode="bicubic", align_corners=True)
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = (pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    vision = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").eval()
    description = vision(pixel_values=pixels).image_embeds
    layer = load_file(folder / "cc_projection" / "diffusion_pytorch_model.safetensors")
    tokens = []
    for elevation, azimuth in ((0.0, 0.0), (20.0, 60.0), (-10.0, 170.0)):
        last = 0.0 if kind == ZERO123 else math.pi / 2  # the radius is the picture's; its polar angle is a right one
        turn = math.radians(azimuth)
        pose = torch.tensor([[-math.radians(elevation), math.sin(turn), math.cos(turn), last]])
        tokens.append(torch.cat([description, pose], 1) @ layer["projection.weight"].T + layer["projection.bias"])
    text = torch.stack(tokens)
    latents = network(models, "zero123-xl", "AutoencoderKL", "vae").encode(2 * shown - 1).latent_dist.mode()
    latents = latents.expand(3, -1, -1, -1)
    bar, unet = alpha_bar(STEP), network(models, "zero123-xl")
    noisy = bar**0.5 * x_t
    cond = unet(torch.cat([noisy, latents], 1), STEP, encoder_hidden_states=text).sample
    uncond = unet(torch.cat([noisy, 0 * latents], 1), STEP, encoder_hidden_states=0 * text).sample
    close(found, (noisy - (1 - bar) ** 0.5 * (uncond + 5.0 * (cond - uncond))) / bar**0.5)
