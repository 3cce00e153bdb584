"""Native priors against the same weights called by hand, inside the host's own process.

Run by the host's Python: native_checks.py COMFYUI_PATH MODELS [CHECK ...]. Reports the figures of each check.
Everything a node does is called in inference mode, as the host calls it.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))
from pack_in_host import enter_host, load_pack, run_checks  # noqa: E402

COMFYUI, MODELS, SELECTED = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
enter_host(COMFYUI)
sys.path.remove(str(Path(__file__).resolve().parent))

import comfy.controlnet  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import torch  # noqa: E402

SIZE = 64  # pixels: latents of 8 x 8
torch.set_num_threads(1)


part = load_pack()
protocols, sds = part("a124core.protocols"), part("a124core.priors.sds").sds
PACK = part("nodes").NODE_CLASS_MAPPINGS


@torch.inference_mode()
def checkpoint(name, vision=False):
    models = comfy.sd.load_checkpoint_guess_config(
        str(next((MODELS / "checkpoints").glob(f"{name}.*"))), output_clipvision=vision,
        embedding_directory=[str(MODELS / "embeddings")],
    )
    return SimpleNamespace(model=models[0], clip=models[1], vae=models[2], vision=models[3])


@torch.inference_mode()
def guidance(node, **inputs):
    """Run a guidance node as the host does: in inference mode, with defaults for missing widgets."""
    declared = PACK[node].INPUT_TYPES()["required"]
    defaults = {k: v[1]["default"] for k, v in declared.items() if "default" in v[1]}
    defaults |= {k: v[0][0] for k, v in declared.items() if isinstance(v[0], list)}
    instance = PACK[node]()
    made = getattr(instance, instance.FUNCTION)(**{**defaults, **inputs})
    return (made["result"] if isinstance(made, dict) else made)[0]


def cameras(azimuth, elevation=0.0):
    azimuth = torch.tensor(azimuth)
    one = torch.ones_like(azimuth)
    return protocols.Cameras(elevation * one, azimuth, 1.8 * one, 40.0 * one)


def view_at(azimuth, elevation=0.0, **options):
    batch = cameras(azimuth, elevation)
    return protocols.View(batch, cameras([0.0]), torch.zeros(len(azimuth)), torch.ones(3), **options)


def noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_image(seed, count=1, size=SIZE):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def disc_reference(elevation=0.0):
    """Return the reference of a red disc."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = ((y - 31.5) ** 2 + (x - 31.5) ** 2 < 20**2).float()[None, None]
    image = torch.cat([disc, 0.2 * disc, 0.1 * disc], dim=1)
    make = part("a124core.reference.reference").make_reference
    return make(image, disc, mask_marks="subject", camera=cameras([0.0], elevation))


def rel_error(a, b):
    """Largest difference, relative to the largest number."""
    a, b = a.detach(), b.detach()
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-12))


def encode_text(clip, prompt):
    with torch.inference_mode():
        return clip.encode_from_tokens(clip.tokenize(prompt)).clone()


SD15 = checkpoint("tiny_sd15")
PROMPT = "a red fox"
FULL = f"{PROMPT}, 8k, good quality"


def image_guidance(model=None, **inputs):
    wires = {"model": model or SD15.model, "clip": SD15.clip, "vae": SD15.vae}
    return guidance("A124ImageGuidance", **{**wires, "prompt": PROMPT, "size": SIZE, "cfg": 7.0, **inputs})


def timesteps(net, sigma, count):
    """Return the nearest timestep of a noise level, for each item."""
    return (net.model_sampling.sigmas.log() - sigma.log()).abs().argmin().expand(count).float()


def by_hand(x, sigma, cond, uncond, cfg, control=None):
    """Epsilon-prediction and classifier-free guidance typed out over the bare UNet: no code of the host's sampler."""
    unet = SD15.model.model.diffusion_model
    timestep = timesteps(SD15.model.model, sigma, len(x))
    scaled = x / (sigma**2 + 1) ** 0.5
    with torch.inference_mode():
        denoised = []
        for context in (uncond, cond):
            context = context.expand(len(x), -1, -1)
            residuals = {} if control is None else {"control": control(scaled, timestep)}
            denoised.append(x - sigma * unet(scaled, timestep, context=context, **residuals).float())
        return (denoised[0] + cfg * (denoised[1] - denoised[0])).clone()


