"""Hashes that know tensors and not their names; differences of exported files in numbers."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from tools.result_bytes import file_hash, tensors_hash
from tools.result_hashes import main, write_image
from tools.result_numbers import compared, difference

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(name: str, tensors: dict[str, Tensor], **metadata: str) -> Path:
        save_file(tensors, tmp_path / name, metadata or None)
        return tmp_path / name

    return write


def tensors() -> dict[str, Tensor]:
    return {"table": torch.arange(6.0).view(2, 3), "mlp.w": torch.ones(2), "mlp.b": torch.zeros(2)}


def test_names_and_headers_have_no_part_in_a_field_s_hash(save: Save) -> None:
    old = tensors()
    renamed = {"z": old["table"], "a": old["mlp.w"], "m": old["mlp.b"]}
    assert tensors_hash(save("a", old)) == tensors_hash(save("b", renamed, version="2"))
    assert difference(save("a.safetensors", old), save("b.safetensors", {**old}, version="2"))[0] == 0.0


def test_a_bit_a_shape_and_a_type_have(save: Save) -> None:
    old = tensors()
    other = {**old, "table": old["table"].clone()}
    other["table"].view(torch.int32)[1, 2] ^= 1
    kinds = [old, other, {**old, "table": old["table"].view(3, 2)}, {**old, "mlp.b": torch.zeros(2, dtype=torch.int32)}]
    assert len({tensors_hash(save(f"{k}", kind)) for k, kind in enumerate(kinds)}) == len(kinds)


def test_a_report_s_seconds_have_no_part_in_its_hash(tmp_path: Path) -> None:
    def hashed(seconds: float, psnr: float) -> str:
        stages = [{"name": "static", "seconds": seconds, "psnr": psnr}]
        (tmp_path / "report.json").write_text(json.dumps({"stages": stages, "machine": f"of {seconds}"}))
        return file_hash(tmp_path)

    assert hashed(1.0, 20.0) == hashed(2.0, 20.0) != hashed(2.0, 20.5)


def test_a_webm_s_track_number_has_no_part_in_its_hash(tmp_path: Path) -> None:
    def hashed(number: bytes, picture: bytes) -> str:
        (tmp_path / "a.webm").write_bytes(b"head\x73\xc5\x88" + number + picture + b"\x63\xc5\x88" + number)
        return file_hash(tmp_path / "a.webm")

    assert hashed(b"12345678", b"frame") == hashed(b"8765\n321", b"frame") != hashed(b"12345678", b"other")


def test_the_picture_is_one(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape == (192, 192, 3) and (pixels[0] == 255).all() and tuple(pixels[120, 96]) == (200, 60, 40)


def test_fields_alone_decide(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    def compare(field: str, export: str) -> int:
        for name, found in (("a", ("1", "2")), ("b", (field, export))):
            content = {"fields": {"demo: static": found[0]}, "exports": {"scene.glb": found[1]}}
            (tmp_path / name).write_text(json.dumps(content))
        return main(["--compare-json", str(tmp_path / "a"), str(tmp_path / "b")])

    assert compare("1", "2") == 0 and compare("1", "3") == 0
    assert "export scene.glb: 2 and 3" in capsys.readouterr().out
    assert compare("3", "2") == 1


def test_pictures_and_numbers_in_folders(tmp_path: Path) -> None:
    for name, level, number in (("a", 10, 1.0), ("b", 13, 1.5)):
        (tmp_path / name / "frames").mkdir(parents=True)
        Image.new("RGB", (4, 4), (level, 0, 0)).save(tmp_path / name / "frames" / "0001.png")
        Image.new("RGB", (4, 4)).save(tmp_path / name / "frames" / "0002.png")
        Image.fromarray(np.full((4, 4), 257 * level, np.uint16)).save(tmp_path / name / "depth.png")
        (tmp_path / name / "cameras.json").write_text(json.dumps({"lens": [{"fov": number}], "by": name}))
    found = {d.group: d for d in compared(tmp_path / "a", tmp_path / "b")}
    assert {what: (d.differing, d.files, d.largest) for what, d in found.items()} == {
        "frames/*.png": (1, 2, 3.0), "depth.png": (1, 1, 3.0), "cameras.json": (1, 1, 0.5),
    }
    assert "1 texts differ" in found["cameras.json"].location
    (tmp_path / "b" / "depth.png").unlink()
    assert math.isinf({d.group: d for d in compared(tmp_path / "a", tmp_path / "b")}["depth.png"].largest)


def write_meshes(folder: Path, points: np.ndarray, faces: np.ndarray) -> None:
    """The same triangles as GLB, PLY and OBJ."""
    folder.mkdir()
    rows = np.ascontiguousarray(points, "<f4")
    data = faces.astype("<u4").tobytes() + rows.tobytes()
    document = {
        "meshes": [{"primitives": [{"attributes": {"POSITION": 1}, "indices": 0}]}],
        "accessors": [{"bufferView": 0, "componentType": 5125, "count": faces.size, "type": "SCALAR"},
                      {"bufferView": 1, "componentType": 5126, "count": len(points), "type": "VEC3"}],
        "bufferViews": [{"byteOffset": 0, "byteLength": 4 * faces.size, "target": 34963},
                        {"byteOffset": 4 * faces.size, "byteLength": rows.nbytes, "target": 34962}],
    }
    text = json.dumps(document).encode()
    head = struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + len(data), len(text), 0x4E4F534A)
    (folder / "scene.glb").write_bytes(head + text + struct.pack("<II", len(data), 0x004E4942) + data)
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}",
             *(f"property float {axis}" for axis in "xyz"), f"element face {len(faces)}",
             "property list uchar int vertex_indices", "end_header", ""]
    corners = b"".join(b"\3" + face.astype("<i4").tobytes() for face in faces)
    (folder / "scene.ply").write_bytes("\n".join(lines).encode() + rows.tobytes() + corners)
    lines = [f"v {x} {y} {z} 1 0 0" for x, y, z in points] + ["f " + " ".join(map(str, face + 1)) for face in faces]
    (folder / "scene.obj").write_text("\n".join(lines))


def test_meshes_differ_by_a_share_of_their_size(tmp_path: Path) -> None:
    points, faces = np.array([[0, 0, 0], [4, 0, 0], [0, 2, 0], [0, 0, 1]], float), np.array([[0, 1, 2], [0, 2, 3]])
    moved, turned = points.copy(), faces[:, ::-1]
    moved[3, 2] += 0.5
    for name, changed in (("a", (points, faces)), ("moved", (moved, faces)), ("turned", (points, turned))):
        write_meshes(tmp_path / name, *changed)
    found = compared(tmp_path / "a", tmp_path / "moved")
    assert [d.group for d in found] == ["scene.glb", "scene.obj", "scene.ply"]
    assert [d.largest for d in found] == pytest.approx([0.125] * 3)
    assert all(math.isinf(d.largest) for d in compared(tmp_path / "a", tmp_path / "turned"))
    assert compared(tmp_path / "a", tmp_path / "a") == []
