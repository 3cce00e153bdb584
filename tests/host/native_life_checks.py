"""More of native_checks.py: files, words and wires that must not pass unseen, and what is held while a job runs.

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
import folder_paths  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

apart, noise, view_at = base.apart, base.noise, base.view_at
ASKED = (noise(1, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0]))


def check_closing():
    """After close the MODEL is as it was, and the guidance can be used again."""
    prior = base.image_guidance().prior
    x, sigma, view = noise(13, 1, 4, 8, 8), torch.tensor([1.0]), view_at([0.0])
    before = prior.denoise(x, sigma, view)
    prior.close()
    left = base.SD15.model.model.current_patcher
    return {"again": apart(prior.denoise(x, sigma, view), before), "left behind": float(left is not None)}


def check_files():
    """A result depends on the files behind the texts of its graph, wherever the host's loaders would look for them."""
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
        "input, marked": ("fox.png [input]", roots["input"] / "fox.png"),
        "first of two": ("fox.ckpt", roots["first"] / "fox.ckpt"),
        "second of two": ("fox.ckpt", roots["second"] / "fox.ckpt"),
        "word": ("a (embedding:fox:1.2), dancing", roots["embeddings"] / "fox.pt"),
        "word, long prompt": ("x " * 400 + "\n embedding:fox", roots["embeddings"] / "fox.pt"),
        "folder": ("sd15", roots["diffusers"] / "sd15" / "unet" / "weights.safetensors"),
        "absolute": (str(far), far),
        "absolute folder": (str(far.parent), far),
    }
    found = {}
    for name, (text, file) in cases.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        missing = stamps(text)
        file.write_text("1")
        first = stamps(text)
        file.write_text("22")
        found[name] = float(missing != first != stamps(text) == stamps(text))
    found["nothing"] = float(not any(stamps(text) for text in ("", "/", "..", "a\0b", "auto", "../stamps/input")))
    return found


def check_words():
    """A learned word that the host would drop without a sign is refused; whatever it reads is not."""
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


class Broke(BaseException):
    """As a cancel is one since 0.20.1."""


def check_opening():
    """Whatever breaks while a MODEL is opened, it is left as it was found, and it opens again."""
    whole = base.image_guidance().prior.denoise(*ASKED)
    samplers, found = comfy.samplers, {}
    for owner, name in ((samplers, "process_conds"), (helpers, "prepare_sampling"), (samplers, "cast_to_load_options")):
        prior, right = base.image_guidance(base.SD15.model.clone()).prior, getattr(owner, name)
        cleaned, calls = [], []
        prior.scorer.model.cleanup = lambda cleaned=cleaned: cleaned.append("model")
        prior.scorer.model.restore_hook_patches = lambda cleaned=cleaned: cleaned.append("hooks")

        def breaks(*args, calls=calls, right=right, **options):
            calls.append(1)
            if len(calls) == 1:
                raise Broke
            return right(*args, **options)

        setattr(owner, name, breaks)
        try:
            prior.denoise(*ASKED)
            found[name] = "did not break"
        except Broke:
            scorer = prior.scorer
            shut = (scorer.net, scorer.shape, scorer.ready, scorer.extra, scorer.options) == (None, None, {}, [], None)
            found[name] = "shut" if shut and {"model", "hooks"} <= set(cleaned) else f"open: {cleaned} {vars(scorer)}"
        finally:
            setattr(owner, name, right)
        found[f"{name} again"] = apart(prior.denoise(*ASKED), whole)
    return found


def check_room():
    """The room for field and encoder is part of each of the host's own requests for memory while a job runs, and an
    answer's own need is asked for again when a clone is loaded back."""
    memory = base.part("nodes.host.memory")
    first, second = base.image_guidance(), base.image_guidance(prompt="a whale", model=base.SD15.model.clone())
    before, asked = management.extra_reserved_memory(), []
    load = management.load_models_gpu

    def watched(models, *args, **options):
        asked.append((management.extra_reserved_memory() - before, options))
        return load(models, *args, **options)

    management.load_models_gpu = watched
    try:
        with memory.loaded_models([first, second]):
            for guidance in (first, second, first):
                guidance.prior.denoise(*ASKED)
            room = first.prior.scorer.room
    finally:
        management.load_models_gpu = load
    estimate = helpers.estimate_memory(base.SD15.model, (1, 4, 8, 8), {"positive": []})
    small, large = (base.image_guidance(size=s).prior.activation_bytes() for s in (256, 1024))
    weights = first.prior.weight_bytes()[0] | second.prior.weight_bytes()[0]  # of clones, which share them
    vae = first.prior.vae
    encoder = sum(v.nbytes for v in base.part("nodes.host.vae").private_encoder(vae).model.parameters())
    kept_free = memory.RESERVED_BYTES + first.prior.activation_bytes()
    return {
        "weights": len(weights) == 2 and weights[id(base.SD15.model.model)] > 0 and weights[id(vae)] == encoder,
        "kept": [kept for kept, _ in asked[1:]] == [kept_free] * (len(asked) - 1),
        "first": asked[0][1]["memory_required"] == kept_free, "requests": len(asked),
        "again": asked[-1][1] == {"memory_required": room[0], "minimum_memory_required": room[1]},
        "estimate": room[0] >= estimate[0] > 0, "given back": management.extra_reserved_memory() == before,
        "grows": large == 16 * small,
    }  # fmt: skip


def check_encoder_blocks():
    """Blocks that are run again: what the graph keeps, and its gradient bit by bit."""
    host_vae = base.part("nodes.host.vae")
    shown, found = base.picture(4, 1, 128), {}
    blocks = host_vae.blocks
    for name, chosen in (("again", blocks), ("plain", lambda encoder: [])):
        host_vae.blocks = chosen
        encoder, kept = host_vae.PrivateEncoder(base.SD15.vae), []
        leaf = shown.clone().requires_grad_(True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, k=kept: k.append(t.nbytes) or t, lambda t: t):
            latents = encoder._raw(leaf)
        found[name] = (torch.autograd.grad(latents, leaf, noise(5, *latents.shape))[0], sum(kept))
    host_vae.blocks = blocks
    (again, little), (plain, much) = found["again"], found["plain"]
    return {"equal": bool(torch.equal(again, plain)), "share": little / much, "gradient": float(plain.norm())}


if __name__ == "__main__":
    base.main(globals())
