"""Native priors against the same weights called by hand, inside the host's own process.

Run by the host's Python: native_checks.py COMFYUI_PATH MODELS. Prints one JSON object: figures by the name of the
check, or what it raised. Everything a node does is called in inference mode, as the host calls it.
"""

from __future__ import annotations

import copy
import json
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))
from pack_in_host import enter_host, load_pack  # noqa: E402

COMFYUI, MODELS, WANTED = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
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
    found = comfy.sd.load_checkpoint_guess_config(
        str(next((MODELS / "checkpoints").glob(f"{name}.*"))), output_clipvision=vision,
        embedding_directory=[str(MODELS / "embeddings")],
    )  # fmt: skip
    return SimpleNamespace(model=found[0], clip=found[1], vae=found[2], vision=found[3])


@torch.inference_mode()
def guidance(node, **inputs):
    """A guidance node as the host runs it: in inference mode, defaults for the widgets that are not given."""
    declared = PACK[node].INPUT_TYPES()["required"]
    given = {k: v[1]["default"] for k, v in declared.items() if "default" in v[1]}
    given |= {k: v[0][0] for k, v in declared.items() if isinstance(v[0], list)}
    made = PACK[node]()
    return getattr(made, made.FUNCTION)(**{**given, **inputs})[0]


def cameras(azimuth, elevation=0.0):
    azimuth = torch.tensor(azimuth)
    one = torch.ones_like(azimuth)
    return protocols.Cameras(elevation * one, azimuth, 1.8 * one, 40.0 * one)


def view_at(azimuth, elevation=0.0, **more):
    seen = cameras(azimuth, elevation)
    return protocols.View(seen, cameras([0.0]), torch.zeros(len(azimuth)), torch.ones(3), **more)


def noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def picture(seed, count=1, size=SIZE):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def apart(a, b):
    """Largest difference, relative to the largest number."""
    a, b = a.detach(), b.detach()
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-12))


def text(clip, words):
    with torch.inference_mode():
        return clip.encode_from_tokens(clip.tokenize(words)).clone()


SD15 = checkpoint("tiny_sd15")
PROMPT = "a red fox"
FULL = f"{PROMPT}, 8k, good quality"


def image_guidance(model=None, **more):
    wires = {"model": model or SD15.model, "clip": SD15.clip, "vae": SD15.vae}
    return guidance("A124ImageGuidance", **{**wires, "prompt": PROMPT, "size": SIZE, "cfg": 7.0, **more})


def by_hand(x, sigma, words, empty, cfg, control=None):
    """Epsilon-prediction and classifier-free guidance typed out over the bare UNet: no code of the host's sampler."""
    unet = SD15.model.model.diffusion_model
    timestep = (SD15.model.model.model_sampling.sigmas.log() - sigma.log()).abs().argmin().expand(len(x)).float()
    scaled = x / (sigma**2 + 1) ** 0.5
    with torch.inference_mode():
        guesses = []
        for context in (empty, words):
            context = context.expand(len(x), -1, -1)
            extra = {} if control is None else {"control": control(scaled, timestep)}
            guesses.append(x - sigma * unet(scaled, timestep, context=context, **extra).float())
        return (guesses[0] + cfg * (guesses[1] - guesses[0])).clone()


def check_image_parity():
    """x0_hat at an azimuth of 30 degrees, where the text is 2/3 front and 1/3 side; and at 120, 2/3 side, 1/3 back."""
    prior = image_guidance().prior
    front, side, back = (text(SD15.clip, f"{FULL}, {s} view") for s in ("front", "side", "back"))
    plain, empty = text(SD15.clip, FULL), text(SD15.clip, "")
    x = noise(1, 2, 4, 8, 8) * 3
    sigma = prior.sigmas[500]
    seen = prior.denoise(x, sigma.expand(2), view_at([30.0, -120.0]))
    words = torch.cat([front * 2 / 3 + side / 3, side * 2 / 3 + back / 3])
    moving = prior.denoise(x, sigma.expand(2), view_at([30.0, -120.0], view_text=False))
    return {
        "sides": apart(seen, by_hand(x, sigma, words, empty, 7.0)),
        "plain": apart(moving, by_hand(x, sigma, plain, empty, 7.0)),
        "text matters": apart(seen, moving),
        "inference tensor": float(seen.is_inference()),
    }


