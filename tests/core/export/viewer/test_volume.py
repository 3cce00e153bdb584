"""Baked volumes: the cells against the field itself, the file against its description, and bad input."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytest
import torch
from torch import Tensor

from a124core.export.viewer.volume import VolumeOptions, bake_volume, bytes_of_density, density_of_bytes
from a124core.export.viewer.volume_file import read_volume, write_volume
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.occupancy import Occupancy, empty_occupancy, update_occupancy
from a124core.utils.files import atomic_write

CENTRE, RADIUS = (0.2, -0.1, 0.3), 0.3


@dataclass(frozen=True)
class Scene:
    """A field with its occupancy: what the density really is, in cells of 1/8."""

    ask: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    slices: int = 4

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return self.ask(xyz, time)

    @cached_property
    def occupancy(self) -> Occupancy:
        rng = torch.Generator().manual_seed(0)
        return update_occupancy(empty_occupancy(16, self.slices, 1.0), self.ask, 1.0, rng)


def _ball(xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """A soft ball that rises by 0.3; its red grows along x, so that axes cannot be exchanged unnoticed."""
    centre = xyz.new_tensor(CENTRE) + torch.stack((0 * time, 0.3 * time, 0 * time), dim=1)
    density = 50.0 * torch.sigmoid((RADIUS - (xyz - centre).norm(dim=1)) / 0.02)
    return density, torch.stack((xyz[:, 0] + 0.5, xyz[:, 1] + 0.5, torch.full_like(time, 0.25)), dim=1).clamp(0, 1)


ball = Scene(_ball)
still = Scene(lambda xyz, time: _ball(xyz, torch.zeros_like(time)), slices=1)
nothing = Scene(lambda xyz, time: (torch.zeros_like(time), torch.zeros_like(xyz)))


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
    assert torch.equal(bytes_of_density(density_of_bytes(values, 170.0), 170.0), values)
    assert int(bytes_of_density(torch.tensor([0.01]), 170.0)) == 2
    assert int(bytes_of_density(torch.tensor([1e6]), 170.0)) == 255


def test_what_never_moves_is_kept_once() -> None:
    assert len(bake_volume(still, VolumeOptions(resolution=16, frames=8)).time) == 1


def test_a_loop_leaves_its_last_time_to_the_first(rng: torch.Generator) -> None:
    config = FieldConfig(time_grids=4, levels=2, base=4, finest=8, log2_rows=10, hidden=8, loop=True)
    field = new_field(config, rng)
    field.table.uniform_(-2.0, 2.0, generator=rng)  # as good as trained: it moves
    field = replace(field, occupancy=update_occupancy(empty_occupancy(8, 2, 1.0), field, 1.0, rng))
    volume = bake_volume(field, VolumeOptions(resolution=16, frames=4))
    assert volume.loop and volume.time.tolist() == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_progress_counts_frames_and_may_end_the_job(tmp_path: Path) -> None:
    calls = []
    write_volume(ball, tmp_path / "a.a124vol", VolumeOptions(16, 3), lambda *call: calls.append(call))
    assert sorted(set(calls)) == [(k, 3, "") for k in range(4)] and calls == sorted(calls) and calls[-1] == (3, 3, "")
    before = (tmp_path / "a.a124vol").read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_volume(ball, tmp_path / "a.a124vol", VolumeOptions(24, 3), stop)
    assert (tmp_path / "a.a124vol").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_the_file_is_what_its_description_says(tmp_path: Path) -> None:
    """Read here as docs/viewer-format.md tells a stranger to, without our reader."""
    path = tmp_path / "a.a124vol"
    size = write_volume(ball, path, VolumeOptions(resolution=24, frames=3, seconds=5.0))
    packed = path.read_bytes()
    assert size == len(packed) and packed[:8] == b"A124VOL\n"
    version, length = struct.unpack("<II", packed[8:16])
    header = json.loads(packed[16 : 16 + length])
    assert version == 1 and header["seconds"] == 5.0 and header["camera"]["radius"] == 1.8
    width, height, depth = header["size"]
    frame = header["frames"][1]
    start = 16 + length + frame["offset"]
    plain = zlib.decompress(packed[start : start + frame["bytes"]])
    assert len(plain) == 4 * width * height * depth
    back, _ = read_volume(path)
    y, z = height // 2, depth // 2
    for channel in range(4):
        value = 0
        for x in range(width):
            value = (value + plain[((channel * depth + z) * height + y) * width + x]) % 256
            assert value == int(back.cells[1, channel, z, y, x])


def test_round_trip(tmp_path: Path) -> None:
    options = VolumeOptions(resolution=24, frames=3)
    write_volume(ball, tmp_path / "a.a124vol", options)
    back, _ = read_volume(tmp_path / "a.a124vol")
    baked = bake_volume(ball, options)
    assert torch.equal(back.cells, baked.cells) and back.peak == baked.peak
    torch.testing.assert_close(back.box, baked.box, atol=1e-6, rtol=0)


def test_the_size_limit_lowers_the_resolution(tmp_path: Path) -> None:
    whole = write_volume(ball, tmp_path / "a.a124vol", VolumeOptions(48, 2))
    limit = 0.4 * whole / 1e6
    assert write_volume(ball, tmp_path / "b.a124vol", VolumeOptions(48, 2, megabytes=limit)) <= limit * 1e6
    assert max(read_volume(tmp_path / "b.a124vol")[1]["size"]) < max(read_volume(tmp_path / "a.a124vol")[1]["size"])
    with pytest.raises(ValueError, match="raise megabytes or lower frames"):
        write_volume(ball, tmp_path / "a.a124vol", VolumeOptions(48, 2, megabytes=1e-4))
    assert len((tmp_path / "a.a124vol").read_bytes()) == whole


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b[:-5], "incomplete or damaged"),
        (lambda b: b[:12], "incomplete or damaged"),
        (lambda b: b[:40], "incomplete or damaged"),
        (lambda b: b[:-5] + bytes(5), "incomplete or damaged"),
        (lambda b: b[:8] + b"\x02" + b[9:], "version 2, this program reads 1"),
        (lambda b: b"GIF89a" + b, "not a viewer file"),
    ],
)
def test_files_that_are_not_right(tmp_path: Path, change, words: str) -> None:
    path = tmp_path / "a.a124vol"
    write_volume(ball, path, VolumeOptions(16, 2))
    whole = path.read_bytes()
    with atomic_write(path) as temporary:
        temporary.write_bytes(change(whole))
    with pytest.raises(ValueError, match=words) as refused:
        read_volume(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was not found"):
        read_volume(tmp_path / "none.a124vol")


def test_an_empty_scene_is_refused_and_an_earlier_file_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.a124vol"
    path.write_bytes(b"earlier")
    with pytest.raises(ValueError, match="the scene is empty"):
        write_volume(nothing, path, VolumeOptions(16, 2))
    assert path.read_bytes() == b"earlier"


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
