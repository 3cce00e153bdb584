"""What would not fit is refused in a sentence, with the numbers, before the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from a124core.export.mesh import MeshOptions, export_animated_glb, export_flipbook_glb
from a124core.export.mesh.glb import Buffer, write_glb
from a124core.export.mesh.limits import check_lattice
from a124core.export.mesh.options import estimated_bytes
from a124core.export.mesh.surface import find_solid
from a124core.export.mesh.texture import rasterised

FEW = MeshOptions(frames=3, resolution=24, faces=500)


def test_a_lattice_that_memory_does_not_hold_is_refused_with_one_that_fits() -> None:
    check_lattice((300, 512, 200), 512)
    with pytest.raises(ValueError, match=r"resolution 512 needs 11\.6 GB of memory.*choose 4\d\d or less"):
        check_lattice((525, 525, 525), 512)


def test_many_frames_are_refused_after_the_first_surface(
    tmp_path: Path, swinging: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a124core.export.mesh.limits.MEMORY", 150_000)
    monkeypatch.setattr("a124core.export.mesh.limits.POINT_BYTES", 1)
    told: list[int] = []
    with pytest.raises(ValueError, match=r"3 frames of \d+ faces before and \d+ after decimation would take"):
        export_animated_glb(swinging, tmp_path / "a.glb", FEW, lambda done, total, what: told.append(done))
    assert max(told) == 0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("export", [export_animated_glb, export_flipbook_glb])
def test_a_glb_too_long_for_its_length_is_refused(
    tmp_path: Path, swinging: object, export: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a124core.export.mesh.export.MOST_GLB", 20_000)
    with pytest.raises(ValueError, match=r"would make a file of .* kB, and a GLB holds 20\.0 kB at most"):
        export(swinging, tmp_path / "a.glb", FEW)


def test_a_buffer_that_came_out_too_long_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.export.mesh.glb.MOST_GLB", 1000)
    buffer = Buffer()
    buffer.view(b"0" * 1000)
    with pytest.raises(ValueError, match="a GLB holds 1.0 kB at most"):
        write_glb(tmp_path / "a.glb", {}, buffer)
    assert not list(tmp_path.iterdir())


def test_textures_count() -> None:
    one, book = (estimated_bytes(100, 100, 10, MeshOptions(texture=4096), fixed) for fixed in (True, False))
    assert one > 2 * 4096**2 and book > 10 * 2 * 4096**2


def test_a_surface_in_slabs_is_the_same(swinging: object, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_solid(swinging, np.array([0.0]), 24)
    whole = found.density(0.0)
    monkeypatch.setattr("a124core.export.mesh.surface.SLAB", 1)
    assert np.array_equal(found.density(0.0), whole) and whole.dtype == np.float32


def test_a_picture_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    corners = torch.rand(60, 3, 2, generator=torch.Generator().manual_seed(0)).numpy() * 64
    whole = rasterised(corners, 64)
    monkeypatch.setattr("a124core.export.mesh.texture.PIXELS", 500)
    assert all(np.array_equal(a, b) for a, b in zip(whole, rasterised(corners, 64), strict=True))
