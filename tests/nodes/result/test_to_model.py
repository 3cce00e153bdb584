"""Field to splat and Field to mesh: the fields of the host's types, and a host that has none."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.fakes import MIDDLE, FunctionField


@pytest.fixture
def field() -> FunctionField:
    """A red ball that rises."""

    def ball(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        away = (xyz - torch.stack((0 * time, 0.2 * time, 0 * time), 1)).norm(dim=1)
        density = 200.0 * torch.sigmoid((0.25 - away) / 0.004)
        return density, torch.tensor([0.8, 0.2, 0.1]).expand_as(xyz)

    return FunctionField(ball, MIDDLE)


def test_a_splat_of_each_time(nodes: dict, call_node: Callable, field: Any) -> None:
    (splat,) = call_node(nodes["A124FieldToSplat"], field=field, gaussians=2000, frames=2)
    most = int(splat.counts.max())
    assert splat.positions.shape == splat.scales.shape == (2, most, 3) and most <= 2000
    assert splat.rotations.shape == (2, most, 4) and splat.opacities.shape == (2, most, 1)
    assert splat.sh.shape == (2, most, 1, 3)
    colour = splat.sh[0, 0, 0] * 0.28209479 + 0.5
    assert colour.tolist() == pytest.approx([0.8, 0.2, 0.1], abs=1e-3)
    first, last = (splat.positions[k, : splat.counts[k]] for k in range(2))
    assert first.mean(0).abs().max() < 0.01 and last.mean(0)[1] == pytest.approx(-0.2, abs=0.01), "y is down"
    still = call_node(nodes["A124FieldToSplat"], field=field, gaussians=2000, moment=1.0)[0]
    assert torch.equal(still.positions[0], last)


def test_a_mesh_of_each_time(nodes: dict, call_node: Callable, field: Any) -> None:
    (mesh,) = call_node(nodes["A124FieldToMesh"], field=field, resolution=24, faces=400, frames=2)
    assert mesh.vertices.shape[0] == mesh.faces.shape[0] == 2 and mesh.faces.dtype == torch.int64
    assert mesh.vertex_counts.max() == mesh.vertices.shape[1] and mesh.face_counts.max() == mesh.faces.shape[1]
    heights = [float(mesh.vertices[k, : mesh.vertex_counts[k], 1].mean()) for k in range(2)]
    assert heights == pytest.approx([0.0, 0.2], abs=0.02), "y is up, the first time is first"
    same = call_node(nodes["A124FieldToMesh"], field=field, resolution=24, faces=400, frames=3, same_faces=True)[0]
    assert torch.equal(same.faces[0], same.faces[2]) and not torch.equal(same.vertices[0], same.vertices[2])


def test_a_host_without_splats_says_so_when_queued(
    nodes: dict, refusal: Callable, pack_module: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal(nodes["A124FieldToSplat"]) == ""
    older = SimpleNamespace(Types=SimpleNamespace(MESH=None))
    monkeypatch.setattr(pack_module("nodes.host.types"), "host_module", lambda name: older)
    assert refusal(nodes["A124FieldToSplat"]).startswith("this ComfyUI has no splats: update it to 0.26 or newer")
