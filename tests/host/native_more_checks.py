"""More of native_checks.py: poses, the upscaler and clips, against the same weights called by hand.

Run by the host's Python: native_more_checks.py COMFYUI_PATH MODELS.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import native_checks as base  # noqa: E402
from tiny_modelscope import Sizes, random_weights  # noqa: E402

del sys.path[:2]

import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import torch  # noqa: E402

rel_error, guidance, noise, random_image, view_at, SIZE = (
    base.rel_error, base.guidance, base.noise, base.random_image, base.view_at, base.SIZE
)


def stub_clip(dim, tokens=77, pooled=None):
    """Return a CLIP whose embeddings have any dimensions: real ones of these families weigh gigabytes."""
    pooled = None if pooled is None else torch.full((1, pooled), 0.1)

    def encode(prompt):
        rng = torch.Generator().manual_seed(sum(map(ord, prompt)))
        return [[torch.randn(1, tokens, dim, generator=rng), {"pooled_output": pooled}]]

    return SimpleNamespace(tokenize=lambda prompt: prompt, encode_from_tokens_scheduled=encode)


def eps_by_hand(net, x, sigma, context, concat):
    timestep = base.timesteps(net, sigma, len(x))
    scaled = torch.cat([x / (sigma**2 + 1) ** 0.5, concat.expand(len(x), -1, -1, -1)], dim=1)
    return net.diffusion_model(scaled, timestep, context=context.expand(len(x), -1, -1)).float()


def check_fp8():
    """The UNet's weights rounded to 8 bits: no gradient passes through them, so such a file works. On a CPU the host
    keeps them in full precision, so the rounding is all that is tested here."""
    import safetensors.torch

    weights = comfy.utils.load_torch_file(str(base.MODELS / "checkpoints" / "tiny_sd15.safetensors"))
    rounded = {
        name: value.to(torch.float8_e4m3fn) if name.startswith("model.diffusion_model.") and value.ndim > 1 else value
        for name, value in weights.items()
    }
    safetensors.torch.save_file(rounded, str(base.MODELS / "checkpoints" / "tiny_fp8.safetensors"))
    model = base.checkpoint("tiny_fp8").model
    priors = [base.image_guidance(model=m).prior for m in (model, base.SD15.model)]
    x, view = noise(21, 1, 4, 8, 8) * 3, view_at([0.0])
    denoised = [prior.denoise(x, prior.sigmas[500].expand(1), view) for prior in priors]
    image = random_image(22).requires_grad_(True)
    (priors[0].encode(image) * noise(23, 1, 4, 8, 8)).sum().backward()
    return {"difference": rel_error(*denoised), "gradient": float(image.grad.abs().sum())}


def check_view():
    """Two poses in one batch, Zero123's numbers typed out, against the bare UNet; then Stable-Zero123's last number."""
    loaded = base.checkpoint("tiny_zero123", vision=True)
    reference = base.disc_reference(20.0)
    wires = {"model": loaded.model, "clip_vision": loaded.vision, "vae": loaded.vae, "reference": reference}
    cameras = base.cameras([30.0, -100.0], 5.0)
    view = base.protocols.View(cameras, reference.camera, torch.zeros(2), torch.ones(3))
    x, sigma = noise(1, 2, 4, 8, 8) * 2, torch.tensor([1.5])
    net = loaded.model.model
    with torch.inference_mode():
        image = reference.composite(SIZE).movedim(1, -1)
        embedding = loaded.vision.encode_image(image).image_embeds.reshape(1, 1, 768).float()
        concat = loaded.vae.encode(image).float()
    denoised, by_hand = [], []
    for kind, last in (("zero123", 0.0), ("stable-zero123", math.radians(70.0))):
        prior = guidance("A124ViewGuidance", **wires, size=SIZE, kind=kind).prior
        denoised.append(prior.denoise(x, sigma.expand(2), view))
        poses = [
            [math.radians(15.0), math.sin(math.radians(a)), math.cos(math.radians(a)), last] for a in (30.0, -100.0)
        ]
        with torch.inference_mode():
            token = net.cc_projection(torch.cat([embedding.expand(2, -1, -1), torch.tensor(poses)[:, None]], dim=-1))
            cond = x - sigma * eps_by_hand(net, x, sigma, token, concat)
            uncond = x - sigma * eps_by_hand(net, x, sigma, torch.zeros(1, 1, 768), torch.zeros_like(concat))
            by_hand.append((uncond + 5.0 * (cond - uncond)).clone())
    return {
        "zero123": rel_error(denoised[0], by_hand[0]), "stable": rel_error(denoised[1], by_hand[1]),
        "kinds differ": rel_error(denoised[0], denoised[1]),
    }


def check_upscale():
    """The frame as concat channels with its noise, the noise level as class."""
    models = base.checkpoint("tiny_x4")
    clip = stub_clip(1024)
    wires = {"model": models.model, "clip": clip, "vae": models.vae}
    prior = guidance("A124UpscaleGuidance", **wires, prompt="fox", size=SIZE, cfg=7.0).prior
    x, sigma = noise(2, 2, 4, 16, 16), prior.sigmas[500]
    condition = random_image(3, 2, 16)
    x0_hat = prior.denoise(x, sigma.expand(2), view_at([0.0, 0.0], view_text=False, condition=condition))
    net = models.model.model
    cond, uncond = (clip.encode_from_tokens_scheduled(t)[0][0] for t in ("fox, high-resolution, 8k, good quality", ""))
    betas = torch.linspace(1e-4**0.5, 0.02**0.5, 1000, dtype=torch.float64) ** 2
    keep = torch.cumprod(1 - betas, 0).float()[20]
    with torch.inference_mode():
        schedule = net.noise_augmentor.sqrt_alphas_cumprod[20] ** 2
        low_res = schedule.sqrt() * (condition * 2 - 1) + (1 - schedule).sqrt() * torch.randn(
            2, 3, 16, 16, generator=torch.Generator().manual_seed(0)
        )
        timestep = base.timesteps(net, sigma, 2)
        denoised = []
        for context in (uncond, cond):
            scaled = torch.cat([x / (sigma**2 + 1) ** 0.5, low_res], dim=1)
            out = net.diffusion_model(scaled, timestep, context=context.expand(2, -1, -1), y=torch.tensor([20, 20]))
            c = (sigma**2 + 1) ** 0.5
            v = out.float()
            denoised.append(x / c**2 - v * sigma / c if "V_PRED" in str(net.model_type) else x - sigma * v)
        by_hand = (denoised[0] + 7.0 * (denoised[1] - denoised[0])).clone()
    other = prior.denoise(x, sigma.expand(2), view_at([0.0, 0.0], view_text=False, condition=random_image(4, 2, 16)))
    latents = prior.encode(random_image(5, 2))
    return {
        "parity": rel_error(x0_hat, by_hand), "condition matters": rel_error(other, x0_hat),
        "latents": float(latents.shape == (2, 4, 16, 16)), "noise kept": float(keep),
    }


def wan():
    with torch.inference_mode():
        model = comfy.sd.load_diffusion_model(str(base.MODELS / "diffusion_models/tiny_wan.safetensors"))
        vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(base.MODELS / "vae/tiny_wan_vae.safetensors")))
    return model, vae


def check_flow_clip():
    """A clip through Wan: flow matching in our variance-exploding form, its VAE's latents and their gradient."""
    model, vae = wan()
    clip = stub_clip(4096, 16)
    prior = guidance("A124VideoGuidance", model=model, clip=clip, vae=vae, prompt="fox", size=SIZE, cfg=7.0).prior
    frames = random_image(6, 4).requires_grad_(True)  # 4 frames: the VAE wants 1 + 4 k
    latents = prior.encode(frames)
    padded = torch.cat([frames.detach(), frames.detach()[-1:]])
    with torch.inference_mode():
        host = model.model.process_latent_in(vae.encode(padded.movedim(1, -1)).float()).clone()
    grad = noise(7, *latents.shape)
    gradient = torch.autograd.grad(latents, frames, grad)[0]
    step = noise(8, *frames.shape)
    with torch.no_grad():
        ahead, behind = (prior.encode(frames.detach() + e * step) for e in (1e-3, -1e-3))
    numeric, exact = ((ahead - behind) * grad).sum() / 2e-3, (gradient * step).sum()
    x, sigma = noise(9, *latents.shape) * 2, prior.sigmas[600]
    x0_hat = prior.denoise(x, sigma.expand(1), view_at([0.0] * 4, view_text=False))
    s = sigma / (1 + sigma)
    x_flow = (1 - s) * x
    denoised = []
    with torch.inference_mode():
        for prompt in ("", "fox, high-resolution, 8k, good quality"):
            context = clip.encode_from_tokens_scheduled(prompt)[0][0]
            v = model.model.diffusion_model(x_flow, (s * 1000).expand(1), context=context).float()
            denoised.append(x_flow - s * v)
        by_hand = (denoised[0] + 7.0 * (denoised[1] - denoised[0])).clone()
    return {
        "parity": rel_error(x0_hat, by_hand), "latents": rel_error(latents, host), "frames": float(latents.shape[2]),
        "gradient": float((numeric - exact).abs() / exact.abs()), "sigma max": float(prior.sigmas[-1]),
        "ascending": float((prior.sigmas.diff() >= 0).all()),
    }


