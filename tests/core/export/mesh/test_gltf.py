"""GLB files, read back by the letter of the specification and by trimesh."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from a124core.export.mesh.build import MeshBuild
from a124core.export.mesh.colour import bake_texture
from a124core.export.mesh.gltf import Buffer, gltf, write_glb
from a124core.export.mesh.mesh import MeshSequence, Segment
from a124core.export.mesh.options import MeshOptions, estimate_glb_bytes


@pytest.fixture(params=[False, True], ids=["plain", "quantised"])
def quantise(request: pytest.FixtureRequest) -> bool:
    return request.param


def written(path: Path, sequence: MeshSequence, quantise: bool, atlases: list | None = None) -> Path:
    write_glb(path, *gltf(sequence, atlases or [None] * len(sequence.segments), quantise))
    return path


def test_every_target_is_its_frame(tmp_path: Path, built: MeshBuild, quantise: bool, read_glb: Callable) -> None:
    glb = read_glb(written(tmp_path / "a.glb", built.sequence, quantise))
    (segment,) = built.sequence.segments
    assert glb.shapes() == pytest.approx(segment.vertices, abs=6e-5 if quantise else 1e-6)
    primitive = glb.document["meshes"][0]["primitives"][0]
    assert glb.values(primitive["indices"]).reshape(-1, 3).tolist() == segment.faces.tolist()
    normals = glb.values(primitive["attributes"]["NORMAL"])
    assert normals == pytest.approx(segment.normals()[0], abs=0.005)
    turned = normals + glb.values(primitive["targets"][2]["NORMAL"])
    assert np.quantile(np.abs(turned - segment.normals()[3]), 0.98) < 0.02


def test_weights_are_linear_from_frame_to_frame(tmp_path: Path, built: MeshBuild, read_glb: Callable) -> None:
    glb = read_glb(written(tmp_path / "a.glb", replace(built.sequence, fps=4.0), False))
    (animation,) = glb.document["animations"]
    (sampler,) = animation["samplers"]
    assert animation["channels"][0]["target"] == {"node": 1, "path": "weights"}
    assert sampler["interpolation"] == "LINEAR"
    assert glb.values(sampler["input"]).ravel().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    weights = glb.values(sampler["output"]).reshape(6, 5)
    assert weights.tolist() == np.eye(6)[:, 1:].tolist()


def test_a_loop_closes(tmp_path: Path, built: MeshBuild, read_glb: Callable) -> None:
    glb = read_glb(written(tmp_path / "a.glb", replace(built.sequence, loop=True, fps=6.0), False))
    sampler = glb.document["animations"][0]["samplers"][0]
    times, weights = glb.values(sampler["input"]).ravel(), glb.values(sampler["output"]).reshape(7, 5)
    assert times[-1] == 1.0 and weights[-1].tolist() == weights[0].tolist() == [0.0] * 5
    assert len(glb.document["meshes"][0]["primitives"][0]["targets"]) == 5, "no shape is kept twice"


def visible_segments(glb: object, seconds: float) -> list[int]:
    """Return the segments whose scale is 1 at a time, as a player would."""
    visible = []
    for channel in glb.document["animations"][0]["channels"]:
        sampler = glb.document["animations"][0]["samplers"][channel["sampler"]]
        if channel["target"]["path"] == "scale":
            assert sampler["interpolation"] == "STEP"
            at = np.searchsorted(glb.values(sampler["input"]).ravel(), seconds + 1e-6, side="right") - 1
            if glb.values(sampler["output"])[at, 0] == 1.0:
                visible.append(channel["target"]["node"] // 2)
    return visible


def test_segments_are_shown_one_at_a_time(
    tmp_path: Path, built: MeshBuild, quantise: bool, read_glb: Callable
) -> None:
    (whole,) = built.sequence.segments
    parts = [Segment(a, whole.vertices[a:b], whole.faces, whole.colours) for a, b in ((0, 1), (1, 4), (4, 6))]
    glb = read_glb(written(tmp_path / "a.glb", MeshSequence(parts, 2.0, False), quantise))
    by_frame = [visible_segments(glb, frame / 2.0) for frame in range(6)]
    assert by_frame == [[0], [1], [1], [1], [2], [2]] and visible_segments(glb, 9.0) == [2]
    ends = {glb.document["accessors"][s["input"]]["max"][0] for s in glb.document["animations"][0]["samplers"]
            if s["interpolation"] == "STEP"}  # fmt: skip
    assert ends == {3.0}, "the last frame is shown as long as the others"
    assert [glb.document["nodes"][2 * k].get("scale", [1.0] * 3)[0] for k in range(3)] == [1.0, 0.0, 0.0]
    assert glb.shapes(2)[1] == pytest.approx(whole.vertices[5], abs=6e-5)


def test_colours_are_kept_as_linear_light_and_nothing_darkens_them(
    tmp_path: Path, built: MeshBuild, quantise: bool, read_glb: Callable
) -> None:
    glb = read_glb(written(tmp_path / "a.glb", built.sequence, quantise))
    colours = glb.values(glb.document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
    back = np.where(colours <= 0.0031308, 12.92 * colours, 1.055 * colours ** (1 / 2.4) - 0.055)
    assert back[:, :3] == pytest.approx(built.sequence.segments[0].colours, abs=0.002)
    (material,) = glb.document["materials"]
    assert "KHR_materials_unlit" in material["extensions"] and (colours[:, 3] == 1).all()
    assert material["pbrMetallicRoughness"]["baseColorFactor"] == [1, 1, 1, 1]


def test_a_still_has_no_animation(tmp_path: Path, built: MeshBuild, read_glb: Callable) -> None:
    (whole,) = built.sequence.segments
    still = MeshSequence([Segment(0, whole.vertices[:1], whole.faces, whole.colours)], 8.0, False)
    document = read_glb(written(tmp_path / "a.glb", still, False)).document
    assert "animations" not in document and "targets" not in document["meshes"][0]["primitives"][0]


def test_the_size_is_estimated_before_it_is_written(tmp_path: Path, built: MeshBuild, quantise: bool) -> None:
    path = written(tmp_path / "a.glb", built.sequence, quantise)
    (segment,) = built.sequence.segments
    estimate = estimate_glb_bytes(segment.vertices.shape[1], len(segment.faces), 6, MeshOptions(quantise=quantise))
    limit = 1.7 if quantise else 1.1  # normals that turn far stay floats
    assert 0.95 * estimate < path.stat().st_size < limit * estimate
    assert path.stat().st_size < (150_000 if quantise else 260_000)


def test_trimesh_loads_it(tmp_path: Path, built: MeshBuild, quantise: bool) -> None:
    loaded = trimesh.load(written(tmp_path / "a.glb", built.sequence, quantise))
    (mesh,) = loaded.dump()
    (segment,) = built.sequence.segments
    if not quantise:  # trimesh takes normalised whole numbers for plain ones, so that its sizes are 32767 times ours
        first = segment.vertices[0]
        assert mesh.bounds == pytest.approx(np.stack((first.min(0), first.max(0))), abs=1e-4)
    assert len(mesh.faces) == len(segment.faces) and mesh.is_watertight


def test_a_texture_has_the_fields_colours(
    tmp_path: Path, built: MeshBuild, swinging: object, read_glb: Callable
) -> None:
    pytest.importorskip("xatlas", reason="no wheel of xatlas for this Python")
    (segment,) = built.sequence.segments
    atlas = bake_texture(segment, 128, lambda frame, points, normals: _colours(swinging, points, built.times[frame]))
    glb = read_glb(written(tmp_path / "a.glb", built.sequence, False, [atlas]))
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    assert "COLOR_0" not in attributes, "it would be multiplied with the texture"
    view = glb.document["bufferViews"][glb.document["images"][0]["bufferView"]]
    texture = np.asarray(Image.open(io.BytesIO(glb.data[view["byteOffset"] :][: view["byteLength"]]))) / 255.0
    uv = glb.values(attributes["TEXCOORD_0"])
    x, y = (uv * 128).astype(int).clip(0, 127).T
    points = glb.values(attributes["POSITION"])
    body = points[:, 1] > 0.05  # the feet stand still under a pattern that turns
    assert np.abs(texture[y, x] - _colours(swinging, points, 0.0))[body].mean() < 0.05


def _colours(field: object, points: np.ndarray, time: float) -> np.ndarray:  # (N, 3)
    return field(torch.from_numpy(points), torch.full((len(points),), float(time)))[1].numpy()


def test_rows_start_at_multiples_of_four_bytes() -> None:
    buffer = Buffer()
    buffer.add_accessor(np.zeros(5, "<u2"))
    buffer.add_accessor(np.arange(15, dtype="i1").reshape(5, 3), 34962)
    assert [view["byteOffset"] % 4 for view in buffer.views] == [0, 0] and buffer.views[1]["byteStride"] == 4
    assert buffer.accessors[1]["normalized"] and "normalized" not in buffer.accessors[0]