def check_sds_gradient():
    """At the picture: against one autograd graph through a copy of the VAE and the formula typed out."""
    given = image_guidance()
    prior = given.prior
    shown = picture(2, 1, 48).requires_grad_(True)
    eps, sigma = noise(3, 1, 4, 8, 8), prior.sigmas[400:401]
    view = view_at([0.0])
    with torch.inference_mode(False), torch.enable_grad():
        ours = torch.autograd.grad(sds(prior, prior.encode(shown), view, sigma, eps).sum(), shown)[0]
        x0 = encoder_copy()(torch.nn.functional.interpolate(shown, (SIZE, SIZE), mode="bilinear")) * 0.18215
    words, empty = text(SD15.clip, f"{FULL}, front view"), text(SD15.clip, "")
    x = x0.detach() + sigma * eps
    eps_hat = (x - by_hand(x, sigma, words, empty, 7.0)) / sigma
    weight = sigma**2 / (1 + sigma**2)
    theirs = torch.autograd.grad(x0, shown, weight * (eps_hat - eps))[0]
    return {"gradient": apart(ours, theirs)}


def encoder_copy():
    """Encoder and quantiser of the VAE, deep-copied; the mean of what they say."""
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
    shown = picture(4, 3).requires_grad_(True)
    pull = noise(5, 3, 4, 8, 8)
    ours = prior.encode(shown)
    joint = encoder_copy()(shown) * 0.18215
    with torch.inference_mode():
        host = SD15.vae.encode(shown.detach().movedim(1, -1)).float().clone() * 0.18215
    gradients = [torch.autograd.grad(x, shown, pull)[0] for x in (ours, joint)]
    second = image_guidance().prior
    second.encode(shown)
    return {
        "values": apart(ours, joint), "host": apart(ours, host), "gradient": apart(*gradients),
        "copies": float(second.encoder is not prior.encoder),
    }  # fmt: skip


def check_sharing():
    """Two guidances on one checkpoint, asked in turn, answer as each alone does."""
    x, sigma = noise(6, 1, 4, 8, 8) * 3, torch.tensor([2.0])
    view = view_at([0.0], condition=picture(7))
    alone = []
    for _ in range(2):
        prior = image_guidance().prior
        alone.append(prior.denoise(x, sigma, view))
        prior.close()
    first, second = image_guidance().prior, image_guidance(prompt="a blue whale").prior
    turns = [p.denoise(x, sigma, view) for p in (first, second, first)]
    return {"first": apart(turns[0], alone[0]), "again": apart(turns[2], alone[0]), "other": apart(turns[1], alone[0])}


def check_lora():
    """A LoRA on the MODEL changes the answer; asked in turn with the bare MODEL, neither disturbs the other."""
    weights = comfy.utils.load_torch_file(str(MODELS / "loras/tiny_lora.safetensors"))
    with torch.inference_mode():
        model, _ = comfy.sd.load_lora_for_models(SD15.model, SD15.clip, weights, 1.0, 0.0)
    x, sigma, view = noise(8, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0])
    bare, other = image_guidance().prior, image_guidance(model).prior
    turns = [p.denoise(x, sigma, view) for p in (bare, other, bare, other)]
    return {
        "changed": apart(turns[1], turns[0]), "bare again": apart(turns[2], turns[0]),
        "lora again": apart(turns[3], turns[1]),
    }  # fmt: skip


