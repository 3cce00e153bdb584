"""The templates of what users own: a 3D model and a clip, pictures from all around, a model that moves.

Model, clip and pictures are those of a built-in scene. TripoSplat and the background removal need weights: in their
places come the scene's surface as a saved splat, through the host's own loaders, and the picture's transparency.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from a124core.cameras.paths import CameraPath, Orbit, StaticCamera
from a124core.export.checkpoint import save_field
from a124core.priors.builtin.appearance import Appearance, get_subject
from a124core.priors.builtin.bank import GroundTruth
from tests.host.test_host import node_of, nodes_of
from tests.host.test_native_workflows import runs_to_the_end
from tests.host.test_splat import dense_field

SUBJECT, MOTION = "robot", "sway"
SPACING = 0.05  # of the splat, world units between Gaussians
CLIP, ORBIT, SIZE = 8, 12, 128  # frames, pictures, pixels a side
WEIGHTS = (
    "UNETLoader", "CLIPVisionLoader", "VAELoader", "TripoSplatPreprocessImage", "TripoSplatConditioning", "KSampler",
    "LoadBackgroundRemovalModel",
)
COLUMNS = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0",
    "rot_1", "rot_2", "rot_3",
)


@pytest.fixture(scope="module")
def owned(host: Any) -> Any:
    """The running host with a picture, a splat, a clip and an orbit of one scene in its input folder."""
    folder = host.base / "input"
    truth = GroundTruth(Appearance(get_subject(SUBJECT), "reference", MOTION), 0.0)
    image, mask = rendered(truth, StaticCamera(), CLIP, still=False)
    film(folder / "clip.mp4", image)
    film(folder / "orbit.mp4", rendered(truth, Orbit(), ORBIT, still=True)[0])
    Image.fromarray(np.concatenate((to_bytes(image[:1]), to_bytes(mask[:1])), -1)[0]).save(folder / "picture.png")
    write_splat(folder / "3d" / "model.ply")
    return host


def rendered(truth: GroundTruth, path: CameraPath, frames: int, still: bool) -> tuple[Tensor, Tensor]:
    cameras, times = path(frames)
    return truth.render(cameras, torch.zeros(frames) if still else times, SIZE)


def film(path: Path, images: Tensor) -> None:
    iio.imwrite(path, to_bytes(images), plugin="pyav", codec="libx264", fps=12)


def to_bytes(images: Tensor) -> np.ndarray:  # (N, C, H, W) -> (N, H, W, C)
    return (images.clamp(0.0, 1.0) * 255).round().byte().movedim(1, -1).numpy()


def write_splat(path: Path) -> None:
    """Write a subject's surface as a PLY of flat Gaussians, y downwards."""
    surfels = get_subject(SUBJECT).surfels(SPACING)
    down, count = torch.tensor([1.0, -1.0, -1.0]), len(surfels.points)
    normals = surfels.normals * down
    turn = torch.stack((1 + normals[:, 2], -normals[:, 1], normals[:, 0], torch.zeros(count)), 1)
    turn[turn[:, 0] < 1e-6] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    scales = torch.log(torch.tensor([0.6, 0.6, 0.06]) * SPACING).expand(count, 3)
    colours, opacity = (surfels.colours - 0.5) / 0.28209479, torch.full((count, 1), 3.0)
    columns = (surfels.points * down, torch.zeros(count, 3), colours, opacity, scales, turn)
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    lines += [*(f"property float {name}" for name in COLUMNS), "end_header\n"]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("\n".join(lines).encode() + torch.cat(columns, 1).float().numpy().tobytes())


def with_saved_splat(prompt: dict[str, dict]) -> dict[str, dict]:
    """The prompt with a splat from a file in TripoSplat's place, and masks without a network."""
    picture, decoder = node_of(prompt, "LoadImage"), node_of(prompt, "VAEDecodeTripoSplat")
    for number in [key for kind in WEIGHTS for key in nodes_of(prompt, kind)]:
        del prompt[number]
    images = {"image": "picture.png", "mask": "picture.png", "normal": "picture.png", "recording": "",
              "camera_info": {}}
    loaded = {"model_file": "3d/model.ply", "width": 64, "height": 64, "image": images}
    prompt["900"] = {"class_type": "Load3D", "inputs": loaded}
    prompt[decoder] = {"class_type": "File3DToSplat", "inputs": {"model_3d": ["900", 6]}}
    for number in nodes_of(prompt, "RemoveBackground"):
        if prompt[number]["inputs"]["image"][0] == picture:
            prompt[number] = {"class_type": "InvertMask", "inputs": {"mask": [picture, 1]}}
        else:  # of the clip, whose background is even
            del prompt[number]
            for node in prompt.values():
                node["inputs"] = {name: wire for name, wire in node["inputs"].items() if wire != [number, 0]}
    return prompt