def flow_by_hand(model, x, sigma, cfg, contexts, **others):
    """x_t = x0 + sigma eps, through the bare transformer in its own form: x = (1 - s) x_t, x0_hat = x - s v."""
    s = sigma / (1 + sigma)
    x_flow = (1 - s) * x
    timestep = model.model.model_sampling.timestep(s).expand(len(x))
    with torch.inference_mode():
        uncond, cond = (
            x_flow - s * model.model.diffusion_model(
                x_flow, timestep, context=c.expand(len(x), -1, -1), **others
            ).float()
            for c in contexts
        )
        return (uncond + cfg * (cond - uncond)).clone()


def part_of_host(name, vae_name):
    with torch.inference_mode():
        model = comfy.sd.load_diffusion_model(str(base.MODELS / f"diffusion_models/{name}.safetensors"))
        vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(base.MODELS / f"vae/{vae_name}.safetensors")))
    return model, vae


def flow_image(name, vae_name, dim, tokens, pooled=None):
    """Single renders through a flow-matching transformer: latents, their gradient, and x0_hat by hand."""
    model, vae = part_of_host(name, vae_name)
    clip = stub_clip(dim, tokens, pooled)
    wires = {"model": model, "clip": clip, "vae": vae, "prompt": "fox", "size": SIZE, "cfg": 7.0}
    made = guidance("A124ImageGuidance", **wires)
    prior = made.prior
    image = random_image(31, 2).requires_grad_(True)
    latents = prior.encode(image)
    (latents * noise(32, *latents.shape)).sum().backward()
    x, sigma = noise(33, *latents.shape) * 2, prior.sigmas[600]
    x0_hat = prior.denoise(x, sigma.expand(2), view_at([0.0, 0.0], view_text=False))
    texts = ("", "fox, 8k, good quality")
    conds = [clip.encode_from_tokens_scheduled(text)[0] for text in texts]
    others = {} if pooled is None else {"y": conds[0][1]["pooled_output"].expand(2, -1)}
    by_hand = flow_by_hand(model, x, sigma, 7.0, [c[0] for c in conds], **others)
    advice = base.part("a124core.priors.flow").advice
    return {
        "parity": rel_error(x0_hat, by_hand), "gradient": float(image.grad.abs().sum()), "flow": prior.flow,
        "sigma max": float(prior.sigmas[-1]), "distilled": prior.distilled, "advice": " ".join(advice("image", made)),
    }


