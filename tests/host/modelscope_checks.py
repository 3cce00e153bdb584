"""The ModelScope loader in the host's own process, on small files in both published layouts.

Run by the host's Python: modelscope_checks.py COMFYUI_PATH BASE. Prints one JSON object: what each check measured, or
what it raised. Everything runs in inference mode, as the host runs nodes.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

COMFYUI, BASE = sys.argv[1], Path(sys.argv[2])
HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE)]
from pack_in_host import enter_host, load_pack  # noqa: E402

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


# Checks: each returns what it measured. A folder of extra_model_paths.yaml is known before the pack is.

ELSEWHERE.mkdir(parents=True)
folder_paths.add_model_folder_path("text2video", str(ELSEWHERE))
part = load_pack()
host, core = part("nodes.host.modelscope"), part("a124core.priors.modelscope.unet")
LOADER = part("nodes").NODE_CLASS_MAPPINGS["A124ModelScopeLoader"]
MADE: dict[str, tuple] = {}
RNG = torch.Generator().manual_seed(5)
X, SIGMA = 8 * torch.randn(2, 4, 3, 8, 8, generator=RNG), torch.tensor([1.5, 9.0])


def error(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


def texts(clip):
    return torch.cat([clip.encode_from_tokens(clip.tokenize(t)) for t in ("a panda is dancing", "")])


def x0(model, x=X, sigma=SIGMA, text=None):
    management.load_models_gpu([model])
    return model.model.apply_model(x, sigma, c_crossattn=MADE["text"] if text is None else text)


def without_files():
    value = LOADER.INPUT_TYPES()["required"]["model"][0]
    return {"listed": value, "said": LOADER.VALIDATE_INPUTS(model=value[0])}


def with_files():
    write(BASE / "models")
    torch.save({"model": Path("an object, not a tensor"), "more": 1}, ELSEWHERE / "pickled.pth")
    values = LOADER.INPUT_TYPES()["required"]
    return {"listed": values["model"][0], "vaes": values["vae"][0], "valid": LOADER.VALIDATE_INPUTS(model=PTH)}


def both_layouts_load():
    MADE["pth"] = LOADER().load(PTH, "auto", "auto")
    MADE["folder"] = LOADER().load(FOLDER, "auto", VAE)
    MADE["text"] = texts(MADE["pth"][1])
    first, second = (x0(MADE[name][0]) for name in ("pth", "folder"))
    model = MADE["pth"][0].model
    return {
        "same": error(second, first), "same_text": error(texts(MADE["folder"][1]), MADE["text"]),
        "finite": bool(first.isfinite().all()), "shape": list(first.shape), "dtype": str(first.dtype),
        "text": list(MADE["text"].shape), "family": model.a124_family, "stamp": LOADER.IS_CHANGED(PTH, "auto", "auto"),
        "latents": float(model.process_latent_in(torch.ones(1))), "sigma_max": float(model.model_sampling.sigma_max),
        "eps": isinstance(model.model_sampling, comfy.model_sampling.EPS),
    }  # fmt: skip


def same_as_the_equation():
    """x0 = x - sigma eps(x / sqrt(1 + sigma^2), t), the network called without the host."""
    model = MADE["pth"][0]
    sampling, wide = model.model.model_sampling, SIGMA.view(-1, 1, 1, 1, 1)
    unet = core.load_unet(random_weights(SIZES, "original"))
    eps = unet(X / (1 + wide**2).sqrt(), sampling.timestep(SIGMA), MADE["text"])
    return error(x0(model), X - wide * eps)


def halves_apart():
    model = MADE["pth"][0]
    apart = [x0(model, X[i : i + 1], SIGMA[i : i + 1], MADE["text"][i : i + 1]) for i in range(2)]
    return error(torch.cat(apart), x0(model))


def the_hosts_own_sampler():
    model, clip, _ = MADE["pth"]
    conds = [clip.encode_from_tokens_scheduled(clip.tokenize(t)) for t in ("a panda is dancing", "")]
    noise, empty = torch.randn(1, 4, 3, 8, 8, generator=RNG), torch.zeros(1, 4, 3, 8, 8)
    found = comfy.sample.sample(model, noise, 2, 6.0, "euler", "normal", *conds, empty, disable_pbar=True, seed=0)
    return {"shape": list(found.shape), "finite": bool(found.isfinite().all()), "std": float(found.std())}


def loaded_and_put_away():
    model = MADE["pth"][0]
    before = x0(model)
    counted = [m.model is model for m in management.current_loaded_models].count(True)
    management.unload_all_models()
    left = [m.model is model for m in management.current_loaded_models].count(True)
    return {"loaded": counted, "left": left, "again": error(x0(model), before), "bytes": model.model_size(),
            "asked": model.memory_required([2, 4, 16, 32, 32])}  # fmt: skip


def partly_loaded():
    """Layer by layer, as on a card without room for the whole."""
    model = MADE["pth"][0]
    whole = x0(model)
    management.unload_all_models()
    model.load(torch.device("cpu"), lowvram_model_memory=2_000_000)
    cast = [m for m in model.model.diffusion_model.modules() if getattr(m, "comfy_cast_weights", False)]
    found = model.model.apply_model(X, SIGMA, c_crossattn=MADE["text"])
    model.unpatch_model(torch.device("cpu"))
    return {"cast": len(cast), "error": error(found, whole)}


def half_precision():
    """fp16 weights, computed in fp32 as the host decides for a CPU."""
    from comfy.cli_args import args

    args.fp16_unet = True
    try:
        model = host.load_model(str(OURS / PTH))
    finally:
        args.fp16_unet = False
    return {"dtype": str(model.model.get_dtype()), "error": error(x0(model), x0(MADE["pth"][0]))}


def patches_of_the_model():
    model = MADE["pth"][0]
    plain, key = x0(model), "diffusion_model.input_blocks.1.0.in_layers.2.weight"
    patched = model.clone()
    added = patched.add_patches({key: ("diff", (torch.full((64, 64, 3, 3), 0.1),))})
    calls = []

    def count(executor, *given, **named):
        calls.append(1)
        return executor(*given, **named)

    management.load_models_gpu([patched])
    options = {"wrappers": {"diffusion_model": {"test": [count]}}}
    found = patched.model.apply_model(X, SIGMA, c_crossattn=MADE["text"], transformer_options=options)
    return {"added": len(added), "changed": error(found, plain), "wrapped": len(calls), "back": error(x0(model), plain)}


def vae_both_ways():
    image = torch.rand(1, 32, 32, 3, generator=RNG)
    found = [MADE[name][2].encode(image) for name in ("pth", "folder")]
    return {"shape": list(found[0].shape), "finite": bool(found[0].isfinite().all()), "same": error(found[1], found[0])}


def said(act):
    try:
        act()
    except Exception as fault:
        return f"{type(fault).__name__}: {fault}"
    return "nothing"


def refusals():
    model, alone = MADE["pth"][0], "VQGAN_autoencoder.pth"
    return {
        "width": said(lambda: x0(model, text=torch.zeros(2, 77, 768))),
        "picture": said(lambda: x0(model, x=X[:, :, 0])),
        "no text": said(lambda: model.model.apply_model(X, SIGMA)),
        "control": said(lambda: model.model.apply_model(X, SIGMA, c_crossattn=MADE["text"], control={"output": []})),
        "not beside": said(lambda: LOADER().load(FOLDER, "auto", "auto")),
        "another model": said(lambda: host.load_model(str(OURS / alone))),
        "another encoder": said(lambda: host.load_clip(str(OURS / alone))),
        "no vae": said(lambda: host.load_vae(str(OURS / PTH))),
        "pickled": said(lambda: host.load_model(str(ELSEWHERE / "pickled.pth"))),
        "gone": said(lambda: LOADER().load("gone.pth", "auto", "auto")),
        "outside": said(lambda: LOADER().load("../vae/kl.pt", "auto", "auto")),
    }  # fmt: skip


CHECKS = (
    without_files, with_files, both_layouts_load, same_as_the_equation, halves_apart, the_hosts_own_sampler,
    loaded_and_put_away, partly_loaded, half_precision, patches_of_the_model, vae_both_ways, refusals,
)  # fmt: skip
RESULTS = {}
for check in CHECKS:
    try:
        with torch.inference_mode():
            RESULTS[check.__name__] = check()
    except Exception:
        RESULTS[check.__name__] = f"raised: {traceback.format_exc()}"
print("RESULT " + json.dumps(RESULTS))  # noqa: T201
