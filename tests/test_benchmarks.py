"""What benchmarks compare with must compute the same thing."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

from a124core.field.config import FieldConfig
from a124core.field.density import central_difference
from a124core.field.field4d import new_field
from benchmarks.field import maker
from benchmarks.floor import _rows, counted
from benchmarks.released_port import straight_port

SMALL = FieldConfig(time_grids=5, levels=3, base_resolution=4, max_resolution=32, log2_hashmap_size=10, init_scale=0.5)


def test_the_straight_port_is_the_same_field() -> None:
    rng = torch.Generator().manual_seed(0)
    field = new_field(SMALL, rng)
    port = straight_port(field)
    xyz, time = maker(100, 7, "cpu", rng)()
    time[:5] = torch.arange(5) / 4.0
    for actual, expected in zip(port(xyz, time), field(xyz, time), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    wanted = central_difference(field, xyz, time)
    assert (port.density_gradient(xyz, time) - wanted).norm() < 1e-3 * wanted.norm()


def test_the_floor_counts_the_rows_that_samples_touch() -> None:
    """Samples, 3 levels, 8 corners, 2 time grids, 8 bytes read once, and read and written once more."""
    rng = torch.Generator().manual_seed(0)
    field = new_field(SMALL, rng)
    count = counted(field, 50)
    assert count["rows"] == _rows(field, *maker(50, 5, "cpu", rng)()).numel() == 50 * 3 * 16
    assert count["bytes"] == 50 * 3 * 16 * 24


def test_samples_come_frame_by_frame() -> None:
    xyz, time = maker(10, 4, "cpu", torch.Generator().manual_seed(0))()
    assert xyz.shape == (10, 3) and time.shape == (10,)
    assert len(torch.unique_consecutive(time)) == 4


@pytest.mark.parametrize("module", ["__main__", "full_size"])
def test_what_is_timed_is_there(module: str) -> None:
    """A part that was renamed would be missed only when somebody measures."""
    places = import_module(f"benchmarks.{module}").PLACES
    assert all(callable(getattr(owner, name)) for spots in places.values() for owner, name in spots)
