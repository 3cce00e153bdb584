"""The ModelScope loader in the host's own process, on small files in both published layouts.

Run by the host's Python: modelscope_checks.py COMFYUI_PATH BASE. Reports the figures of each check. Everything
runs in inference mode, as the host runs nodes.
"""

from __future__ import annotations

import sys
from pathlib import Path

COMFYUI, BASE = sys.argv[1], Path(sys.argv[2])
HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE)]
from pack_in_host import enter_host, load_pack, run_checks  # noqa: E402

sys.path.remove(str(HERE))
enter_host(COMFYUI, "--base-directory", str(BASE))
import comfy.model_base  # noqa: E402
import comfy.model_management as management  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.sd  # noqa: E402
import folder_paths  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)
sys.path[:0] = [str(HERE.parent), str(HERE)]
from modelscope_files import FOLDER, PTH, SIZES, VAE, random_weights, write  # noqa: E402

del sys.path[:2]
OURS, ELSEWHERE = BASE / "models" / "text2video", BASE / "elsewhere"


# A folder of extra_model_paths.yaml is known before the pack is.

ELSEWHERE.mkdir(parents=True)
folder_paths.add_model_folder_path("text2video", str(ELSEWHERE))
part = load_pack()
host, core = part("nodes.host.modelscope"), part("a124core.priors.modelscope.unet")
LOADER = part("nodes").NODE_CLASS_MAPPINGS["A124ModelScopeLoader"]
LOADED: dict[str, tuple] = {}
RNG = torch.Generator().manual_seed(5)
X, SIGMA = 8 * torch.randn(2, 4, 3, 8, 8, generator=RNG), torch.tensor([1.5, 9.0])


def rel_error(ours, expected):
    return float((ours - expected).abs().max() / expected.abs().max())


def contexts(clip):
    return torch.cat([clip.encode_from_tokens(clip.tokenize(t)) for t in ("a panda is dancing", "")])


def x0(model, x=X, sigma=SIGMA, text=None):
    management.load_models_gpu([model])
    return model.model.apply_model(x, sigma, c_crossattn=LOADED["text"] if text is None else text)


def without_files():
    value = LOADER.INPUT_TYPES()["required"]["model"][0]
    return {"listed": value, "message": message_of(lambda: LOADER.VALIDATE_INPUTS(model=value[0]))}


def with_files():
    write(BASE / "models")
    torch.save({"model": Path("an object, not a tensor"), "more": 1}, ELSEWHERE / "pickled.pth")
    values = LOADER.INPUT_TYPES()["required"]
    return {"listed": values["model"][0], "vaes": values["vae"][0], "valid": LOADER.VALIDATE_INPUTS(model=PTH)}


def both_layouts_load():
    LOADED["pth"] = LOADER().load(PTH, "auto", "auto")
    LOADED["folder"] = LOADER().load(FOLDER, "auto", VAE)
    LOADED["text"] = contexts(LOADED["pth"][1])
    first, second = (x0(LOADED[name][0]) for name in ("pth", "folder"))
    model = LOADED["pth"][0].model
    return {
        "same": rel_error(second, first), "same_text": rel_error(contexts(LOADED["folder"][1]), LOADED["text"]),
        "finite": bool(first.isfinite().all()), "shape": list(first.shape), "dtype": str(first.dtype),
        "text": list(LOADED["text"].shape), "family": model.a124_family,
        "stamp": LOADER.IS_CHANGED(PTH, "auto", "auto"),
        "latents": float(model.process_latent_in(torch.ones(1))), "sigma_max": float(model.model_sampling.sigma_max),
        "eps": isinstance(model.model_sampling, comfy.model_sampling.EPS),
    }


def same_as_the_equation():
    """x0 = x - sigma eps(x / sqrt(1 + sigma^2), t), the network called without the host."""
    model = LOADED["pth"][0]
    sampling, wide = model.model.model_sampling, SIGMA.view(-1, 1, 1, 1, 1)
    unet = core.load_unet(random_weights(SIZES, "original"))
    eps = unet(X / (1 + wide**2).sqrt(), sampling.timestep(SIGMA), LOADED["text"])
    return rel_error(x0(model), X - wide * eps)


def halves_apart():
    model = LOADED["pth"][0]
    halves = [x0(model, X[i : i + 1], SIGMA[i : i + 1], LOADED["text"][i : i + 1]) for i in range(2)]
    return rel_error(torch.cat(halves), x0(model))


def the_hosts_own_sampler():
    model, clip, _ = LOADED["pth"]
    conds = [clip.encode_from_tokens_scheduled(clip.tokenize(t)) for t in ("a panda is dancing", "")]
    noise, empty = torch.randn(1, 4, 3, 8, 8, generator=RNG), torch.zeros(1, 4, 3, 8, 8)
    latents = comfy.sample.sample(model, noise, 2, 6.0, "euler", "normal", *conds, empty, disable_pbar=True, seed=0)
    return {"shape": list(latents.shape), "finite": bool(latents.isfinite().all()), "std": float(latents.std())}


def loaded_and_unloaded():
    model = LOADED["pth"][0]
    before = x0(model)
    loaded = [m.model is model for m in management.current_loaded_models].count(True)
    management.unload_all_models()
    still_loaded = [m.model is model for m in management.current_loaded_models].count(True)
    return {"loaded": loaded, "left": still_loaded, "again": rel_error(x0(model), before), "bytes": model.model_size(),
            "required": model.memory_required([2, 4, 16, 32, 32])}