def check_image_parity():
    """x0_hat at an azimuth of 30 degrees, where the text is 2/3 front and 1/3 side; and at 120, 2/3 side, 1/3 back."""
    prior = image_guidance().prior
    front, side, back = (encode_text(SD15.clip, f"{FULL}, {s} view") for s in ("front", "side", "back"))
    plain, uncond = encode_text(SD15.clip, FULL), encode_text(SD15.clip, "")
    x = noise(1, 2, 4, 8, 8) * 3
    sigma = prior.sigmas[500]
    x0_hat = prior.denoise(x, sigma.expand(2), view_at([30.0, -120.0]))
    cond = torch.cat([front * 2 / 3 + side / 3, side * 2 / 3 + back / 3])
    without_view = prior.denoise(x, sigma.expand(2), view_at([30.0, -120.0], view_text=False))
    return {
        "sides": rel_error(x0_hat, by_hand(x, sigma, cond, uncond, 7.0)),
        "plain": rel_error(without_view, by_hand(x, sigma, plain, uncond, 7.0)),
        "text matters": rel_error(x0_hat, without_view),
        "inference tensor": float(x0_hat.is_inference()),
    }


def check_sds_gradient():
    """At the image: against one autograd graph through a copy of the VAE and the formula typed out."""
    prior = image_guidance().prior
    image = random_image(2, 1, 48).requires_grad_(True)
    eps, sigma = noise(3, 1, 4, 8, 8), prior.sigmas[400:401]
    view = view_at([0.0])
    with torch.inference_mode(False), torch.enable_grad():
        ours = torch.autograd.grad(sds(prior, prior.encode(image), view, sigma, eps).sum(), image)[0]
        x0 = encoder_copy()(torch.nn.functional.interpolate(image, (SIZE, SIZE), mode="bilinear")) * 0.18215
    cond, uncond = encode_text(SD15.clip, f"{FULL}, front view"), encode_text(SD15.clip, "")
    x = x0.detach() + sigma * eps
    eps_hat = (x - by_hand(x, sigma, cond, uncond, 7.0)) / sigma
    weight = sigma**2 / (1 + sigma**2)
    expected = torch.autograd.grad(x0, image, weight * (eps_hat - eps))[0]
    return {"gradient": rel_error(ours, expected)}


def encoder_copy():
    """Return encoder and quantiser of the VAE, deep-copied, as a function to the posterior's mean."""
    with torch.inference_mode(False):
        stage = SD15.vae.first_stage_model
        parts = []
        for module in (stage.encoder, stage.quant_conv):
            fresh = copy.deepcopy(module).float()
            for owner in fresh.modules():
                for name, value in list(owner._parameters.items()):
                    if value is not None:
                        owner._parameters[name] = torch.nn.Parameter(value.detach().clone(), requires_grad=False)
            parts.append(fresh)
    return lambda image: parts[1](parts[0](image * 2 - 1))[:, :4]


def check_encoder():
    """The private copy: the host's own latents, and the gradient of one joint graph, frame by frame."""
    prior = image_guidance().prior
    image = random_image(4, 3).requires_grad_(True)
    grad = noise(5, 3, 4, 8, 8)
    ours = prior.encode(image)
    joint = encoder_copy()(image) * 0.18215
    with torch.inference_mode():
        host = SD15.vae.encode(image.detach().movedim(1, -1)).float().clone() * 0.18215
    gradients = [torch.autograd.grad(x, image, grad)[0] for x in (ours, joint)]
    second = image_guidance().prior
    second.encode(image)
    return {
        "values": rel_error(ours, joint), "host": rel_error(ours, host), "gradient": rel_error(*gradients),
        "copies": float(second.encoder is not prior.encoder),
    }


