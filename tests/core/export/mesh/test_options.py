"""What would not fit is refused in a sentence, with its numbers, before the work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a124core.export.mesh import FORMATS, MeshOptions, export_mesh
from a124core.export.mesh.gltf import Buffer, write_glb
from a124core.export.mesh.options import check_grid_memory, estimate_glb_bytes
from a124core.export.mesh.surface import fit_surface

FEW = MeshOptions(frames=3, resolution=24, faces=500)


def test_a_grid_that_memory_does_not_hold_is_refused_with_one_that_fits() -> None:
    check_grid_memory((300, 512, 200), 512)
    with pytest.raises(ValueError, match=r"resolution 512 needs 10\.8 GB of memory.*choose 4\d\d or less"):
        check_grid_memory((525, 525, 525), 512)


def test_many_frames_are_refused_after_the_first_surface(
    tmp_path: Path, swinging: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a124core.export.mesh.options.MAX_MEMORY_BYTES", 150_000)
    monkeypatch.setattr("a124core.export.mesh.options.GRID_POINT_BYTES", 1)
    steps: list[int] = []
    with pytest.raises(ValueError, match=r"3 frames of \d+ faces before and \d+ after decimation would take"):
        export_mesh(swinging, tmp_path / "a.glb", "animated GLB", FEW, lambda done, *_: steps.append(done))
    assert max(steps) == 0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["animated GLB", "flip-book GLB"])
def test_a_glb_too_long_for_its_length_is_refused(
    tmp_path: Path, swinging: object, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, format, replace(FORMATS[format], max_bytes=20_000))
    with pytest.raises(ValueError, match=r"would make a file of .* kB; a GLB holds 20 kB at most"):
        export_mesh(swinging, tmp_path / "a.glb", format, FEW)


def test_a_buffer_that_is_too_long_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.export.mesh.gltf.MAX_GLB_BYTES", 1000)
    buffer = Buffer()
    buffer.add_view(b"0" * 1000)
    with pytest.raises(ValueError, match="a GLB holds 1 kB at most"):
        write_glb(tmp_path / "a.glb", {}, buffer)
    assert not list(tmp_path.iterdir())


def test_textures_count() -> None:
    one, book = (estimate_glb_bytes(100, 100, 10, MeshOptions(texture=4096), tracked) for tracked in (True, False))
    assert one > 2 * 4096**2 and book > 10 * 2 * 4096**2


def test_density_in_slabs_is_the_same(swinging: object, monkeypatch: pytest.MonkeyPatch) -> None:
    surface = fit_surface(swinging, np.array([0.0]), 24)
    whole = surface.density(0.0)
    monkeypatch.setattr("a124core.export.mesh.surface.POINTS_PER_SLAB", 1)
    assert np.array_equal(surface.density(0.0), whole) and whole.dtype == np.float32
