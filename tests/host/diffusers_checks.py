"""A124DiffusersGuidance in the host's process, as the host calls nodes: the menu, and all stages with it.

Run by the host's Python: diffusers_checks.py COMFYUI_PATH BASE. Reports the menu and the fields.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def defaults(node) -> dict:
    """Return what the widgets of a fresh node hold."""
    values = {}
    for name, spec in node.INPUT_TYPES()["required"].items():
        if isinstance(spec[0], list):
            values[name] = spec[1].get("default", spec[0][0])
        elif spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN"):
            values[name] = spec[1]["default"]
    return values


def call(node, **inputs):
    output = getattr(node(), node.FUNCTION)(**{**defaults(node), **inputs})
    return output["result"] if isinstance(output, dict) else output


def stages(nodes: dict[str, type]) -> dict:
    """Run two steps of each stage, with every role in its stage -> [time grids, all finite] of the fields."""
    image, mask = call(nodes["A124ExamplePicture"])[:2]
    reference = call(nodes["A124Reference"], image=image, mask=mask)[0]

    def guidance(role: str, model: str, output: int, **inputs):
        return call(nodes["A124DiffusersGuidance"], role=role, model=f"diffusers/{model}", size=16, **inputs)[output]

    control = "diffusers/control_v11f1e_sd15_tile"
    personalised = {"control_net": control, "prompt": "a embedding:fox is dancing"}
    image_guidance = guidance("image", "stable-diffusion-v1-5", 0)
    view = {"view_guidance": guidance("view", "zero123-xl", 1, reference=reference)}
    video = {"video_guidance": guidance("video", "text-to-video-ms-1.7b", 2)}
    refine = guidance("refine", "stable-diffusion-v1-5", 3, **personalised)
    common = {"preset": "demo", "steps": 2, "resume": "restart", "reference": reference}
    static = call(nodes["A124StaticOptimizer"], image_guidance=image_guidance, **view, **common)[0]
    coarse = call(nodes["A124CoarseOptimizer"], field=static, **view, **video, **common)[0]
    fine = call(nodes["A124FineOptimizer"], field=coarse, refine_guidance=refine, **view, **video, **common)[0]
    tables = {"static": static.table, "coarse": coarse.table, "fine": fine.table}
    return {name: [len(table), bool(table.isfinite().all())] for name, table in tables.items()}


def move_away(base: Path, name: str) -> None:
    """Move one model to another folder, which extra_model_paths.yaml names."""
    from utils.extra_config import load_extra_path_config

    (base / "elsewhere").mkdir()
    (base / "models" / "diffusers" / name).rename(base / "elsewhere" / name)
    (base / "extra.yaml").write_text(f"mine:\n  base_path: {base}\n  diffusers: elsewhere\n")
    load_extra_path_config(str(base / "extra.yaml"))


def main(comfyui: str, base: Path) -> None:
    from pack_in_host import enter_host, load_pack, report

    enter_host(comfyui, "--base-directory", str(base))
    import comfy.model_management  # noqa: F401 (the pack looks them up, it imports nothing of the host)
    import comfy.utils  # noqa: F401
    import folder_paths  # noqa: F401
    import torch
    from safetensors.torch import save_file

    sys.path.append(str(HERE.parent))
    from tiny_folders import WIDTH, everything

    torch.set_num_threads(1)
    everything(base / "models" / "diffusers")
    move_away(base, "text-to-video-ms-1.7b")
    (base / "models" / "embeddings").mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": torch.randn(1, WIDTH)}, base / "models" / "embeddings" / "fox.safetensors")
    nodes = load_pack()("nodes").NODE_CLASS_MAPPINGS
    menu = nodes["A124DiffusersGuidance"].INPUT_TYPES()["required"]["model"][0]
    with torch.inference_mode():  # as the host runs nodes
        report({"menu": menu, **stages(nodes)})


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main(sys.argv[1], Path(sys.argv[2]))
