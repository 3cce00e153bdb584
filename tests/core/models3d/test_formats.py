"""Packed Gaussians, quantised meshes and moved textures: they render as the plain files that they stand for."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.models3d.glb_checks import GlbFile
from a124core.models3d.glb_plain import plain_glb
from a124core.models3d.read import ANY_UP, read_model
from tests.core.models3d.scenes import surfel_gaussians, textured_square, write_gaussians, write_spz

CAMERAS = make_cameras([0.0, 30.0], [0.0, 120.0])
COLOURS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0), "black": (0.0, 0.0, 0.0)}


@pytest.mark.parametrize("version", [2, 3])
def test_packed_gaussians_render_as_plain_ones(tmp_path: Path, version: int) -> None:
    table = surfel_gaussians("robot", 0.06)
    write_gaussians(tmp_path / "robot.ply", table)
    write_spz(tmp_path / "robot.spz", table, version)
    a, b = (read_model(tmp_path / f"robot.{kind}").frames[0].layers(CAMERAS, (48, 48)) for kind in ("ply", "spz"))
    assert a[:, 3].mean() > 0.1 and (a[:, 3] - b[:, 3]).abs().mean() < 4e-3
    assert (a - b)[:, :3].abs().mean() < 5e-3


def test_damaged_packed_files_are_refused(tmp_path: Path) -> None:
    write_spz(tmp_path / "whole.spz", surfel_gaussians("robot", 0.2))
    data = (tmp_path / "whole.spz").read_bytes()
    raw = gzip.decompress(data)
    later = gzip.compress(raw[:4] + struct.pack("<I", 4) + raw[8:])
    many = gzip.compress(raw[:8] + struct.pack("<I", 10**6) + raw[12:])
    for content, part in ((b"x" * 50, "no .spz file or incomplete"), (data[:60], "incomplete"), (later, "version"),
                          (many, "shorter than its header"), (gzip.compress(b""), "incomplete")):
        (tmp_path / "bad.spz").write_bytes(content)
        with pytest.raises(ValueError, match=part) as refusal:
            read_model(tmp_path / "bad.spz")
        assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("move", "corners"),  # of the square as it is seen: upper left, upper right, lower left, lower right
    [
        ({}, ("red", "green", "blue", "black")),
        ({"offset": [0.5, 0.0]}, ("green", "red", "black", "blue")),
        ({"scale": [0.5, 0.5]}, ("red",) * 4),
        ({"offset": [0.0, 1.0], "rotation": math.pi / 2, "scale": [0.5, 0.5]}, ("blue",) * 4),
        ({"offset": [0.0, 1.0], "rotation": math.pi / 2}, ("blue", "red", "black", "green")),
    ],
)
def test_whole_numbers_and_moved_textures(tmp_path: Path, move: dict, corners: tuple[str, ...]) -> None:
    """The fourth case is the example of KHR_texture_transform: the lower left quarter of the texture."""
    for texture_set in (0, 1):
        (tmp_path / "square.glb").write_bytes(textured_square(move, texture_set))
        model = read_model(tmp_path / "square.glb").frames[0]
        assert (model.box[1] - model.box[0]).tolist() == pytest.approx([1.0, 1.0, 0.0])
        image = model.layers(make_cameras(0.0, 0.0), (64, 64))[0, :3]
        seen = [image[:, row, column] for row in (20, 44) for column in (20, 44)]
        for colour, name in zip(seen, corners, strict=True):
            assert torch.allclose(colour, torch.tensor(COLOURS[name]), atol=0.02), (name, colour)


def test_a_texture_may_have_the_second_set_of_coordinates(tmp_path: Path) -> None:
    """Without any extension: floats alone, whose second set readers have to be told of."""
    glb = GlbFile(tmp_path / "square.glb", {
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1, "TEXCOORD_1": 2}, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "texCoord": 1}}}],
        "accessors": [{"componentType": 5126, "type": shape, "count": 4} for shape in ("VEC3", "VEC2", "VEC2")],
        "bufferViews": [],
    }, 0, 4)
    glb.path.write_bytes(b"data")
    content = plain_glb(glb)
    assert b'"TEXCOORD_0": 2' in content and content.endswith(b"data")
    glb.document["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["texCoord"] = 0
    assert plain_glb(glb) is None


def test_any_axis_may_be_up(tmp_path: Path) -> None:
    write_gaussians(tmp_path / "robot.ply", surfel_gaussians("robot", 0.2))
    loaded = read_model(tmp_path / "robot.ply", ANY_UP)
    assert loaded.ups == ("-y", "y", "z")
    turned = loaded.turned("-y")
    assert torch.allclose(turned.frames[0].means, loaded.frames[0].means * torch.tensor([1.0, -1.0, -1.0]))
    assert "-y axis was taken to be up" in turned.note and read_model(tmp_path / "robot.ply").ups == ("y",)