def check_sharing():
    """Two guidances on one checkpoint, used in turn, return what each returns alone."""
    x, sigma = noise(6, 1, 4, 8, 8) * 3, torch.tensor([2.0])
    view = view_at([0.0], condition=random_image(7))
    alone = []
    for _ in range(2):
        prior = image_guidance().prior
        alone.append(prior.denoise(x, sigma, view))
        prior.close()
    first, second = image_guidance().prior, image_guidance(prompt="a blue whale").prior
    turns = [p.denoise(x, sigma, view) for p in (first, second, first)]
    names = {"first": turns[0], "again": turns[2], "other": turns[1]}
    return {name: rel_error(x0_hat, alone[0]) for name, x0_hat in names.items()}


def refine_guidance(**inputs):
    net = comfy.controlnet.load_controlnet(str(MODELS / "controlnet/tiny_tile.safetensors"))
    wires = {"model": SD15.model, "clip": SD15.clip, "vae": SD15.vae, "control_net": net}
    return guidance("A124RefineGuidance", **{**wires, "prompt": PROMPT, "size": SIZE, "cfg": 7.0, **inputs})


def check_control():
    """Against the bare ControlNet and UNet; the second image does not get the first one's hint."""
    with torch.inference_mode():
        prior = refine_guidance().prior
    x, sigma = noise(10, 2, 4, 8, 8), prior.sigmas[300]
    cond = encode_text(SD15.clip, f"{PROMPT}, high-resolution, 8k, good quality")
    control_text, uncond = encode_text(SD15.clip, "best quality, high resolution"), encode_text(SD15.clip, "")
    network = prior.conditioner.control.control_model
    errors = {}
    for name, hint in (("first", random_image(11, 2)), ("second", random_image(12, 2))):
        x0_hat = prior.denoise(x, sigma.expand(2), view_at([0.0, 9.0], view_text=False, condition=hint))

        def control(scaled, timestep, hint=hint):
            return network(x=scaled, hint=hint, timesteps=timestep, context=control_text.expand(2, -1, -1))

        errors[name] = rel_error(x0_hat, by_hand(x, sigma, cond, uncond, 7.0, control))
    naive = refine_guidance(control_net=None).prior.denoise(x, sigma.expand(2), view_at([0.0, 9.0], view_text=False))
    errors["naive"] = rel_error(naive, by_hand(x, sigma, cond, uncond, 7.0))
    errors["control matters"] = rel_error(x0_hat, by_hand(x, sigma, cond, uncond, 7.0))
    return errors


def refused(call):
    """Return the message of a ValueError."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return "NOT REFUSED"


def check_refusals():
    edit = checkpoint("tiny_edit")
    wide = SimpleNamespace(
        tokenize=lambda prompt: prompt, encode_from_tokens_scheduled=lambda _: [[torch.zeros(1, 77, 1024), {}]]
    )
    hooked = SimpleNamespace(
        tokenize=lambda prompt: prompt,
        encode_from_tokens_scheduled=lambda _: [[torch.zeros(1, 77, 768), {"hooks": object()}]],
    )
    other_vae = SimpleNamespace(first_stage_model=object(), latent_channels=16)
    attention = torch.nn.ModuleDict({"to_k": torch.nn.Linear(2048, 8)})
    foreign = SimpleNamespace(control_model=torch.nn.ModuleDict({"attn2": attention}))
    return {
        "edit model": refused(lambda: image_guidance(edit.model)),
        "CLIP dimensions": refused(lambda: image_guidance(clip=wide)),
        "hooks": refused(lambda: image_guidance(clip=hooked)),
        "VAE channels": refused(lambda: image_guidance(vae=other_vae)),
        "no VAE": refused(lambda: image_guidance(vae=None)),
        "no CLIP": refused(lambda: image_guidance(clip=None)),
        "ControlNet of another family": refused(lambda: refine_guidance(control_net=foreign)),
    }


def main(names: dict) -> None:
    """Run what is named check_..., or those of them that the command line names without it."""
    checks = {name: check for name, check in names.items() if name.startswith("check_")}
    run_checks(check for name, check in checks.items() if not SELECTED or name[6:] in SELECTED)


if __name__ == "__main__":
    main(globals())
