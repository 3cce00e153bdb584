"""More of native_checks.py: patches, files, embeddings and wires, and the memory of a run.

Run by the host's Python: native_life_checks.py COMFYUI_PATH MODELS.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import native_checks as base  # noqa: E402

sys.path.remove(str(HERE))

import comfy.controlnet  # noqa: E402
import comfy.model_management as management  # noqa: E402
import comfy.sampler_helpers as helpers  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import folder_paths  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

rel_error, noise, view_at = base.rel_error, base.noise, base.view_at
INPUTS = (noise(1, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0]))


def check_closing():
    """After close the MODEL is restored, and the guidance can be used again."""
    prior = base.image_guidance().prior
    x, sigma, view = noise(13, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0])
    before = prior.denoise(x, sigma, view)
    prior.close()
    patcher = base.SD15.model.model.current_patcher
    return {"again": rel_error(prior.denoise(x, sigma, view), before), "left behind": float(patcher is not None)}


def check_lora():
    """A LoRA on the MODEL changes x0_hat; used in turn with the bare MODEL, neither disturbs the other."""
    weights = comfy.utils.load_torch_file(str(base.MODELS / "loras/tiny_lora.safetensors"))
    with torch.inference_mode():
        model, _ = comfy.sd.load_lora_for_models(base.SD15.model, base.SD15.clip, weights, 1.0, 0.0)
    x, sigma, view = noise(8, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0])
    bare, other = base.image_guidance().prior, base.image_guidance(model).prior
    turns = [p.denoise(x, sigma, view) for p in (bare, other, bare, other)]
    return {
        "changed": rel_error(turns[1], turns[0]), "bare again": rel_error(turns[2], turns[0]),
        "lora again": rel_error(turns[3], turns[1]),
    }


def check_patches():
    """A CFG patch and a model function wrapper of the wired MODEL are called; embedding:name takes effect."""
    calls = []
    with torch.inference_mode():
        model = base.SD15.model.clone()
        model.set_model_sampler_cfg_function(lambda a: calls.append("cfg") or a["uncond"] / 2 + a["cond"] / 2)
        wrapper = lambda apply, a: calls.append("apply") or apply(a["input"], a["timestep"], **a["c"])  # noqa: E731
        model.set_model_unet_function_wrapper(wrapper)
    x, sigma, view = noise(9, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0])
    patched = base.image_guidance(model).prior.denoise(x, sigma, view)
    bare = base.image_guidance().prior.denoise(x, sigma, view)
    learned = base.image_guidance(prompt="a embedding:tiny_word").prior.denoise(x, sigma, view)
    without = base.image_guidance(prompt="a").prior.denoise(x, sigma, view)
    both = float({"cfg", "apply"} <= set(calls))
    return {"changed": rel_error(patched, bare), "called": both, "embedding": rel_error(learned, without)}


def check_files():
    """A result depends on the files that the texts of its graph name, in any folder of the host's loaders."""
    roots = {name: base.MODELS / "stamps" / name for name in ("input", "first", "second", "embeddings", "diffusers")}
    for root in roots.values():
        root.mkdir(parents=True, exist_ok=True)
    folder_paths.set_input_directory(str(roots["input"]))
    folder_paths.add_model_folder_path("checkpoints", str(roots["first"]))
    folder_paths.add_model_folder_path("checkpoints", str(roots["second"]))
    folder_paths.add_model_folder_path("embeddings", str(roots["embeddings"]))
    folder_paths.add_model_folder_path("diffusers", str(roots["diffusers"]))
    stamps = base.part("nodes.host.file_stamps").file_stamps
    far = base.MODELS / "stamps" / "far" / "model.ckpt"
    cases = {
        "input": ("fox.png", roots["input"] / "fox.png"),
        "input, annotated": ("fox.png [input]", roots["input"] / "fox.png"),
        "first of two": ("fox.ckpt", roots["first"] / "fox.ckpt"),
        "second of two": ("fox.ckpt", roots["second"] / "fox.ckpt"),
        "embedding": ("a (embedding:fox:1.2), dancing", roots["embeddings"] / "fox.pt"),
        "embedding, long prompt": ("x " * 400 + "\n embedding:fox", roots["embeddings"] / "fox.pt"),
        "folder": ("sd15", roots["diffusers"] / "sd15" / "unet" / "weights.safetensors"),
        "absolute": (str(far), far),
        "absolute folder": (str(far.parent), far),
    }
    changes = {}
    for name, (text, file) in cases.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        missing = stamps(text)
        file.write_text("1")
        first = stamps(text)
        file.write_text("22")
        changes[name] = float(missing != first != stamps(text) == stamps(text))
    changes["nothing"] = float(not any(stamps(text) for text in ("", "/", "..", "a\0b", "auto", "../stamps/input")))
    return changes