def partly_loaded():
    """Layer by layer, as on a GPU with too little VRAM for the whole."""
    model = LOADED["pth"][0]
    whole = x0(model)
    management.unload_all_models()
    model.load(torch.device("cpu"), lowvram_model_memory=2_000_000)
    cast = [m for m in model.model.diffusion_model.modules() if getattr(m, "comfy_cast_weights", False)]
    partly = model.model.apply_model(X, SIGMA, c_crossattn=LOADED["text"])
    model.unpatch_model(torch.device("cpu"))
    return {"cast": len(cast), "error": rel_error(partly, whole)}


def half_precision():
    """fp16 weights, computed in fp32 as the host decides for a CPU."""
    from comfy.cli_args import args

    args.fp16_unet = True
    try:
        model = host.load_model(str(OURS / PTH))
    finally:
        args.fp16_unet = False
    return {"dtype": str(model.model.get_dtype()), "error": rel_error(x0(model), x0(LOADED["pth"][0]))}


def patches_of_the_model():
    model = LOADED["pth"][0]
    plain, key = x0(model), "diffusion_model.input_blocks.1.0.in_layers.2.weight"
    patched = model.clone()
    added = patched.add_patches({key: ("diff", (torch.full((64, 64, 3, 3), 0.1),))})
    calls = []

    def count(executor, *args, **options):
        calls.append(1)
        return executor(*args, **options)

    management.load_models_gpu([patched])
    options = {"wrappers": {"diffusion_model": {"test": [count]}}}
    x0_hat = patched.model.apply_model(X, SIGMA, c_crossattn=LOADED["text"], transformer_options=options)
    changed, back = rel_error(x0_hat, plain), rel_error(x0(model), plain)
    return {"added": len(added), "changed": changed, "wrapped": len(calls), "back": back}


def vae_both_ways():
    image = torch.rand(1, 32, 32, 3, generator=RNG)
    first, second = (LOADED[name][2].encode(image) for name in ("pth", "folder"))
    return {"shape": list(first.shape), "finite": bool(first.isfinite().all()), "same": rel_error(second, first)}


def still_prompt():
    """The source is the same MODEL under another text; both are open at once, and closed together."""
    model, clip, vae = LOADED["pth"]
    node, memory = part("nodes").NODE_CLASS_MAPPINGS["A124VideoGuidance"], part("nodes.host.memory")
    protocols, cameras = part("a124core.protocols"), part("a124core.cameras.rig")
    widgets = {"cfg": 5.0, "weight": 1.0, "t_min": 0.02, "t_max": 0.98, "size": 64}

    def make(prompt, still=""):
        made = node().make(model=model, clip=clip, vae=vae, prompt=prompt, **widgets, still_prompt=still)
        return made["result"][0] if isinstance(made, dict) else made[0]

    both, alone = make("a panda is dancing", "a panda"), make("a panda")
    camera = cameras.make_cameras([0.0] * 3, [0.0] * 3)
    view = protocols.View(camera, camera[:1], torch.zeros(3), torch.ones(3))
    with torch.inference_mode(False), torch.no_grad(), memory.loaded_models([both]):
        x = both.prior.encode(torch.rand(3, 3, 64, 64, generator=RNG))
        answers = [prior.denoise(x, both.prior.sigmas[[500]], view) for prior in (both.prior, both.source, both.prior)]
    with torch.inference_mode(False), torch.no_grad(), memory.loaded_models([alone]):
        expected = alone.prior.denoise(x, both.prior.sigmas[[500]], view)
    return {
        "source": rel_error(answers[1], expected), "prior": rel_error(answers[0], expected),
        "again": rel_error(answers[2], answers[0]), "none": alone.source is None,
        "closed": both.prior.denoiser.options is None and both.source.denoiser.options is None,
    }


def message_of(call):
    try:
        call()
    except Exception as fault:
        return f"{type(fault).__name__}: {fault}"
    return "nothing"


def refusals():
    model, alone = LOADED["pth"][0], "VQGAN_autoencoder.pth"
    return {
        "dimensions": message_of(lambda: x0(model, text=torch.zeros(2, 77, 768))),
        "image": message_of(lambda: x0(model, x=X[:, :, 0])),
        "no text": message_of(lambda: model.model.apply_model(X, SIGMA)),
        "control": message_of(
            lambda: model.model.apply_model(X, SIGMA, c_crossattn=LOADED["text"], control={"output": []})
        ),
        "not beside": message_of(lambda: LOADER().load(FOLDER, "auto", "auto")),
        "another model": message_of(lambda: host.load_model(str(OURS / alone))),
        "another encoder": message_of(lambda: host.load_clip(str(OURS / alone))),
        "no vae": message_of(lambda: host.load_vae(str(OURS / PTH))),
        "pickled": message_of(lambda: host.load_model(str(ELSEWHERE / "pickled.pth"))),
        "gone": message_of(lambda: LOADER().load("gone.pth", "auto", "auto")),
        "outside": message_of(lambda: LOADER().load("../vae/kl.pt", "auto", "auto")),
    }


CHECKS = (
    without_files, with_files, both_layouts_load, same_as_the_equation, halves_apart, the_hosts_own_sampler,
    loaded_and_unloaded, partly_loaded, half_precision, patches_of_the_model, vae_both_ways, still_prompt, refusals,
)
with torch.inference_mode():
    run_checks(CHECKS)
