"""DreamBooth inside the host's own process, on a tiny SD 1.5 checkpoint in its real layout.

Run by the host's Python: dreambooth_checks.py COMFYUI_PATH MODELS. Reports the figures of each check. Nodes are called
in inference mode, as the host calls them.
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

import comfy.model_management as management  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import folder_paths  # noqa: E402
import torch  # noqa: E402
from comfy_execution.graph import DynamicPrompt  # noqa: E402

torch.set_num_threads(1)
WORK = MODELS.parent / "dreambooth"
LORAS = WORK / "loras"
LORAS.mkdir(parents=True, exist_ok=True)
folder_paths.set_output_directory(str(WORK / "output"))
folder_paths.folder_names_and_paths["loras"] = ([str(LORAS)], {".safetensors"})

part = load_pack()
PACK = part("nodes").NODE_CLASS_MAPPINGS
host_dreambooth = part("nodes.host.dreambooth")
INSTANCE, CLASS = "a photo of sks robot", "a photo of a robot"
TINY = {"instance_prompt": INSTANCE, "class_prompt": CLASS, "name": "tiny_robot", "steps": 3, "class_images": 1}
TINY |= {"batch": 1, "chunk": 1, "rate": 1e-3, "class_weight": 1.0, "size": 64, "views": 2, "strength": 0.4, "seed": 1}
TINY |= {"rank": 2, "resume": "auto"}


@torch.inference_mode()
def checkpoint():
    return comfy.sd.load_checkpoint_guess_config(str(MODELS / "checkpoints" / "tiny_sd15.safetensors"))[:3]


@torch.inference_mode()
def reference():
    image, mask = PACK["A124ExamplePicture"]().make("robot")
    inputs = {"mask_marks": "auto", "recentre": False, "elevation": 0.0, "azimuth": 0.0, "radius": 1.8, "fovy": 40.0}
    return PACK["A124Reference"]().make(image, **inputs, mask=mask)["result"][0]


def scene():
    config = part("a124core.field.config").FieldConfig(levels=2, log2_hashmap_size=8, hidden=4, time_grids=1)
    return part("a124core.field.field4d").new_field(config, torch.Generator().manual_seed(0))


def digest(model, clip, vae):
    sha = hashlib.sha256()
    for module in (model.model.diffusion_model, clip.cond_stage_model, vae.first_stage_model):
        for name, value in sorted(module.state_dict().items()):
            sha.update(name.encode() + value.detach().cpu().float().contiguous().numpy().tobytes())
    return sha.hexdigest()


@torch.inference_mode()
def learn(wires, field=None, **changes):
    """Call the node as the host does, with its queued graph; two sampling steps for each image that the model makes."""
    inputs = {**TINY, **changes}
    queued = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny_sd15.safetensors"}}}
    links = {name: ["1", k] for k, name in enumerate(("model", "clip", "vae"))}
    queued["2"] = {"class_type": "A124DreamBooth", "inputs": {**links, **inputs}}
    hidden = {"graph": DynamicPrompt(queued), "unique_id": "2"}
    module = part("nodes.guidance.dreambooth")
    config = part("a124core.dreambooth.config").DreamBoothConfig
    module.DreamBoothConfig = lambda *a, **o: config(*a, **{**o, "sampling_steps": 2})
    return PACK["A124DreamBooth"]().learn(*wires, reference(), **inputs, field=field, **hidden)["result"]


def rel_error(a, b):
    return float((a - b).norm() / b.norm())


@torch.inference_mode()
def x0_hat(model, clip, prompt=INSTANCE):
    """apply_model of the host's own MODEL, with whatever LoRA is on the wire."""
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    text = clip.encode_from_tokens(clip.tokenize(prompt)).cpu()
    management.load_models_gpu([model])
    return model.model.apply_model(x, torch.tensor([2.0]), c_crossattn=text).cpu().clone()


WIRES = checkpoint()