def overlap(entry: dict, prompt: dict) -> float:
    """Percent that the model's node says of its alignment."""
    return float(entry["outputs"][node_of(prompt, "A124ModelGuidance")]["text"][0].split("overlaps ")[1].split(" %")[0])


def test_a_splat_and_a_clip_go_through_all_stages(owned: Any, schemas: dict, cut: Any) -> None:
    if "VAEDecodeTripoSplat" not in schemas:
        pytest.skip("this host has no splats")
    prompt = with_saved_splat(cut("09_model_and_clip"))
    entry = runs_to_the_end(owned, prompt)
    assert overlap(entry, prompt) >= 80.0  # of a few flat Gaussians, which leave gaps
    clip = prompt[node_of(prompt, "A124ClipGuidance")]["inputs"]
    assert clip["refine_guidance"] == [node_of(prompt, "A124ModelGuidance"), 3]
    assert glb_of(owned, entry, prompt)[:4] == b"glTF"


def test_an_orbit_of_pictures_becomes_a_still_scene(owned: Any, cut: Any) -> None:
    prompt = cut("10_posed_views")
    entry = runs_to_the_end(owned, prompt)
    assert overlap(entry, prompt) >= 90.0
    assert glb_of(owned, entry, prompt)[:4] == b"glTF"


def following(prompt: dict[str, dict], schemas: dict, steps: tuple[int, int, int]) -> dict[str, dict]:
    """The prompt of an orbit of pictures, with a clip that their visual hull follows through all three stages."""
    reference, model, static, render = (
        node_of(prompt, f"A124{name}") for name in ("Reference", "ModelGuidance", "StaticOptimizer", "Render")
    )

    def node(name: str, **inputs: Any) -> dict:
        options = {key: spec[1].get("default", spec[0][0]) for key, spec in schemas[name]["input"]["required"].items()
                   if isinstance(spec[0], list) or "default" in spec[1]}
        return {"class_type": name, "inputs": {**options, **inputs}}

    moving = {"reference": [reference, 0], "view_guidance": [model, 1], "video_guidance": ["203", 0], "preset": "demo"}
    prompt[static]["inputs"] |= {"preset": "demo", "steps": steps[0]}
    prompt |= {
        "201": node("LoadVideo", file="clip.mp4"),
        "202": node("GetVideoComponents", video=["201", 0]),
        "203": node("A124ClipGuidance", images=["202", 0], reference=[reference, 0], refine_guidance=[model, 3]),
        "204": node("A124CoarseOptimizer", field=[static, 0], steps=steps[1], **moving),
        "205": node("A124FineOptimizer", field=["204", 0], steps=steps[2], refine_guidance=["203", 1], **moving),
    }
    shown = [key for name in ("A124SaveField", "A124Preview4D", "A124ExportMesh") for key in nodes_of(prompt, name)]
    for key in (render, *shown):
        prompt[key]["inputs"]["field"] = ["205", 0]
    return prompt


def test_pictures_follow_a_clip_through_all_stages(owned: Any, schemas: dict, cut: Any) -> None:
    prompt = following(cut("10_posed_views"), schemas, (2, 1, 1))
    entry = runs_to_the_end(owned, prompt)
    assert overlap(entry, prompt) >= 90.0
    said = entry["outputs"]["203"]["text"][0]
    assert "8 frames are the motion" in said and "overlaps only" not in said


def test_meshes_in_time_become_a_scene_that_moves(owned: Any, cut: Any) -> None:
    prompt = cut("11_animated_model")
    saved = owned.base / "output" / "animate124" / prompt[node_of(prompt, "A124LoadField")]["inputs"]["file"]
    saved.parent.mkdir(parents=True, exist_ok=True)
    save_field(saved, dense_field())  # a cut quickstart hardly moves: it would become one mesh
    prompt[node_of(prompt, "A124FieldToMesh")]["inputs"] |= {"frames": 3, "resolution": 32, "faces": 500}
    entry = runs_to_the_end(owned, prompt)
    assert "3 frames" in entry["outputs"][node_of(prompt, "A124ModelGuidance")]["text"][0]
    assert glb_of(owned, entry, prompt)[:4] == b"glTF"


def glb_of(host: Any, entry: dict, prompt: dict) -> bytes:
    """What Preview 3D shows."""
    shown = entry["outputs"][node_of(prompt, "Preview3D")]["result"][0]
    return (host.base / "output" / shown).read_bytes()
