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

from a124core.export.mesh.build import Built
from a124core.export.mesh.glb import Buffer, write_glb
from a124core.export.mesh.gltf import gltf
from a124core.export.mesh.options import MeshOptions, estimated_bytes
from a124core.export.mesh.scene import Scene, Stretch
from a124core.export.mesh.texture import bake, laid_flat, rasterised


@pytest.fixture(params=[False, True], ids=["plain", "quantised"])
def quantise(request: pytest.FixtureRequest) -> bool:
    return request.param


def written(path: Path, scene: Scene, quantise: bool, skins: list | None = None) -> Path:
    write_glb(path, *gltf(scene, skins or [None] * len(scene.stretches), quantise))
    return path


def test_every_target_is_its_frame(tmp_path: Path, built: Built, quantise: bool, read_glb: Callable) -> None:
    glb = read_glb(written(tmp_path / "a.glb", built.scene, quantise))
    (stretch,) = built.scene.stretches
    assert glb.shapes() == pytest.approx(stretch.points, abs=6e-5 if quantise else 1e-6)
    primitive = glb.document["meshes"][0]["primitives"][0]
    assert glb.values(primitive["indices"]).reshape(-1, 3).tolist() == stretch.faces.tolist()
    normals = glb.values(primitive["attributes"]["NORMAL"])
    assert normals == pytest.approx(stretch.normals()[0], abs=0.005)
    turned = normals + glb.values(primitive["targets"][2]["NORMAL"])
    assert np.quantile(np.abs(turned - stretch.normals()[3]), 0.98) < 0.02


def test_weights_go_from_frame_to_frame_in_straight_lines(tmp_path: Path, built: Built, read_glb: Callable) -> None:
    glb = read_glb(written(tmp_path / "a.glb", replace(built.scene, fps=4.0), False))
    (animation,) = glb.document["animations"]
    (sampler,) = animation["samplers"]
    assert animation["channels"][0]["target"] == {"node": 1, "path": "weights"}
    assert sampler["interpolation"] == "LINEAR"
    assert glb.values(sampler["input"]).ravel().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    weights = glb.values(sampler["output"]).reshape(6, 5)
    assert weights.tolist() == np.eye(6)[:, 1:].tolist()


def test_a_loop_closes(tmp_path: Path, built: Built, read_glb: Callable) -> None:
    glb = read_glb(written(tmp_path / "a.glb", replace(built.scene, loop=True, fps=6.0), False))
    sampler = glb.document["animations"][0]["samplers"][0]
    times, weights = glb.values(sampler["input"]).ravel(), glb.values(sampler["output"]).reshape(7, 5)
    assert times[-1] == 1.0 and weights[-1].tolist() == weights[0].tolist() == [0.0] * 5
    assert len(glb.document["meshes"][0]["primitives"][0]["targets"]) == 5, "no shape is kept twice"


