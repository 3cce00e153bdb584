"""Textual inversion inside the host's own process, on a tiny SD 1.5 checkpoint in its real layout.

Run by the host's Python: inversion_checks.py COMFYUI_PATH MODELS. Reports the figures of each check. Nodes
are called in inference mode, as the host calls them.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from pack_in_host import enter_host, load_pack, run_checks  # noqa: E402

COMFYUI, MODELS = sys.argv[1], Path(sys.argv[2])
enter_host(COMFYUI)
sys.path.remove(str(Path(__file__).resolve().parent))

import comfy.samplers  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import folder_paths  # noqa: E402
import torch  # noqa: E402
from comfy_execution.graph import DynamicPrompt  # noqa: E402

torch.set_num_threads(1)
WORK = MODELS.parent / "inversion"
folder_paths.set_output_directory(str(WORK / "output"))
folder_paths.folder_names_and_paths["embeddings"] = ([str(WORK / "embeddings")], {".safetensors", ".pt", ".bin"})


part = load_pack()
PACK = part("nodes").NODE_CLASS_MAPPINGS
host_inversion = part("nodes.host.inversion")
TINY = {"init_word": "robot", "name": "tiny_robot", "steps": 3, "batch": 2, "chunk": 1, "rate": 0.05, "size": 64}
TINY |= {"seed": 1, "resume": "auto"}


@torch.inference_mode()
def checkpoint():
    return comfy.sd.load_checkpoint_guess_config(
        str(MODELS / "checkpoints" / "tiny_sd15.safetensors"), embedding_directory=[str(WORK / "embeddings")]
    )[:3]


@torch.inference_mode()
def reference():
    image, mask = PACK["A124ExamplePicture"]().make("robot")
    inputs = {"mask_marks": "auto", "recentre": False, "elevation": 0.0, "azimuth": 0.0, "radius": 1.8, "fovy": 40.0}
    return PACK["A124Reference"]().make(image, **inputs, mask=mask)["result"][0]


def digest(model, clip, vae):
    sha = hashlib.sha256()
    for module in (model.model.diffusion_model, clip.cond_stage_model, vae.first_stage_model):
        for name, value in sorted(module.state_dict().items()):
            sha.update(name.encode() + value.detach().cpu().float().contiguous().numpy().tobytes())
    return sha.hexdigest()


@torch.inference_mode()
def learn(models, **changes):
    """Call the node as the host does, with its queued graph."""
    inputs = {**TINY, **changes}
    queued = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny_sd15.safetensors"}}}
    wires = {name: ["1", k] for k, name in enumerate(("model", "clip", "vae"))}
    queued["2"] = {"class_type": "A124TextualInversion", "inputs": {**wires, **inputs}}
    hidden = {"graph": DynamicPrompt(queued), "unique_id": "2"}
    return PACK["A124TextualInversion"]().learn(*models, reference(), **inputs, **hidden)["result"]


def rel_error(a, b):
    return float((a - b).norm() / b.norm())


MODELS_LOADED = checkpoint()


def learns_an_embedding_and_leaves_the_host_unchanged():
    model, clip, vae = MODELS_LOADED
    before = digest(model, clip, vae)
    out_clip, token = learn(MODELS_LOADED)
    file = WORK / "embeddings" / "tiny_robot.safetensors"
    embedding = comfy.utils.load_torch_file(str(file))["emb_params"]
    start = host_inversion.inversion_model(model, clip, vae, "robot", torch.device("cpu")).initial_embedding()
    with torch.inference_mode():
        learned, plain = (
            out_clip.encode_from_tokens(out_clip.tokenize(f"a photo of a {w}")) for w in (token, "robot")
        )
    return {
        "token": token, "shape": list(embedding.shape), "moved": rel_error(embedding, start),
        "finite": bool(embedding.isfinite().all()),
        "prompt changes": rel_error(learned, plain), "weights equal": digest(model, clip, vae) == before,
    }


def copies_equal_the_host():
    """Context of the copied text encoder against the host's; x0_hat of the copied UNet against apply_model."""
    model, clip, vae = MODELS_LOADED
    copies = host_inversion.inversion_model(model, clip, vae, "robot", torch.device("cpu"))
    rng = torch.Generator().manual_seed(0)
    x, sigma = torch.randn(2, 4, 8, 8, generator=rng), torch.tensor([0.5, 3.0])
    templates = ["a photo of a {}", "a rendition of the {}"]
    with torch.no_grad():
        contexts = copies.encode_templates(copies.initial_embedding(), templates)
        ours = copies.denoise(x, sigma, copies.initial_embedding(), templates)
    with torch.inference_mode():
        texts = [clip.encode_from_tokens(clip.tokenize(t.format("robot"))) for t in templates]
        texts = torch.cat([t.cpu() for t in texts])
        import comfy.model_management as management

        management.load_models_gpu([model])
        host = model.model.apply_model(x, sigma, c_crossattn=texts)
    token = copies.initial_embedding().requires_grad_(True)
    copies.denoise(x, sigma, token, templates).square().mean().backward()
    gradient = token.grad.clone()
    for block in (*copies.unet.input_blocks, copies.unet.middle_block, *copies.unet.output_blocks):
        for layer in block:
            layer.__dict__.pop("forward")  # without gradient checkpointing
    token.grad = None
    copies.denoise(x, sigma, token, templates).square().mean().backward()
    return {
        "text": rel_error(contexts, texts), "x0": rel_error(ours, host.cpu()),
        "checkpointed gradient": rel_error(gradient, token.grad), "gradient": float(gradient.norm()),
    }