def check_sd3():
    return flow_image("tiny_sd3", "tiny_sd3_vae", 4096, 77, pooled=2048)


def check_qwen_image():
    return flow_image("one_block_qwen_image_lightning", "tiny_wan_vae", 3584, 12)


def check_modelscope_clip():
    """ModelScope's own MODEL beside SD's VAE: frames become one item, eps-prediction over the bare video UNet."""
    sizes = Sizes(dim=64, mults=(1, 2), layers=1, context=1024, first_width=64)
    file = base.MODELS / "tiny_text2video.pth"
    torch.save(random_weights(sizes, "original"), file)
    with torch.inference_mode():
        model = base.part("nodes.host.modelscope").load_model(str(file))
    clip = stub_clip(1024)
    wires = {"model": model, "clip": clip, "vae": base.SD15.vae}
    prior = guidance("A124VideoGuidance", **wires, prompt="fox", size=SIZE, cfg=7.0).prior
    frames = random_image(11, 3).requires_grad_(True)
    latents = prior.encode(frames)
    grad = noise(12, *latents.shape)
    gradient = torch.autograd.grad(latents, frames, grad)[0]
    single = base.image_guidance().prior.encode(frames)
    expected = torch.autograd.grad(single, frames, grad[0].movedim(0, 1))[0]
    x, sigma = noise(13, *latents.shape), prior.sigmas[300]
    x0_hat = prior.denoise(x, sigma.expand(1), view_at([0.0] * 3, view_text=False))
    net, denoised = model.model, []
    timestep = base.timesteps(net, sigma, 1)
    with torch.inference_mode():
        for prompt in ("", "fox, high-resolution, 8k, good quality"):
            context = clip.encode_from_tokens_scheduled(prompt)[0][0]
            scaled = x / (sigma**2 + 1) ** 0.5
            denoised.append(x - sigma * net.diffusion_model(scaled, timestep, context=context).float())
        by_hand = (denoised[0] + 7.0 * (denoised[1] - denoised[0])).clone()
    return {
        "parity": rel_error(x0_hat, by_hand), "one item": float(latents.shape == (1, 4, 3, 8, 8)),
        "gradient": rel_error(gradient, expected),
    }