def learns_a_lora_and_leaves_the_host_unchanged():
    """Also: the file through the host's own node; and that with it the host predicts as the trained copy does."""
    import nodes as host_nodes

    model, clip, vae = WIRES
    before = digest(*WIRES)
    kept, build = [], part("nodes.guidance.dreambooth").lora_model

    def keeping(*args):
        kept.append(build(*args))
        return kept[0]

    part("nodes.guidance.dreambooth").lora_model = keeping
    patched, file = learn(WIRES)
    part("nodes.guidance.dreambooth").lora_model = build
    unchanged = digest(*WIRES) == before
    with torch.inference_mode():
        loaded = host_nodes.LoraLoader().load_lora(model, clip, file, 1.0, 1.0)
        plain, by_node, by_loader = (x0_hat(m, clip) for m in (model, patched, loaded[0]))
    with torch.no_grad():
        x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        trained = kept[0].denoise(x, torch.tensor([2.0]), [INSTANCE])
    content = comfy.utils.load_torch_file(str(LORAS / file))
    key_map = comfy.lora.model_lora_keys_unet(model.model, {})
    return {
        "file": file, "weights equal": unchanged, "change": rel_error(by_node, plain),
        "loader": rel_error(by_loader - plain, by_node - plain), "copy": rel_error(trained - plain, by_node - plain),
        "patches": len(patched.patches), "projections": len(kept[0].adapters),
        "unknown": [name for name in content if name.rsplit(".lora_", 1)[0].removesuffix(".alpha") not in key_map],
        "up": float(max(t.abs().max() for n, t in content.items() if "lora_up" in n)),
    }


def the_loss_falls():
    """Thirty steps on one image without class images: first and last third."""
    learn_lora = part("a124core.dreambooth.learn").learn_lora
    config = part("a124core.dreambooth.config").DreamBoothConfig(
        INSTANCE, steps=30, rank=4, lr=1e-3, class_weight=0.0, size=64, batch=2
    )
    subject = part("a124core.dreambooth.subject")
    losses = []
    with torch.inference_mode(False), torch.enable_grad():
        model = host_dreambooth.lora_model(*WIRES, 4, torch.device("cpu"))
        image = subject.subject_of(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)), 64)
        run = part("a124core.inversion.steps").LearnRun(0, lambda step: losses.append(step.loss))
        learn_lora(image, model, config, run)
    return {"first": sum(losses[:10]), "last": sum(losses[-10:])}


def a_cancelled_run_resumes_to_the_same_lora():
    """With renderings of a scene."""
    ui, calls, original = part("nodes.host.ui"), [], part("nodes.host.ui").stop_if_cancelled
    learn(WIRES, scene(), resume="restart", name="whole")
    progress = part("nodes.optimize.progress").NodeProgress
    on_step = progress.on_step

    class Cancelled(BaseException):
        pass

    def cancel(self, step):
        on_step(self, step)
        if step.step == 2:
            raise Cancelled

    progress.on_step = cancel
    try:
        learn(WIRES, scene(), resume="restart", name="again")
        return {"cancelled": False}
    except Cancelled:
        pass
    finally:
        progress.on_step = on_step
    snapshots = len(list((WORK / "output").rglob("progress.safetensors")))
    ui.stop_if_cancelled = lambda: calls.append(1)
    progress.on_step = lambda self, step: calls.append(step.step)
    learn(WIRES, scene(), name="again")
    ui.stop_if_cancelled, progress.on_step = original, on_step
    whole, again = (comfy.utils.load_torch_file(str(LORAS / f"{name}.safetensors")) for name in ("whole", "again"))
    same = whole.keys() == again.keys() and all(torch.equal(whole[n], again[n]) for n in whole)
    return {"cancelled": True, "snapshots": snapshots, "last": calls[-1], "same": same}


def wrong_wires_and_names():
    messages = {}
    (LORAS / "foreign.safetensors").unlink(missing_ok=True)
    comfy.utils.save_torch_file({"a": torch.zeros(1)}, str(LORAS / "foreign.safetensors"))
    for name, changes in {
        "rank": {"rank": 321, "name": "other"}, "path": {"name": "../up"}, "taken": {"name": "foreign"},
        "class": {"class_prompt": " ", "name": "other"}, "another's": {"instance_prompt": "a photo of xyz animal"},
        "steps": {"steps": 0, "name": "other"},
    }.items():
        try:
            learn(WIRES, **changes)
            messages[name] = "accepted"
        except ValueError as error:
            messages[name] = str(error)
    return messages


if __name__ == "__main__":
    run_checks((
        learns_a_lora_and_leaves_the_host_unchanged,
        the_loss_falls,
        a_cancelled_run_resumes_to_the_same_lora,
        wrong_wires_and_names,
    ))