def check_embeddings():
    """An embedding that the host would drop with a line in its log is refused; whatever it reads is not."""
    folder = base.MODELS / "embeddings"
    save_file({"emb_params": torch.zeros(2, 1024)}, str(folder / "wide.safetensors"))
    save_file({"emb_params": torch.zeros(90, 768)}, str(folder / "long.safetensors"))
    prompts = {
        "missing": "a (embedding:nobody:1.1) is dancing",
        "wide": "embedding:tiny_word and embedding:wide",
        "glued": "a-embedding:tiny_word",
        "read": "a embedding:tiny_word, (embedding:tiny_word:1.3)\nembedding:long",
    }
    return {name: base.refused(lambda p=prompt: base.image_guidance(prompt=p)) for name, prompt in prompts.items()}


def check_control_lora():
    return base.refused(lambda: base.refine_guidance(control_net=comfy.controlnet.ControlLora({})))


class Failed(BaseException):
    """A cancel is one since 0.20.1."""


def check_opening():
    """Whatever breaks while a MODEL is opened, it is restored, and it opens again."""
    whole = base.image_guidance().prior.denoise(*INPUTS)
    samplers, outcomes = comfy.samplers, {}
    for owner, name in ((samplers, "process_conds"), (helpers, "prepare_sampling"), (samplers, "cast_to_load_options")):
        prior, original = base.image_guidance(base.SD15.model.clone()).prior, getattr(owner, name)
        cleaned, calls = [], []
        prior.denoiser.model.cleanup = lambda cleaned=cleaned: cleaned.append("model")
        prior.denoiser.model.restore_hook_patches = lambda cleaned=cleaned: cleaned.append("hooks")

        def fail_once(*args, calls=calls, original=original, **options):
            calls.append(1)
            if len(calls) == 1:
                raise Failed
            return original(*args, **options)

        setattr(owner, name, fail_once)
        try:
            prior.denoise(*INPUTS)
            outcomes[name] = "did not fail"
        except Failed:
            d = prior.denoiser
            state = (d.inner_model, d.shape, d.processed_conds, d.loaded_models, d.options)
            closed = state == (None, None, {}, [], None) and {"model", "hooks"} <= set(cleaned)
            outcomes[name] = "closed" if closed else f"open: {cleaned} {vars(d)}"
        finally:
            setattr(owner, name, original)
        outcomes[f"{name} again"] = rel_error(prior.denoise(*INPUTS), whole)
    return outcomes


def check_reserved_vram():
    """The VRAM of field and encoder is part of each of the host's own requests during a run, and a MODEL's own need is
    requested again when a clone is loaded back."""
    memory = base.part("nodes.host.memory")
    first, second = base.image_guidance(), base.image_guidance(prompt="a whale", model=base.SD15.model.clone())
    before, requests = management.extra_reserved_memory(), []
    load = management.load_models_gpu

    def recorded(models, *args, **options):
        requests.append((management.extra_reserved_memory() - before, options))
        return load(models, *args, **options)

    management.load_models_gpu = recorded
    try:
        with memory.loaded_models([first, second]):
            for guidance in (first, second, first):
                guidance.prior.denoise(*INPUTS)
            required = first.prior.denoiser.memory_required
    finally:
        management.load_models_gpu = load
    estimate = helpers.estimate_memory(base.SD15.model, (1, 4, 8, 8), {"positive": []})
    small, large = (base.image_guidance(size=s).prior.activation_bytes() for s in (256, 1024))
    weights = first.prior.weight_bytes()[0] | second.prior.weight_bytes()[0]  # of clones, which share them
    vae = first.prior.vae
    encoder = sum(v.nbytes for v in base.part("nodes.host.vae").private_encoder(vae).model.parameters())
    reserved = memory.RESERVED_BYTES + first.prior.activation_bytes()
    return {
        "weights": len(weights) == 2 and weights[id(base.SD15.model.model)] > 0 and weights[id(vae)] == encoder,
        "reserved": [extra for extra, _ in requests[1:]] == [reserved] * (len(requests) - 1),
        "first": requests[0][1]["memory_required"] == reserved, "requests": len(requests),
        "again": requests[-1][1] == {"memory_required": required[0], "minimum_memory_required": required[1]},
        "estimate": required[0] >= estimate[0] > 0, "released": management.extra_reserved_memory() == before,
        "grows": large == 16 * small,
    }


def check_encoder_blocks():
    """Checkpointed blocks: what the graph keeps, and its gradient bit by bit."""
    host_vae = base.part("nodes.host.vae")
    image, results = base.random_image(4, 1, 128), {}
    blocks = host_vae.blocks
    for name, chosen in (("checkpointed", blocks), ("plain", lambda encoder: [])):
        host_vae.blocks = chosen
        encoder, saved = host_vae.PrivateEncoder(base.SD15.vae), []
        leaf = image.clone().requires_grad_(True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, k=saved: k.append(t.nbytes) or t, lambda t: t):
            latents = encoder._encode(leaf)
        results[name] = (torch.autograd.grad(latents, leaf, noise(5, *latents.shape))[0], sum(saved))
    host_vae.blocks = blocks
    (checkpointed, kept), (plain, kept_plain) = results["checkpointed"], results["plain"]
    equal = torch.equal(checkpointed, plain)
    return {"equal": equal, "share": kept / kept_plain, "gradient": float(plain.norm())}


if __name__ == "__main__":
    base.main(globals())