def check_more_refusals():
    sd15, x4 = base.SD15, base.checkpoint("tiny_x4")
    edit = base.checkpoint("tiny_edit")
    model, vae = wan()
    refused, reference = base.refused, base.disc_reference(20.0)
    view = {"clip_vision": None, "vae": edit.vae, "reference": reference}
    x4_wires = {"model": x4.model, "clip": stub_clip(1024), "prompt": "fox"}
    other_sampling = sd15.model.clone()
    import comfy.model_sampling as kinds

    sampling = type("Other", (kinds.ModelSamplingDiscrete, kinds.COSMOS_RFLOW), {})()
    other_sampling.add_object_patch("model_sampling", sampling)
    zero = base.checkpoint("tiny_zero123")
    return {
        "edit model as Zero123": refused(lambda: guidance("A124ViewGuidance", model=edit.model, **view)),
        "no picture": refused(lambda: guidance("A124ViewGuidance", model=zero.model, clip_vision=None, vae=zero.vae)),
        "no CLIP vision": refused(lambda: guidance("A124ViewGuidance", model=zero.model, **view)),
        "image model as video": refused(lambda: guidance(
            "A124VideoGuidance", model=sd15.model, clip=sd15.clip, vae=sd15.vae, prompt="fox")),
        "Wan with a CLIP of SD": refused(lambda: guidance(
            "A124VideoGuidance", model=model, clip=stub_clip(768), vae=vae, prompt="fox")),
        "SD as upscaler": refused(lambda: guidance(
            "A124UpscaleGuidance", model=sd15.model, clip=sd15.clip, vae=sd15.vae, prompt="fox")),
        "upscaler with SD's VAE": refused(lambda: guidance("A124UpscaleGuidance", **x4_wires, vae=sd15.vae)),
        "another sampling": refused(lambda: base.image_guidance(other_sampling)),
    }


if __name__ == "__main__":
    base.main(globals())
