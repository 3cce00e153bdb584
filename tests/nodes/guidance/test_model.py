"""A MESH, a SPLAT, a 3D file and posed pictures through the node, as the host's types have them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import trimesh

ORBIT = [{"position": {"x": x, "y": 0.0, "z": z}, "target": {"x": 0.0, "y": 0.0, "z": 0.0}, "fov": 40.0}
         for x, z in ((0.0, 3.6), (3.6, 0.0), (0.0, -3.6), (-3.6, 0.0))]


def ball(shift: float = 0.0) -> SimpleNamespace:
    """A ball as a MESH of one item: red on the left, green on the right, in linear light."""
    sphere = trimesh.creation.icosphere(2, 0.6)
    vertices = torch.tensor(sphere.vertices, dtype=torch.float32) + torch.tensor([shift, 0.0, 0.0])
    colours = torch.where(vertices[:, :1] < shift, torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.2, 0.0]))
    return SimpleNamespace(
        vertices=vertices[None], faces=torch.tensor(sphere.faces)[None], vertex_colors=colours[None], uvs=None,
        texture=None, vertex_counts=None, face_counts=None,
    )


def sequence(*meshes: SimpleNamespace) -> SimpleNamespace:
    """MESH items, the later ones padded with zeros as the host does."""
    def padded(name: str) -> torch.Tensor:
        return torch.cat([torch.cat((getattr(m, name), torch.zeros_like(getattr(m, name)[:, :7])), 1) for m in meshes])

    counts = {f"{kind}_counts": torch.tensor([getattr(m, name).shape[1] for m in meshes])
              for kind, name in (("vertex", "vertices"), ("face", "faces"))}
    tensors = {name: padded(name) for name in ("vertices", "faces", "vertex_colors")}
    return SimpleNamespace(uvs=None, texture=None, **tensors, **counts)


def splat(count: int = 3000, degree: int = 1) -> SimpleNamespace:
    """The same ball as a SPLAT, y downwards: blue above, yellow below."""
    points = torch.nn.functional.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    colours = torch.where(points[:, 1:2] < 0, torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 0.0]))
    sh = torch.zeros(count, (degree + 1) ** 2, 3)
    sh[:, 0] = (colours - 0.5) / 0.28209479
    columns = {"positions": 0.6 * points, "scales": torch.full((count, 3), 0.03), "opacities": torch.ones(count, 1),
               "rotations": torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1), "sh": sh}
    return SimpleNamespace(**{name: column[None] for name, column in columns.items()}, counts=None)


@pytest.fixture
def say(nodes: dict[str, type]) -> Callable[..., tuple[tuple, str]]:
    """Run the node with manual placement unless told otherwise; return its outputs and what it says."""
    def run(**inputs: Any) -> tuple[tuple, str]:
        node = nodes["A124ModelGuidance"]
        widgets = {name: spec[1].get("default", spec[0][0]) for name, spec in node.REQUIRED.items()}
        said = node().make(**{**widgets, "align": "manual", **inputs})
        return said["result"], said["ui"]["text"][0]

    return run


def colours_of(preview: torch.Tensor, part: int) -> torch.Tensor:
    """The picture (256, 256, 3) of one part of a preview."""
    return preview[0, :, 256 * part : 256 * (part + 1)]


def test_a_mesh_answers_in_its_own_colours(say: Callable, reference: Any) -> None:
    with torch.inference_mode():
        mesh = ball()
        (image, view, video, refine, preview), note = say(mesh=mesh, reference=reference, scale=1.2, size=16)
    assert video is None and refine.prior.model is not None
    assert image.weight < view.weight and view.prior.cameras is None
    assert preview.shape == (1, 256, 1024, 3) and not preview.is_inference()
    front, back = colours_of(preview, 1), colours_of(preview, 3)
    left, right = front[128, 70], front[128, 186]
    assert left.tolist() == pytest.approx([1.0, 0.0, 0.0], abs=0.02)
    assert right.tolist() == pytest.approx([0.0, 0.4845, 0.0], abs=0.02)  # 0.2 of linear light
    assert back[128, 186, 0] > 0.9 and "overlaps" in note


def test_several_meshes_are_a_sequence_whose_vertices_move_evenly(say: Callable, pack_module: Callable) -> None:
    (_, _, video, _, _), note = say(mesh=sequence(ball(), ball(0.4)), size=16)
    assert "2 frames" in note and "nearest" not in note
    frames = video.prior.frames
    model_at = pack_module("a124core.models3d.sequence").model_at
    middles = [float(model_at(frames, t).box[:, 0].mean()) for t in (0.0, 0.25, 1.0)]
    assert middles == pytest.approx([0.0, 0.25 * middles[2], middles[2]], abs=1e-5) and middles[2] > 0.2


def test_a_splat_is_upright_and_its_harmonics_are_said(say: Callable) -> None:
    (*_, preview), note = say(splat=splat(), size=16)
    front = colours_of(preview, 0)
    assert front[90, 128, 2] > 0.7 and front[90, 128, 0] < 0.3  # blue is above
    assert front[166, 128, 0] > 0.7 and "depend on the direction" in note and "connect a reference" in note


def test_a_3d_file_in_memory_or_on_disk_is_read(say: Callable, tmp_path: Path) -> None:
    trimesh.creation.box((0.4, 0.8, 0.2)).export(tmp_path / "box.glb")
    data = (tmp_path / "box.glb").read_bytes()
    disk = SimpleNamespace(format="glb", get_source=lambda: str(tmp_path / "box.glb"), get_bytes=lambda: data)
    memory = SimpleNamespace(format="glb", get_source=lambda: BytesIO(data), get_bytes=lambda: data)
    boxes = [say(model_3d=file, size=16)[0][1].prior.frames[0].box for file in (disk, memory)]
    assert torch.equal(*boxes) and (boxes[0][1] - boxes[0][0]).tolist() == pytest.approx([0.5, 1.0, 0.25])
    for kind in ("usdz", "glb", ""):
        with pytest.raises(ValueError) as refusal:
            say(model_3d=SimpleNamespace(format=kind, get_source=lambda: BytesIO(), get_bytes=lambda: b"x"), size=16)
        assert str(refusal.value).endswith(".") and "/" not in str(refusal.value)


def test_pictures_answer_at_their_cameras(say: Callable, reference: Any, pack_module: Callable) -> None:
    """An orbit of the ball at twice the scene's distance, rendered by the mesh's own prior."""
    mesh = say(mesh=ball(), size=16)[0][1].prior.frames[0]
    make_cameras, View = pack_module("a124core.cameras.rig").make_cameras, pack_module("a124core.protocols").View
    orbit = make_cameras(0.0, [0.0, 90.0, 180.0, 270.0], 3.6)
    layers = mesh.layers(orbit, (64, 64))
    pictures = (layers[:, :3] + 1.0 - layers[:, 3:4]).movedim(1, -1)
    (_, view, video, _, preview), note = say(
        images=pictures, mask=layers[:, 3], cameras=ORBIT, reference=reference, align="auto", size=16
    )
    assert video is None and view.prior.unlit and "4 pictures" in note
    azimuths = view.prior.cameras.azimuth % 360.0  # the reference image is red all over, as the ball is from the left
    assert azimuths[:3].tolist() == pytest.approx([90.0, 180.0, 270.0], abs=1e-3)
    aside = View(make_cameras(0.0, 100.0), reference.camera, torch.zeros(1), torch.ones(3))
    image = (view.prior.denoise(torch.zeros(1, 3, 16, 16), torch.ones(1), aside) / 3.0 + 1) / 2
    assert image[0, 0, 8, 4] > 0.9 and image[0, 0, 8, 11] < 0.2  # its front: red on the left
    assert colours_of(preview, 1)[128, 70:186, 0].min() > 0.9


def test_cameras_of_pictures_are_a_list_of_as_many_or_a_path_which_is_said(
    say: Callable, nodes: dict[str, type], call_node: Callable, tmp_path: Path, pack_module: Callable
) -> None:
    pictures, mask = torch.rand(4, 32, 32, 3), torch.zeros(4, 32, 32)
    mask[:, 8:24, 8:24] = 1.0
    spline = call_node(nodes["A124Cameras"], kind="spline", keyframes="0: 0 0\n1: 270 0")[0]
    (_, view, *_), note = say(images=pictures, mask=mask, cameras=spline, size=16)
    turns = (view.prior.cameras.azimuth + 1.0) % 360.0 - 1.0
    assert turns.tolist() == pytest.approx([0.0, 90.0, 180.0, 270.0], abs=1e-3)
    assert "The 4 cameras were interpolated along a path of 2 keys" in note
    assert "interpolated" not in say(images=pictures, mask=mask, cameras=ORBIT, size=16)[1]
    keys = pack_module("a124core.cameras.keyframes").path_from_keys
    for listed in ([{"azimuth": 90.0 * k} for k in range(3)], [{"azimuth": 0.0}]):
        with pytest.raises(ValueError, match=rf"4 pictures came with {len(listed)} camera\(s\)"):
            say(images=pictures, mask=mask, cameras=keys(listed), size=16)


def test_bad_input_is_refused_in_a_sentence(say: Callable, refusal: Callable, nodes: dict, reference: Any) -> None:
    empty = ball()
    for name in ("vertices", "faces", "vertex_colors"):
        setattr(empty, name, getattr(empty, name)[:, :0])
    broken, thin = ball(), splat()
    broken.vertices = broken.vertices.clone()
    broken.vertices[0, 0, 0] = float("nan")
    thin.scales = thin.scales * float("nan")
    pictures = torch.rand(4, 32, 32, 3)
    mask = torch.zeros(4, 32, 32)
    mask[:, 8:24, 8:24] = 1.0
    flat = [{**ORBIT[0], "cameraType": "orthographic"}, *ORBIT[1:]]
    for inputs, part in (
        ({"mesh": empty}, "no faces"), ({"mesh": broken}, "NaN"), ({"splat": thin}, "NaN"),
        ({"mesh": "x"}, "came as MESH"),
        ({"images": pictures, "mask": mask, "cameras": ORBIT[:3]}, "4 pictures came with 3 camera"),
        ({"images": pictures, "mask": mask, "cameras": flat}, "switch it to perspective"),
        ({"images": pictures[:1], "mask": mask[:1], "cameras": ORBIT[:1]}, "1 picture"),
        ({"images": pictures, "mask": mask[:2], "cameras": ORBIT}, "2 mask"), ({}, "no model is connected"),
        ({"mesh": ball(), "cameras": ORBIT}, "cameras came with mesh, but only images use it: unplug it, or wire"),
        ({"splat": splat(), "mask": mask, "cameras": ORBIT}, "mask and cameras came with splat, but only images use"),
        ({"mesh": ball(), "splat": splat()}, "splat and mesh are connected"), ({"images": pictures}, "without cameras"),
    ):
        with pytest.raises(ValueError, match=part) as refused:
            say(**inputs, size=16)
        assert str(refused.value).endswith(".") and "\n" not in str(refused.value)
    node = nodes["A124ModelGuidance"]
    assert "exactly one" in refusal(node) and refusal(node, mesh=None) == ""
    assert "mask came with model_3d" in refusal(node, model_3d=None, mask=None)
    assert refusal(node, images=None, mask=None, cameras=None) == ""
    assert "without cameras" in refusal(node, images=None) and refusal(node, images=None, cameras=None) == ""


def test_another_subject_is_refused_with_the_widgets_that_help(
    say: Callable, reference: Any, pack_module: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = pack_module("a124core.models3d.align")
    for name, value in (("AZIMUTHS", (0, 90)), ("ELEVATIONS", (0,)), ("BEST", 1), ("HALVINGS", 1)):
        monkeypatch.setattr(search, name, value)  # a short search, which is not what is tested
    pole = ball()
    pole.vertices = pole.vertices * torch.tensor([0.05, 2.0, 0.05])
    with pytest.raises(ValueError, match="set align to manual and turn azimuth"):
        say(mesh=pole, reference=reference, align="auto", size=16)


def queued_graph(queued: type, prompt: dict) -> Any:
    """A prompt as the host hands it to a node, with the numbers of all its nodes."""

    class Graph(queued):
        def all_node_ids(self) -> set[str]:
            return {*self.prompt}

    return Graph(prompt)


def test_an_output_that_a_model_does_not_have_stops_when_it_is_wired(say: Callable, queued: type) -> None:
    inputs = {"v": ["7", 2]}
    prompt = {"7": {"class_type": "A124ModelGuidance", "inputs": {}}, "8": {"class_type": "X", "inputs": inputs}}

    for still in (ball(), sequence(ball(), ball())):
        with pytest.raises(ValueError, match="stands still"):
            say(mesh=still, size=16, graph=queued_graph(queued, prompt), unique_id="7")
    inputs["v"] = ["7", 1]
    assert say(mesh=ball(), size=16, graph=queued_graph(queued, prompt), unique_id="7")[0][1] is not None


def test_pictures_have_a_refine_guidance_where_it_is_wired(
    say: Callable, queued: type, pack_module: Callable, reference: Any
) -> None:
    inputs = {"v": ["7", 1]}
    prompt = {"7": {"class_type": "A124ModelGuidance", "inputs": {}}, "8": {"class_type": "X", "inputs": inputs}}

    mesh = say(mesh=ball(), size=16)[0][1].prior.frames[0]
    orbit = pack_module("a124core.cameras.rig").make_cameras(0.0, [0.0, 90.0, 180.0, 270.0], 3.6)
    layers = mesh.layers(orbit, (64, 64))
    wires = {"images": (layers[:, :3] + 1.0 - layers[:, 3:4]).movedim(1, -1), "mask": layers[:, 3], "cameras": ORBIT}
    assert say(**wires, size=16, graph=queued_graph(queued, prompt), unique_id="7")[0][3] is None
    inputs["v"] = ["7", 3]
    refine = say(**wires, size=16, graph=queued_graph(queued, prompt), unique_id="7")[0][3]
    hull = refine.prior.model.frames[0]
    assert torch.allclose(hull.box[:, 1], mesh.box[:, 1], atol=0.06)


def test_sockets_of_types_that_a_host_does_not_know_are_left_out(nodes: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    node = nodes["A124ModelGuidance"]
    names = ["reference", "splat", "mesh", "model_3d", "images", "mask", "cameras", "weight_unit"]
    assert list(node.INPUT_TYPES()["optional"]) == names
    monkeypatch.setitem(__import__("sys").modules, "comfy_api.latest", SimpleNamespace(Types=SimpleNamespace()))
    assert list(node.INPUT_TYPES()["optional"]) == [name for name in names if name not in ("splat", "model_3d")]
