"""Files of models: what they hold is what is rendered, and what is damaged is refused in a sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from torch.nn.functional import avg_pool2d

from a124core.cameras.rig import make_cameras
from a124core.export.mesh.colour import UvAtlas, unwrap
from a124core.export.mesh.gltf import gltf, write_glb
from a124core.export.mesh.mesh import MeshSequence, Segment
from a124core.models3d import read_gaussians, reduce_mesh
from a124core.models3d.gaussians import make_gaussians
from a124core.models3d.mesh import MeshModel
from a124core.models3d.read import read_model
from tests.core.models3d.scenes import surfel_gaussians, write_gaussians

CAMERAS = make_cameras([0.0, 30.0], [0.0, 120.0])


def coloured_box() -> trimesh.Trimesh:
    box = trimesh.creation.box((0.4, 0.8, 0.2))
    box.visual.vertex_colors = (np.abs(box.vertices) / (0.2, 0.4, 0.1) * (200, 30, 90)).astype(np.uint8) + 20
    return box


def exported(box: trimesh.Trimesh, path: Path, atlas: UvAtlas | None = None) -> Path:
    colours = np.asarray(box.visual.vertex_colors)[:, :3].astype(np.float32) / 255
    segment = Segment(0, np.asarray(box.vertices, np.float32)[None], np.asarray(box.faces, np.int32), colours)
    write_glb(path, *gltf(MeshSequence([segment], 8.0, False), [atlas], False))
    return path


def test_our_own_export_and_other_formats_render_alike(tmp_path: Path) -> None:
    """GLB holds linear light where PLY and OBJ hold sRGB: all of them show the same colours."""
    box = coloured_box()
    files = [exported(box, tmp_path / "box.glb")]
    for suffix in ("ply", "obj"):
        files.append(tmp_path / f"box.{suffix}")
        box.export(files[-1])
    renders = [read_model(file).frames[0].layers(CAMERAS, (48, 48)) for file in files]
    assert renders[0][:, 3].mean() > 0.05
    for other in renders[1:]:
        assert (renders[0][:, 3] - other[:, 3]).abs().max() < 1e-3
        assert (renders[0] - other)[:, :3].abs().max() < 0.02


def test_a_texture_of_our_export_shows_its_colours(tmp_path: Path) -> None:
    pytest.importorskip("xatlas")
    box = coloured_box()
    vertex, faces, uv = unwrap(np.asarray(box.vertices, np.float32), np.asarray(box.faces, np.int32), 64)
    Image.new("RGB", (64, 64), (40, 160, 220)).save(tmp_path / "flat.png")
    atlas = UvAtlas(vertex, faces, uv, (tmp_path / "flat.png").read_bytes())
    layers = read_model(exported(box, tmp_path / "box.glb", atlas)).frames[0].layers(CAMERAS, (48, 48))
    inside = layers[:, 3] == 1
    colours = layers.permute(0, 2, 3, 1)[inside][:, :3]
    assert (colours - torch.tensor([40, 160, 220]) / 255).abs().max() < 2e-3


def test_the_scene_graph_is_flattened_and_z_up_is_turned(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(coloured_box(), transform=trimesh.transformations.translation_matrix((0.0, 0.0, 3.0)))
    scene.add_geometry(coloured_box(), transform=trimesh.transformations.translation_matrix((0.0, 0.0, -3.0)))
    scene.export(tmp_path / "two.glb")
    along_z, along_y = (read_model(tmp_path / "two.glb", up=up).frames[0].box for up in ("y", "z"))
    assert (along_z[1] - along_z[0]).argmax() == 2 and (along_y[1] - along_y[0]).argmax() == 1
    assert torch.allclose(along_z.sum(0), torch.zeros(3), atol=1e-6)
    assert float((along_z[1] - along_z[0]).max()) == pytest.approx(1.0)


def test_a_model_without_colours_is_grey_and_said_and_an_open_one_has_an_inside(tmp_path: Path) -> None:
    box = trimesh.creation.box((0.4, 0.8, 0.2))
    box.update_faces(box.face_normals[:, 2] < 0.5)  # no front
    for suffix in ("obj", "ply", "glb"):
        loaded = read_model(_saved(trimesh.Trimesh(box.vertices, box.faces), tmp_path / f"open.{suffix}"))
        front, back = loaded.frames[0].layers(make_cameras(0.0, [0.0, 180.0]), (48, 48))
        assert "it has one colour only" in loaded.note
        for layers in (front, back):  # through the hole, the back is seen from within
            assert layers[3, 24, 24] == 1.0 and layers[3].mean() > 0.03
            assert layers[:3, 24, 24].std() < 1e-6 and 0.3 < float(layers[0, 24, 24]) < 0.95
        assert front[4, 24, 24] > back[4, 24, 24]


def test_gaussians_of_both_formats_render_alike(tmp_path: Path) -> None:
    table = surfel_gaussians("robot", 0.03)
    write_gaussians(tmp_path / "robot.ply", table)
    rows = np.zeros(len(table), [("xyz", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
    rows["xyz"], rows["scale"] = table[:, :3], np.exp(table[:, 7:10])
    opacity = 1 / (1 + np.exp(-table[:, 6:7]))
    rows["rgba"] = (np.concatenate((0.5 + 0.28209479 * table[:, 3:6], opacity), 1) * 255).round().clip(0, 255)
    unit = table[:, 10:] / np.linalg.norm(table[:, 10:], axis=1, keepdims=True)
    rows["rotation"] = (unit * 128 + 128).round().clip(0, 255)
    (tmp_path / "robot.splat").write_bytes(rows.tobytes())
    a, b = (read_model(tmp_path / name).frames[0].layers(CAMERAS, (48, 48)) for name in ("robot.ply", "robot.splat"))
    assert a[:, 3].mean() > 0.1 and (a[:, 3] - b[:, 3]).abs().mean() < 3e-3
    assert (a - b)[:, :3].abs().mean() < 5e-3


def test_gaussians_are_no_wider_in_a_small_image_than_in_a_large_one() -> None:
    table = torch.from_numpy(surfel_gaussians("robot", 0.009)).float()
    opaque = torch.cat((table[:, 3:6] * 0.28 + 0.5, torch.full((len(table), 1), 0.95)), 1).clamp(0.0, 1.0)
    model = make_gaussians(table[:, :3], table[:, 7:10].exp(), table[:, 10:], opaque)
    small, large = model.layers(CAMERAS, (48, 48)), model.layers(CAMERAS, (384, 384))
    assert float((small[:, 3] - avg_pool2d(large[:, 3], 8)).abs().mean()) < 0.006
    area = [float(layers[:, 3].mean()) for layers in (small, large)]
    assert abs(area[0] / area[1] - 1.0) < 0.02


def test_too_many_are_reduced_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_gaussians, "MAX_GAUSSIANS", 1000)
    table = surfel_gaussians("robot", 0.03)
    write_gaussians(tmp_path / "robot.ply", table)
    loaded = read_model(tmp_path / "robot.ply")
    assert len(loaded.frames[0].means) == 1000 and f"reduced from {len(table)} Gaussians" in loaded.note
    ball = trimesh.creation.icosphere(4, 0.5, face_colors=(200, 100, 50, 255))
    model = read_model(_saved(ball, tmp_path / "ball.ply")).frames[0]
    reduced = reduce_mesh.reduced_mesh(model, 1000)
    assert len(reduced.faces) <= 1000 < len(model.faces)
    assert (reduced.layers(CAMERAS, (48, 48)) - model.layers(CAMERAS, (48, 48)))[:, 3].abs().mean() < 0.01
    assert (reduced.colours - torch.tensor([200, 100, 50]) / 255).abs().max() < 1e-3


def test_loose_faces_that_are_smaller_than_any_cell_are_not_lost() -> None:
    rng = torch.Generator().manual_seed(0)
    middles, corners = torch.rand(2000, 1, 3, generator=rng), torch.rand(2000, 3, 3, generator=rng)
    vertices = (middles + 1e-4 * corners).view(-1, 3)
    loose = MeshModel(vertices, torch.arange(len(vertices)).view(-1, 3), torch.ones(len(vertices), 3))
    assert 400 < len(reduce_mesh.reduced_mesh(loose, 500).faces) <= 500


def test_rows_are_numbered_as_whole_rows_in_order_would_be() -> None:
    rng = np.random.default_rng(0)
    for rows in (rng.integers(-3, 4, (500, 3)), rng.integers(0, 2**31, (50, 3)), rng.normal(size=(300, 3)).round(1)):
        _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        ours = reduce_mesh._row_numbers(rows)
        assert (ours[0] == first).all() and (ours[1] == number.ravel()).all()
    assert [len(part) for part in reduce_mesh._row_numbers(np.zeros((0, 3)))] == [0, 0]


def test_faces_without_extent_are_dropped_and_nothing_else_happens() -> None:
    point = MeshModel(torch.zeros(300, 3), torch.arange(300).view(-1, 3), torch.ones(300, 3))
    assert len(reduce_mesh.reduced_mesh(point, 50).faces) == 0


def test_loose_faces_keep_their_outline_when_they_are_reduced() -> None:
    ball = trimesh.creation.icosphere(5, 0.5)
    corners = torch.from_numpy(ball.triangles).float()  # (F, 3, 3)
    middles = corners.mean(1, keepdim=True)
    vertices = (middles + 1.3 * (corners - middles)).view(-1, 3)  # each face alone, over its neighbours
    colours = torch.tensor([[200, 100, 50]]).expand(len(vertices), 3) / 255
    loose = MeshModel(vertices, torch.arange(len(vertices)).view(-1, 3), colours)
    reduced = reduce_mesh.reduced_mesh(loose, 12_000)
    assert len(reduced.faces) <= 12_000 < len(loose.faces)
    assert (reduced.layers(CAMERAS, (48, 48)) - loose.layers(CAMERAS, (48, 48)))[:, 3].abs().mean() < 0.01
    assert (reduced.colours - torch.tensor([200, 100, 50]) / 255).abs().max() < 1e-3


def _saved(mesh: trimesh.Trimesh, path: Path) -> Path:
    mesh.export(path)
    return path


def test_a_folder_is_a_sequence_in_one_frame_of_reference(tmp_path: Path) -> None:
    for k in range(3):
        box = coloured_box()
        box.apply_translation((0.1 * k, 0.0, 0.0))
        box.export(tmp_path / f"frame_{k}.ply")
    loaded = read_model(tmp_path)
    middles = [float(frame.box[:, 0].mean()) for frame in loaded.frames]
    assert middles == pytest.approx([0.0, 0.125, 0.25], abs=1e-5)  # 0.8 becomes 1
    assert "3 frames" in loaded.note


def test_a_sequence_whose_frames_are_all_the_same_stands_still(tmp_path: Path) -> None:
    for k in range(3):
        coloured_box().export(tmp_path / f"frame_{k}.ply")
    still = read_model(tmp_path)
    assert len(still.frames) == 1 and "its 3 frames are all the same, so it stands still" in still.note
    last = coloured_box()
    last.visual.vertex_colors = np.asarray(last.visual.vertex_colors)[:, [2, 1, 0, 3]]
    last.export(tmp_path / "frame_2.ply")
    assert len(read_model(tmp_path).frames) == 3, "colours may change too"


def damaged_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Name -> a file that cannot be read, and a part of the sentence about it."""
    whole = exported(coloured_box(), folder / "whole.glb").read_bytes()
    json_end = 20 + struct.unpack("<I", whole[12:16])[0]
    text = whole[20:json_end]
    files: dict[str, tuple[bytes, str]] = {
        "short.glb": (whole[:200], "incomplete"),
        "empty.glb": (b"", "incomplete"),
        "count.glb": (whole[:20] + text.replace(b'"count":', b'"count":9', 1)[: len(text)] + whole[json_end:], ""),
        "text.ply": (b"not a mesh", "is no PLY file"),
        "rows.ply": (b"ply\nformat binary_little_endian 1.0\nelement vertex 9000000\nproperty float x\nend_header\n",
                     "shorter than its header"),
        "huge.ply": (b"ply\nformat ascii 1.0\nelement vertex 99999999\nend_header\n", "at most"),
        "cloud.ply": (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0 0\n", "point cloud"),
        "odd.splat": (b"x" * 33, "rows of 32 bytes"),
        "none.splat": (b"", "no Gaussians"),
        "nan.splat": (struct.pack("<6f", *[float("nan")] * 6) + b"\xff" * 8, "NaN"),
        "clear.splat": (struct.pack("<6f", *[0.1] * 6) + b"\x00" * 8, "transparent"),
        "endless.splat": (b"".join(struct.pack("<6f", x, *[x] * 5) + b"\xff" * 8 for x in (0.1, 0.2, 1e20)), "endless"),
        "wide.splat": (b"".join(struct.pack("<6f", *[x] * 3, *[s] * 3) + b"\xff" * 8 for x, s in (
            (0.1, 0.1), (0.2, 1e20))), "endlessly large"),
        "nothing.obj": (b"v 0 0 0\n", "faces"),
        "nan.obj": (b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "NaN"),
        "point.obj": (b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "extent"),
        "model.fbx": (b"x", "does not end in"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: (folder / name, message) for name, (_, message) in files.items()}


def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for name, (file, message) in damaged_files(tmp_path).items():
        with pytest.raises(ValueError) as refusal:
            read_model(file)
        text = str(refusal.value)
        assert message in text and text.endswith(".") and "\n" not in text, (name, text)
    with pytest.raises(ValueError, match="was not found"):
        read_model(tmp_path / "missing.glb")
    with pytest.raises(ValueError, match="choose one of y, z, -y, auto"):
        read_model(tmp_path / "whole.glb", up="x")
