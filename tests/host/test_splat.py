"""Field to splat in the real ComfyUI: its own Render Splat shows the field as our Render does, from all around.

A124_FIELD=output/demo/field.safetensors measures it on a field of yours, at 256 pixels and 200,000 Gaussians.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from a124core.evaluation.metrics import psnr_inside
from a124core.export.checkpoint import save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field
from a124core.field.occupancy import empty_occupancy, update_occupancy
from tests.host.server import Host

OWN_FIELD = os.environ.get("A124_FIELD")
SIZE, GAUSSIANS = (256, 200_000) if OWN_FIELD else (96, 60_000)
VIEWS = 8
ORBIT = {"elevation": 0.0, "azimuth": 0.0, "radius": 1.8, "fovy": 40.0, "turns": 1.0, "moment": 0.0,
         "keyframes": "0: 0 0 1.8\n1: 60 0 1.8"}
SPLAT = {"width": SIZE, "height": SIZE, "splat_scale": 1.0, "sharpen": 2.0, "headlight_shading": 0.0,
         "opacity_threshold": 0.0, "render_style": "color", "background": "#ffffff"}


@pytest.fixture
def field(host: Host) -> str:
    """A dense, patterned blob as a saved field, or a field of the user's."""
    folder = host.base / "output" / "animate124"
    folder.mkdir(parents=True, exist_ok=True)
    if OWN_FIELD:
        shutil.copy(OWN_FIELD, folder / "own.safetensors")
        return "own.safetensors"
    save_field(folder / "dense.safetensors", dense_field())
    return "dense.safetensors"


def dense_field() -> Field4D:
    """A blob whose density and colours change with the place and the time."""
    rng = torch.Generator().manual_seed(0)
    config = FieldConfig(
        time_grids=3, levels=2, base_resolution=4, max_resolution=16, log2_hashmap_size=12, hidden=8,
        density="softplus", blob_density=60.0, blob_radius=0.4,
    )
    made = new_field(config, rng)
    made.table.uniform_(-3.0, 3.0, generator=rng)
    return replace(made, occupancy=update_occupancy(empty_occupancy(16, 4, 1.0), made, 1.0, rng))


def prompt(field: str) -> dict[str, dict]:
    """Our Render and the host's, of the same moment from the same cameras; a mesh of it, and the splat as a file."""

    def node(name: str, /, **inputs: object) -> dict:
        return {"class_type": name, "inputs": inputs}

    image = {"frames": 1, "size": SIZE, "background": "white"}
    return {
        "field": node("A124LoadField", file=field),
        "still": node("A124Cameras", kind="reference", **ORBIT),
        "around": node("A124Cameras", kind="turntable", **ORBIT),
        "first": node("A124Render", field=["field", 0], cameras=["still", 0], **image),
        "ours": node("A124Render", field=["field", 0], cameras=["around", 0], **{**image, "frames": VIEWS}),
        "splat": node("A124FieldToSplat", field=["field", 0], gaussians=GAUSSIANS, frames=1, moment=0.0),
        "theirs": node("RenderSplat", splat=["splat", 0], camera_info=["first", 4], frames=VIEWS, **SPLAT),
        "file": node("SplatToFile3D", splat=["splat", 0], format="spz"),
        "mesh": node("A124FieldToMesh", field=["field", 0], resolution=24, faces=800, frames=2, moment=0.0,
                     same_faces=False),
        **{f"save {name}": node("SaveImage", images=[name, 0], filename_prefix=f"splat_{name}")
           for name in ("ours", "theirs")},
        **{f"save {name}": node("SaveGLB", mesh=[name, 0], filename_prefix=f"3d/{name}") for name in ("file", "mesh")},
        "mask": node("MaskToImage", mask=["ours", 1]),
        "save mask": node("SaveImage", images=["mask", 0], filename_prefix="splat_mask"),
    }


def images(folder: Path, name: str) -> torch.Tensor:  # (VIEWS, 3, SIZE, SIZE)
    files = sorted(folder.glob(f"splat_{name}_*.png"))
    assert len(files) == VIEWS
    return torch.stack([torch.from_numpy(np.array(Image.open(f).convert("RGB"))) for f in files]).movedim(3, 1) / 255


def test_render_splat_shows_the_field_from_all_around(host: Host, schemas: dict, field: str) -> None:
    if "RenderSplat" not in schemas:
        status, answer = host.post("/prompt", {"prompt": {
            "1": {"class_type": "A124LoadField", "inputs": {"file": field}},
            "2": {"class_type": "A124FieldToSplat", "inputs": {
                "field": ["1", 0], "gaussians": 1000, "frames": 1, "moment": 0.0}},
            "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}},
        }})
        assert status == 400 and "this ComfyUI has no splats" in str(answer)
        return
    host.run(prompt(field), 1200)
    out = host.base / "output"
    ours, theirs, mask = (images(out, name) for name in ("ours", "theirs", "mask"))
    decibel = psnr_inside(theirs, ours, mask[:, :1])
    sys.stdout.write(f"\n{decibel.mean():.2f} dB on the object, {decibel.min():.2f} to {decibel.max():.2f}\n")
    assert decibel.mean() > 27.0
    assert len(list((out / "3d").glob("file*.spz"))) == 1 and len(list((out / "3d").glob("mesh*.glb"))) == 2
