"""Every role from tiny folders in the real format, against a plain forward of the same diffusers networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.view_text import view_weights
from a124core.priors.zero123_pose import STABLE_ZERO123, ZERO123
from a124core.protocols import Prior, View
from a124core.reference.reference import Reference
from tests.tiny_folders import CONTROL, FOLDERS, PROMPT, load_guidance, load_role

SIZE, STEP = 16, 400
ROLES = ("image", "view", "video", "refine", "naive", "upscale")
CACHE: dict[str, FolderPrior] = {}  # each role is loaded once


def cached(role: str, models: Path, reference: Reference, cfg: float = 3.0) -> FolderPrior:
    """The role in full precision, with this cfg."""
    if role not in CACHE:
        CACHE[role] = loaded(role, models, reference, OffloadPolicy())
    CACHE[role].cfg = cfg
    return CACHE[role]


def loaded(role: str, models: Path, reference: Reference, policy: OffloadPolicy) -> FolderPrior:
    """naive: role refine without a ControlNet."""
    options = {"control": None} if role == "naive" else {}
    size = 2 * SIZE if role == "upscale" else SIZE
    role = "refine" if role == "naive" else role
    return load_role(role, models, size=size, policy=policy, reference=reference, **options)


def denoised(prior: FolderPrior, view: View, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents of three images, their noise level, and the prior's output."""
    x0 = prior.encode(torch.rand(3, 3, 24, 24, generator=rng)).detach()
    sigma = prior.sigmas[STEP].expand(len(x0))
    x_t = x0 + prior.sigmas[STEP] * torch.randn(x0.shape, generator=rng)
    return x_t, sigma, prior.denoise(x_t, sigma, view)


@pytest.mark.parametrize("role", ROLES)
def test_it_is_a_prior_and_every_switch_gives_the_same_output(
    role: str, models: Path, reference: Reference, view: View, rng: torch.Generator
) -> None:
    prior = cached(role, models, reference)
    assert isinstance(prior, Prior) and prior.sigmas.shape == (1000,)
    x_t, sigma, found = denoised(prior, view, rng)
    assert found.shape == x_t.shape and found.dtype == torch.float32 and found.isfinite().all()
    assert not found.requires_grad
    low = loaded(role, models, reference, OffloadPolicy(offload_device="cpu", split_cfg=True))
    assert low.denoiser.unet is not prior.denoiser.unet
    assert torch.allclose(low.denoise(x_t, sigma, view), found, atol=1e-4)


@pytest.mark.parametrize(
    ("role", "cfg", "dtype"),
    [
        ("image", 101.0, torch.float16),
        ("video", 101.0, torch.float16),
        ("refine", 8.5, torch.float16),  # the image's UNet
        ("view", 5.0, torch.bfloat16),
        ("view", 30.0, torch.float16),
    ],
)
def test_sixteen_bits_keep_what_the_guidance_multiplies(
    role: str, cfg: float, dtype: torch.dtype, models: Path, reference: Reference, view: View, rng: torch.Generator
) -> None:
    x_t, sigma, found = denoised(cached(role, models, reference), view, rng)
    short = load_role(role, models, cfg, size=SIZE, policy=OffloadPolicy(dtype=torch.bfloat16), reference=reference)
    assert {p.dtype for n in short.denoiser.networks for p in n.parameters()} == {dtype}
    assert next(short.encoder.vae.parameters()).dtype == torch.float32
    short.cfg = CACHE[role].cfg
    x0_hat = short.denoise(x_t, sigma, view)
    assert x0_hat.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(x0_hat.flatten(), found.flatten(), dim=0) > 0.95


def test_float16_rounds_the_guided_difference_less(
    models: Path, reference: Reference, view: View, rng: torch.Generator
) -> None:
    """cond - uncond, which cfg multiplies, relative to full precision."""
    x_t, sigma, _ = denoised(cached("view", models, reference), view, rng)

    def difference(dtype: torch.dtype) -> Tensor:
        prior = load_role("view", models, 5.0, size=SIZE, policy=OffloadPolicy(dtype=dtype), reference=reference)
        cond, uncond = (prior.with_cfg(scale).denoise(x_t, sigma, view) for scale in (1.0, 0.0))
        return cond - uncond

    exact = difference(torch.float32)
    errors = [float((difference(dtype) - exact).norm() / exact.norm()) for dtype in (torch.float16, torch.bfloat16)]
    assert errors[0] < 0.3 * errors[1], errors