def check_patches():
    """A CFG patch and a model function wrapper of the wired MODEL are asked; embedding:name is read."""
    asked = []
    with torch.inference_mode():
        model = SD15.model.clone()
        model.set_model_sampler_cfg_function(lambda a: asked.append("cfg") or a["uncond"] / 2 + a["cond"] / 2)
        wrapper = lambda apply, a: asked.append("apply") or apply(a["input"], a["timestep"], **a["c"])  # noqa: E731
        model.set_model_unet_function_wrapper(wrapper)
    x, sigma, view = noise(9, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0])
    patched = image_guidance(model).prior.denoise(x, sigma, view)
    bare = image_guidance().prior.denoise(x, sigma, view)
    word = image_guidance(prompt="a embedding:tiny_word").prior.denoise(x, sigma, view)
    without = image_guidance(prompt="a").prior.denoise(x, sigma, view)
    both = float({"cfg", "apply"} <= set(asked))
    return {"changed": apart(patched, bare), "asked": both, "word": apart(word, without)}


def refine_guidance(**more):
    net = comfy.controlnet.load_controlnet(str(MODELS / "controlnet/tiny_tile.safetensors"))
    wires = {"model": SD15.model, "clip": SD15.clip, "vae": SD15.vae, "control_net": net}
    return guidance("A124RefineGuidance", **{**wires, "prompt": PROMPT, "size": SIZE, "cfg": 7.0, **more})


def check_control():
    """Against the bare ControlNet and UNet; the second picture is not answered with the first one's hint."""
    with torch.inference_mode():
        given = refine_guidance()
    prior = given.prior
    x, sigma = noise(10, 2, 4, 8, 8), prior.sigmas[300]
    hints = [picture(11, 2), picture(12, 2)]
    words = text(SD15.clip, f"{PROMPT}, high-resolution, 8k, good quality")
    fixed, empty = text(SD15.clip, "best quality, high resolution"), text(SD15.clip, "")
    network = prior.conditions.control.control_model
    found = {}
    for name, hint in zip(("first", "second"), hints, strict=True):
        seen = prior.denoise(x, sigma.expand(2), view_at([0.0, 9.0], view_text=False, condition=hint))

        def control(scaled, timestep, hint=hint):
            return network(x=scaled, hint=hint, timesteps=timestep, context=fixed.expand(2, -1, -1))

        found[name] = apart(seen, by_hand(x, sigma, words, empty, 7.0, control))
    naive = refine_guidance(control_net=None).prior
    found["naive"] = apart(
        naive.denoise(x, sigma.expand(2), view_at([0.0, 9.0], view_text=False)), by_hand(x, sigma, words, empty, 7.0)
    )
    found["control matters"] = apart(seen, by_hand(x, sigma, words, empty, 7.0))
    return found


def refused(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return "NOT REFUSED"


def check_refusals():
    edit = checkpoint("tiny_edit")
    wide = SimpleNamespace(
        tokenize=lambda words: words, encode_from_tokens_scheduled=lambda _: [[torch.zeros(1, 77, 1024), {}]]
    )
    hooked = SimpleNamespace(
        tokenize=lambda words: words,
        encode_from_tokens_scheduled=lambda _: [[torch.zeros(1, 77, 768), {"hooks": object()}]],
    )
    other_vae = SimpleNamespace(first_stage_model=object(), latent_channels=16)
    attention = torch.nn.ModuleDict({"to_k": torch.nn.Linear(2048, 8)})
    foreign = SimpleNamespace(control_model=torch.nn.ModuleDict({"attn2": attention}))
    return {
        "edit model": refused(lambda: image_guidance(edit.model)),
        "CLIP width": refused(lambda: image_guidance(clip=wide)),
        "hooks": refused(lambda: image_guidance(clip=hooked)),
        "VAE channels": refused(lambda: image_guidance(vae=other_vae)),
        "no VAE": refused(lambda: image_guidance(vae=None)),
        "no CLIP": refused(lambda: image_guidance(clip=None)),
        "ControlNet of another family": refused(lambda: refine_guidance(control_net=foreign)),
    }


def main(checks: dict) -> None:
    """Run what is named check_..., or those of them that the command line names."""
    report = {}
    for name, check in list(checks.items()):
        if name.startswith("check_") and (not WANTED or name[6:] in WANTED):
            try:
                report[name[6:]] = check()
            except Exception:
                report[name[6:]] = {"error": traceback.format_exc()[-1500:]}
    print("REPORT " + json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main(globals())
