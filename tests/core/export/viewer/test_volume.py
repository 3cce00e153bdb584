"""Baked volumes: the cells against the field itself, and the file against its description."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from a124core.cameras.paths import StaticCamera
from a124core.export.viewer.volume import VolumeOptions, bake_volume, bytes_of_density
from a124core.export.viewer.volume_file import baked_bytes
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.occupancy import empty_occupancy, update_occupancy
from tests.fakes import FunctionField, with_occupancy
from tests.fuzz.read_volume import read_volume

CENTRE, RADIUS = (0.2, -0.1, 0.3), 0.3


def _ball(xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """A soft ball that rises by 0.3; its red grows along x, so that axes cannot be exchanged unnoticed."""
    centre = xyz.new_tensor(CENTRE) + torch.stack((0 * time, 0.3 * time, 0 * time), dim=1)
    density = 50.0 * torch.sigmoid((RADIUS - (xyz - centre).norm(dim=1)) / 0.02)
    return density, torch.stack((xyz[:, 0] + 0.5, xyz[:, 1] + 0.5, torch.full_like(time, 0.25)), dim=1).clamp(0, 1)


ball = with_occupancy(FunctionField(_ball), 16, 4, 1)
still = with_occupancy(FunctionField(lambda xyz, time: _ball(xyz, torch.zeros_like(time))), 16, 1, 1)
nothing = with_occupancy(FunctionField(lambda xyz, time: (torch.zeros_like(time), torch.zeros_like(xyz))), 16, 4, 1)


def test_every_cell_is_the_field_at_its_centre() -> None:
    volume = bake_volume(ball, VolumeOptions(resolution=24, frames=3))
    assert volume.time.tolist() == [0.0, 0.5, 1.0] and not volume.loop
    _, _, depth, height, width = volume.cells.shape
    cell = (volume.box[1] - volume.box[0]) / torch.tensor([width, height, depth])
    torch.testing.assert_close(cell, cell[:1].expand(3), atol=1e-5, rtol=0)  # cubes
    for k, time in enumerate(volume.time):
        for z, y, x in ((depth // 2, height // 2, width // 2), (depth // 3, height // 2, width // 3)):
            at = volume.box[0] + cell * (torch.tensor([x, y, z]) + 0.5)
            density, albedo = ball(at[None], time[None])
            cell_bytes = volume.cells[k, :, z, y, x]
            assert abs(int(cell_bytes[0]) - int(bytes_of_density(density, volume.peak))) <= 1
            if cell_bytes[0] > 10:
                torch.testing.assert_close(cell_bytes[1:].float() / 255, albedo[0], atol=3e-3, rtol=0)


def test_the_box_is_tight_and_holds_everything() -> None:
    box = bake_volume(ball, VolumeOptions(resolution=32, frames=5)).box
    low = torch.tensor(CENTRE) - RADIUS
    high = torch.tensor(CENTRE) + RADIUS + torch.tensor([0.0, 0.3, 0.0])
    assert (box[0] < low).all() and (box[1] > high).all()
    assert (low - box[0]).max() < 0.3 and (box[1] - high).max() < 0.3  # it fades over 0.15, then a cell of 1/8


def test_colour_goes_on_into_the_empty_cells() -> None:
    volume = bake_volume(ball, VolumeOptions(resolution=24, frames=1))
    density, colour = volume.cells[0, 0], volume.cells[0, 1:].float()
    known = density >= 5  # as the baker: a cell's own colour counts
    before = known.int().cumsum(-1) == 0  # cells left of the first of these
    left = torch.where(known.any(-1), before.sum(-1), 0)
    assert int((left >= 3).sum()) > 20
    for z, y in torch.nonzero(left >= 3).tolist():
        first = int(left[z, y])
        for step in (1, 2):
            assert (colour[:, z, y, first - step] - colour[:, z, y, first]).abs().max() < 45


def test_density_bytes_are_inverse_and_fine_where_it_is_thin() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(bytes_of_density(170.0 * (values / 255.0).square(), 170.0), values)
    assert int(bytes_of_density(torch.tensor([0.01]), 170.0)) == 2
    assert int(bytes_of_density(torch.tensor([1e6]), 170.0)) == 255


def test_what_never_moves_is_kept_once() -> None:
    assert len(bake_volume(still, VolumeOptions(resolution=16, frames=8)).time) == 1


def test_a_loop_leaves_its_last_time_to_the_first(rng: torch.Generator) -> None:
    sizes = {"levels": 2, "base_resolution": 4, "max_resolution": 8, "log2_hashmap_size": 10, "hidden": 8}
    config = FieldConfig(time_grids=4, loop=True, **sizes)
    field = new_field(config, rng)
    field.table.uniform_(-2.0, 2.0, generator=rng)  # as good as trained: it moves
    field = replace(field, occupancy=update_occupancy(empty_occupancy(8, 2, 1.0), field, 1.0, rng))
    volume = bake_volume(field, VolumeOptions(resolution=16, frames=4))
    assert volume.loop and volume.time.tolist() == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_progress_counts_frames_and_may_end_the_job() -> None:
    calls = []
    baked_bytes(ball, VolumeOptions(16, 3), lambda *call: calls.append(call))
    assert sorted(set(calls)) == [(k, 3, "") for k in range(4)] and calls == sorted(calls) and calls[-1] == (3, 3, "")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        baked_bytes(ball, VolumeOptions(24, 3), stop)


def test_the_file_is_what_its_description_says() -> None:
    options = VolumeOptions(resolution=24, frames=3, seconds=5.0)
    cells, header = read_volume(baked_bytes(ball, options))
    baked = bake_volume(ball, options)
    assert torch.equal(cells, baked.cells) and header["peak"] == baked.peak and header["loop"] == baked.loop
    torch.testing.assert_close(torch.tensor(header["box"]), baked.box, atol=1e-6, rtol=0)
    assert [frame["time"] for frame in header["frames"]] == baked.time.tolist()
    assert header["seconds"] == 5.0 and header["camera"]["radius"] == 1.8


def test_the_size_limit_lowers_the_resolution() -> None:
    whole = baked_bytes(ball, VolumeOptions(48, 2))
    limit = 0.4 * len(whole) / 1e6
    small = baked_bytes(ball, VolumeOptions(48, 2, megabytes=limit))
    assert len(small) <= limit * 1e6 and max(read_volume(small)[1]["size"]) < max(read_volume(whole)[1]["size"])
    with pytest.raises(ValueError, match="raise megabytes or lower frames"):
        baked_bytes(ball, VolumeOptions(48, 2, megabytes=1e-4))


def test_an_empty_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="the scene is empty"):
        baked_bytes(nothing, VolumeOptions(16, 2))


@pytest.mark.parametrize(
    "wrong",
    [{"resolution": 4}, {"resolution": 1000}, {"frames": 0}, {"megabytes": 0.0}, {"seconds": float("nan")}],
)
def test_options_that_make_no_sense(wrong: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        VolumeOptions(**wrong)


def test_more_cells_than_a_browser_takes() -> None:
    with pytest.raises(ValueError, match="lower resolution or frames"):
        bake_volume(ball, VolumeOptions(resolution=256, frames=256))


def test_a_cancel_takes_effect_within_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.export.viewer.volume.BATCH_POINTS", 100)
    calls: list[tuple[int, int, str]] = []

    def cancel(*call: object) -> None:
        calls.append(call)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bake_volume(ball, VolumeOptions(16, 1), cancel)
    assert calls == [(0, 1, "")] * 3


def test_the_viewer_opens_at_the_fields_front() -> None:
    rng = torch.Generator().manual_seed(0)
    config = FieldConfig(time_grids=2, levels=2, base_resolution=2, max_resolution=4, hidden=4, backbone="HexPlane")
    for front in (0.0, 45.0):
        field = with_occupancy(replace(new_field(config, rng), front=front), 8, 2, 1)
        options = VolumeOptions(resolution=8, frames=1, camera=StaticCamera(azimuth=5.0))
        header = read_volume(baked_bytes(field, options))[1]
        assert header["camera"]["azimuth"] == front + 5.0