def shown(glb: object, seconds: float) -> list[int]:
    """Which stretches have a scale of 1 at a time, as a player would find out."""
    found = []
    for channel in glb.document["animations"][0]["channels"]:
        sampler = glb.document["animations"][0]["samplers"][channel["sampler"]]
        if channel["target"]["path"] == "scale":
            assert sampler["interpolation"] == "STEP"
            at = np.searchsorted(glb.values(sampler["input"]).ravel(), seconds + 1e-6, side="right") - 1
            if glb.values(sampler["output"])[at, 0] == 1.0:
                found.append(channel["target"]["node"] // 2)
    return found


def test_stretches_are_shown_one_at_a_time(tmp_path: Path, built: Built, quantise: bool, read_glb: Callable) -> None:
    (whole,) = built.scene.stretches
    parts = [Stretch(a, whole.points[a:b], whole.faces, whole.colours) for a, b in ((0, 1), (1, 4), (4, 6))]
    glb = read_glb(written(tmp_path / "a.glb", Scene(parts, 2.0, False), quantise))
    by_frame = [shown(glb, frame / 2.0) for frame in range(6)]
    assert by_frame == [[0], [1], [1], [1], [2], [2]] and shown(glb, 9.0) == [2]
    ends = {glb.document["accessors"][s["input"]]["max"][0] for s in glb.document["animations"][0]["samplers"]
            if s["interpolation"] == "STEP"}  # fmt: skip
    assert ends == {3.0}, "the last frame is shown as long as the others"
    assert [glb.document["nodes"][2 * k].get("scale", [1.0] * 3)[0] for k in range(3)] == [1.0, 0.0, 0.0]
    assert glb.shapes(2)[1] == pytest.approx(whole.points[5], abs=6e-5)


def test_colours_are_kept_as_linear_light_and_nothing_darkens_them(
    tmp_path: Path, built: Built, quantise: bool, read_glb: Callable
) -> None:
    glb = read_glb(written(tmp_path / "a.glb", built.scene, quantise))
    colours = glb.values(glb.document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
    back = np.where(colours <= 0.0031308, 12.92 * colours, 1.055 * colours ** (1 / 2.4) - 0.055)
    assert back[:, :3] == pytest.approx(built.scene.stretches[0].colours, abs=0.002)
    (material,) = glb.document["materials"]
    assert "KHR_materials_unlit" in material["extensions"] and (colours[:, 3] == 1).all()
    assert material["pbrMetallicRoughness"]["baseColorFactor"] == [1, 1, 1, 1]


def test_a_still_has_no_animation(tmp_path: Path, built: Built, read_glb: Callable) -> None:
    (whole,) = built.scene.stretches
    still = Scene([Stretch(0, whole.points[:1], whole.faces, whole.colours)], 8.0, False)
    document = read_glb(written(tmp_path / "a.glb", still, False)).document
    assert "animations" not in document and "targets" not in document["meshes"][0]["primitives"][0]


def test_the_size_is_known_before_it_is_written(tmp_path: Path, built: Built, quantise: bool) -> None:
    path = written(tmp_path / "a.glb", built.scene, quantise)
    (stretch,) = built.scene.stretches
    guess = estimated_bytes(stretch.points.shape[1], len(stretch.faces), 6, MeshOptions(quantise=quantise))
    most = 1.7 if quantise else 1.1  # normals that turn far stay floats
    assert 0.95 * guess < path.stat().st_size < most * guess
    assert path.stat().st_size < (150_000 if quantise else 260_000)


def test_trimesh_loads_it(tmp_path: Path, built: Built, quantise: bool) -> None:
    loaded = trimesh.load(written(tmp_path / "a.glb", built.scene, quantise))
    (mesh,) = loaded.dump()
    (stretch,) = built.scene.stretches
    if not quantise:  # trimesh takes normalised whole numbers for plain ones, so that its sizes are 32767 times ours
        assert mesh.bounds == pytest.approx(np.stack((stretch.points[0].min(0), stretch.points[0].max(0))), abs=1e-4)
    assert len(mesh.faces) == len(stretch.faces) and mesh.is_watertight


def test_a_texture_has_the_fields_colours(tmp_path: Path, built: Built, swinging: object, read_glb: Callable) -> None:
    pytest.importorskip("xatlas", reason="no wheel of xatlas for this Python")
    (stretch,) = built.scene.stretches
    skin = bake(stretch, 128, lambda frame, points, normals: _colours(swinging, points, built.times[frame]))
    glb = read_glb(written(tmp_path / "a.glb", built.scene, False, [skin]))
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    assert "COLOR_0" not in attributes, "it would be multiplied with the texture"
    view = glb.document["bufferViews"][glb.document["images"][0]["bufferView"]]
    picture = np.asarray(Image.open(io.BytesIO(glb.data[view["byteOffset"] :][: view["byteLength"]]))) / 255.0
    uv = glb.values(attributes["TEXCOORD_0"])
    x, y = (uv * 128).astype(int).clip(0, 127).T
    points = glb.values(attributes["POSITION"])
    body = points[:, 1] > 0.05  # the feet stand still under a pattern that turns
    assert np.abs(picture[y, x] - _colours(swinging, points, 0.0))[body].mean() < 0.05


def _colours(field: object, points: np.ndarray, time: float) -> np.ndarray:  # (N, 3)
    return field(torch.from_numpy(points), torch.full((len(points),), float(time)))[1].numpy()


def test_cutting_keeps_faces_in_their_order(built: Built) -> None:
    pytest.importorskip("xatlas", reason="no wheel of xatlas for this Python")
    (stretch,) = built.scene.stretches
    vertex, faces, uv = laid_flat(stretch.points[0], stretch.faces, 256)
    assert vertex[faces].tolist() == stretch.faces.tolist()
    assert 0 <= uv.min() and uv.max() <= 1


def test_pixels_of_a_triangle_against_counting_them_one_by_one() -> None:
    triangle = np.array([[[2.2, 1.7], [13.1, 4.4], [5.0, 14.6]]])
    pixel, face, weights = rasterised(triangle, 16)
    a, b, c = triangle[0]
    cross = lambda p, q, r: (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])  # noqa: E731
    inside = [
        y * 16 + x
        for y in range(16)
        for x in range(16)
        if min(cross(a, b, (x + 0.5, y + 0.5)), cross(b, c, (x + 0.5, y + 0.5)), cross(c, a, (x + 0.5, y + 0.5))) >= 0
    ]
    assert pixel.tolist() == inside and set(face) == {0}
    centres = np.stack((pixel % 16, pixel // 16), axis=1) + 0.5
    assert (weights[:, :, None] * triangle[0]).sum(1) == pytest.approx(centres)


def test_rows_start_at_multiples_of_four_bytes() -> None:
    buffer = Buffer()
    buffer.accessor(np.zeros(5, "<u2"))
    buffer.accessor(np.arange(15, dtype="i1").reshape(5, 3), 34962)
    assert [view["byteOffset"] % 4 for view in buffer.views] == [0, 0] and buffer.views[1]["byteStride"] == 4
    assert buffer.accessors[1]["normalized"] and "normalized" not in buffer.accessors[0]