@pytest.mark.parametrize("role", ROLES)
def test_guidance_is_the_standard_form(
    role: str, models: Path, reference: Reference, view: View, rng: torch.Generator
) -> None:
    """1 is the condition alone, 0 none of it, and in between and beyond it is linear."""
    prior = cached(role, models, reference, 1.0)
    x_t, sigma, cond = denoised(prior, view, rng)
    outputs = {1.0: cond}
    for scale in (0.0, 8.5, 101.0):
        prior.cfg = scale
        outputs[scale] = prior.denoise(x_t, sigma, view)
    assert not torch.allclose(outputs[0.0], cond, atol=1e-3), "the condition changes nothing"
    for scale in (8.5, 101.0):
        expected = outputs[0.0] + scale * (cond - outputs[0.0])
        assert (outputs[scale] - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("role", [r for r in ROLES if r != "video"])
def test_a_batch_of_different_poses_is_a_loop_of_single_ones(
    role: str, models: Path, reference: Reference, view: View, rng: torch.Generator
) -> None:
    prior = cached(role, models, reference)
    x_t, sigma, found = denoised(prior, view, rng)
    for k in range(3):
        one = slice(k, k + 1)
        alone = replace(view, cameras=view.cameras[one], time=view.time[one], condition=view.condition[one])
        assert torch.allclose(prior.denoise(x_t[one], sigma[one], alone), found[one], atol=1e-4)


@pytest.mark.parametrize("role", ROLES)
def test_encoding_is_the_mode_times_the_scale_and_has_the_joint_gradient(
    role: str, models: Path, reference: Reference, rng: torch.Generator
) -> None:
    """One picture at a time, forwards and again backwards: exactly what the whole batch would give."""
    prior = cached(role, models, reference)
    images = [torch.rand(3, 3, prior.size, prior.size, generator=rng) for _ in range(2)]
    image, twin = images[0].clone().requires_grad_(True), images[0].clone().requires_grad_(True)
    vae = prior.encoder.vae
    expected = vae.encode(2 * twin - 1).latent_dist.mean * vae.config.scaling_factor
    expected = expected.transpose(0, 1)[None] if role == "video" else expected
    found = prior.encode(image)
    assert torch.allclose(found, expected, atol=1e-5)
    pull = torch.randn(found.shape, generator=rng)
    (found * pull).sum().backward()
    (expected * pull).sum().backward()
    assert torch.allclose(image.grad, twin.grad, atol=1e-5) and image.grad.abs().sum() > 0


# Parity: the same weights, called by hand


def by_hand(models: Path, folder: str, text: str) -> Tensor:
    """A text through the folder's text encoder, by transformers alone."""
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


def close(found: Tensor, expected: Tensor) -> None:
    error = float((found - expected).abs().max() / expected.abs().max())
    assert error < 1e-4, f"relative error {error:.2e}"


@torch.no_grad()
def test_image_parity_with_blended_text(models: Path, reference: Reference, view: View, rng: torch.Generator) -> None:
    folder = FOLDERS["image"]
    x_t, _, found = denoised(cached("image", models, reference, 7.0), view, rng)
    base = f"{PROMPT}, 8k, good quality"
    sides = [by_hand(models, folder, f"{base}, {side} view") for side in ("front", "side", "back")]
    weights = view_weights(view.cameras.azimuth)
    text = sum(weights[:, k].view(3, 1, 1) * sides[k] for k in range(3))
    empty = by_hand(models, folder, "").expand(3, -1, -1)
    bar, unet = alpha_bar(STEP), network(models, folder)
    noisy = bar**0.5 * x_t
    cond, uncond = (unet(noisy, STEP, encoder_hidden_states=t).sample for t in (text, empty))
    eps = uncond + 7.0 * (cond - uncond)
    close(found, (noisy - (1 - bar) ** 0.5 * eps) / bar**0.5)


@torch.no_grad()
def test_video_parity(models: Path, reference: Reference, view: View, rng: torch.Generator) -> None:
    folder = FOLDERS["video"]
    view = replace(view, view_text=False)
    x_t, _, found = denoised(cached("video", models, reference, 7.0), view, rng)
    assert x_t.shape == (1, 4, 3, 8, 8)
    unet = network(models, folder, "UNet3DConditionModel")
    text = by_hand(models, folder, f"{PROMPT}, high-resolution, 8k, good quality")
    bar = alpha_bar(STEP)
    noisy = bar**0.5 * x_t
    cond, uncond = (unet(noisy, STEP, encoder_hidden_states=t).sample for t in (text, by_hand(models, folder, "")))
    close(found, (noisy - (1 - bar) ** 0.5 * (uncond + 7.0 * (cond - uncond))) / bar**0.5)


@torch.no_grad()
def test_a_still_prompt_makes_a_source_of_the_same_networks(
    models: Path, reference: Reference, view: View, rng: torch.Generator
) -> None:
    prior = cached("video", models, reference, 7.0)
    guidance = load_guidance("video", models, 7.0, prompt="a panda is dancing", still=PROMPT)
    source = guidance.source
    assert source.denoiser is guidance.prior.denoiser and source.encoder is guidance.prior.encoder
    x_t, sigma, expected = denoised(prior, view, rng)
    close(source.denoise(x_t, sigma, view), expected)
    assert not torch.equal(guidance.prior.denoise(x_t, sigma, view), expected)
    assert load_guidance("video", models).source is None and load_guidance("image", models, still=PROMPT).source is None


@torch.no_grad()
def test_refine_parity(models: Path, reference: Reference, view: View, rng: torch.Generator) -> None:
    folder = FOLDERS["image"]
    view = replace(view, view_text=False)
    x_t, _, found = denoised(cached("refine", models, reference, 8.5), view, rng)
    hint = torch.nn.functional.interpolate(view.condition, (16, 16), mode="bilinear", antialias=True)
    fixed = by_hand(models, folder, "best quality, high resolution").expand(3, -1, -1)
    unet, control = network(models, folder), network(models, CONTROL, "ControlNetModel", "")
    bar = alpha_bar(STEP)
    noisy = bar**0.5 * x_t
    down, mid = control(noisy, STEP, fixed, hint, return_dict=False)
    halves = []
    for words in (f"{PROMPT}, high-resolution, 8k, good quality", ""):
        text = by_hand(models, folder, words).expand(3, -1, -1)
        more = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        halves.append(unet(noisy, STEP, encoder_hidden_states=text, **more).sample)
    eps = halves[1] + 8.5 * (halves[0] - halves[1])
    close(found, (noisy - (1 - bar) ** 0.5 * eps) / bar**0.5)


@torch.no_grad()
def test_upscale_parity(models: Path, reference: Reference, view: View, rng: torch.Generator) -> None:
    """v-prediction: x0 = sqrt(abar) x - sqrt(1 - abar) v."""
    folder = FOLDERS["upscale"]
    view = replace(view, view_text=False)
    x_t, _, found = denoised(cached("upscale", models, reference, 9.0), view, rng)
    small = torch.nn.functional.interpolate(view.condition, (8, 8), mode="bilinear", antialias=True) * 2 - 1
    noise = torch.randn(small[:1].shape, generator=torch.Generator().manual_seed(0))
    rough = alpha_bar(20, 0.0001, 0.02)
    small = rough**0.5 * small + (1 - rough) ** 0.5 * noise
    bar, unet = alpha_bar(STEP, 0.0001, 0.02), network(models, folder)
    noisy, halves = bar**0.5 * x_t, []
    for words in (f"{PROMPT}, high-resolution, 8k, good quality", ""):
        text = by_hand(models, folder, words).expand(3, -1, -1)
        label = torch.full((3,), 20)
        halves.append(unet(torch.cat([noisy, small], 1), STEP, encoder_hidden_states=text, class_labels=label).sample)
    v = halves[1] + 9.0 * (halves[0] - halves[1])
    close(found, bar**0.5 * noisy - (1 - bar) ** 0.5 * v)


@torch.no_grad()
@pytest.mark.parametrize("kind", [ZERO123, STABLE_ZERO123])
def test_view_parity(kind: str, models: Path, reference: Reference, view: View, rng: torch.Generator) -> None:
    """CLIP's description and the pose through one linear layer, the picture's latents unscaled; without: zeros."""
    import math

    from safetensors.torch import load_file
    from transformers import CLIPVisionModelWithProjection

    folder = models / FOLDERS["view"]
    prior = load_role("view", folder, cfg=5.0, size=SIZE, reference=reference, kind=kind)
    x_t, _, found = denoised(prior, view, rng)
    shown = reference.composite(SIZE)
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
    latents = network(models, FOLDERS["view"], "AutoencoderKL", "vae").encode(2 * shown - 1).latent_dist.mode()
    latents = latents.expand(3, -1, -1, -1)
    bar, unet = alpha_bar(STEP), network(models, FOLDERS["view"])
    noisy = bar**0.5 * x_t
    cond = unet(torch.cat([noisy, latents], 1), STEP, encoder_hidden_states=text).sample
    uncond = unet(torch.cat([noisy, 0 * latents], 1), STEP, encoder_hidden_states=0 * text).sample
    close(found, (noisy - (1 - bar) ** 0.5 * (uncond + 5.0 * (cond - uncond))) / bar**0.5)