def a_cancelled_run_resumes_to_the_same_embedding():
    ui, calls = part("nodes.host.ui"), []
    whole = comfy.utils.load_torch_file(str(WORK / "embeddings" / "tiny_robot.safetensors"))["emb_params"]
    original = ui.stop_if_cancelled

    class Cancelled(BaseException):
        pass

    def cancel():
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled

    ui.stop_if_cancelled = cancel
    try:
        learn(MODELS_LOADED, resume="restart")
        return {"cancelled": False}
    except Cancelled:
        pass
    finally:
        ui.stop_if_cancelled = original
    snapshots = len(list((WORK / "output").rglob("progress.safetensors")))
    calls.clear()
    ui.stop_if_cancelled = lambda: calls.append(1)
    learn(MODELS_LOADED)
    ui.stop_if_cancelled = original
    embedding = comfy.utils.load_torch_file(str(WORK / "embeddings" / "tiny_robot.safetensors"))["emb_params"]
    return {"cancelled": True, "snapshots": snapshots, "steps left": len(calls), "same": torch.equal(embedding, whole)}


def a_lora_takes_effect():
    import comfy.sd

    model, clip, vae = MODELS_LOADED
    with torch.inference_mode():
        lora = comfy.utils.load_torch_file(str(MODELS / "loras" / "tiny_lora.safetensors"))
        patched, _ = comfy.sd.load_lora_for_models(model, clip, lora, 1.0, 1.0)
    rng = torch.Generator().manual_seed(0)
    x, sigma = torch.randn(1, 4, 8, 8, generator=rng), torch.tensor([2.0])
    with torch.no_grad():
        denoised = []
        for wired in (model, patched):
            copies = host_inversion.inversion_model(wired, clip, vae, "robot", torch.device("cpu"))
            denoised.append(copies.denoise(x, sigma, copies.initial_embedding(), ["a photo of a {}"]))
    return {"change": rel_error(denoised[1], denoised[0])}


def attention_patches_get_their_block():
    """A patch on the wired MODEL: the gradient through checkpointing, and the number that each block passes."""
    model, clip, vae = MODELS_LOADED
    blocks = []

    def patch(q, context, value, options):
        blocks.append((*options["block"], options["block_index"]))
        return q, context, value * (3.0 if options["block"][0] == "output" else 0.5)

    with torch.inference_mode():
        patched = model.clone()
        patched.set_model_attn2_patch(patch)
    copies = host_inversion.inversion_model(patched, clip, vae, "robot", torch.device("cpu"))
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def gradient():
        blocks.clear()
        token = copies.initial_embedding().requires_grad_(True)
        copies.denoise(x, torch.tensor([2.0]), token, ["a photo of a {}"]).square().mean().backward()
        return token.grad, sorted(blocks)

    checkpointed, twice = gradient()
    for block in (*copies.unet.input_blocks, copies.unet.middle_block, *copies.unet.output_blocks):
        for layer in block:
            layer.__dict__.pop("forward")
    plain, once = gradient()
    return {"gradient": rel_error(checkpointed, plain), "twice": twice == sorted(2 * once), "blocks": len(set(once))}


def a_clip_of_other_dimensions_is_refused_before_anything_is_copied():
    model, clip, vae = MODELS_LOADED
    networks = part("nodes.host.networks")
    copied, copy_of = [], networks.patched_copy
    networks.patched_copy = lambda *a: copied.append(1) or copy_of(*a)
    embeddings = clip.cond_stage_model.clip_l.transformer.get_input_embeddings()
    whole = embeddings.weight
    try:
        embeddings.weight = torch.nn.Parameter(torch.zeros(9, 512), requires_grad=False)
        host_inversion.inversion_model(model, clip, vae, "robot", torch.device("cpu"))
        return {"message": "accepted"}
    except ValueError as error:
        return {"message": str(error), "copied": len(copied)}
    finally:
        embeddings.weight, networks.patched_copy = whole, copy_of


def invalid_names_and_words():
    model, clip, vae = MODELS_LOADED
    messages = {}
    for name, changes in {
        "empty": {"init_word": " ", "name": "empty"}, "path": {"name": "../up"}, "taken": {"name": "foreign"},
        "another's": {"init_word": "animal"},
    }.items():
        (WORK / "embeddings").mkdir(parents=True, exist_ok=True)
        torch.save({"emb_params": torch.zeros(1, 768)}, WORK / "embeddings" / "foreign.pt")
        try:
            learn(MODELS_LOADED, **changes)
            messages[name] = "accepted"
        except ValueError as error:
            messages[name] = str(error)
    return messages


if __name__ == "__main__":
    run_checks((
        learns_an_embedding_and_leaves_the_host_unchanged,
        copies_equal_the_host,
        a_cancelled_run_resumes_to_the_same_embedding,
        a_lora_takes_effect,
        attention_patches_get_their_block,
        a_clip_of_other_dimensions_is_refused_before_anything_is_copied,
        invalid_names_and_words,
    ))
