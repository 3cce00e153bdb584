"""Finished images with and without tightened occupancy, of fields that were trained for some steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.export.checkpoint import load_field, save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field
from a124core.field.occupancy import Occupancy, OccupancyMask, empty_occupancy, time_slice, update_occupancy
from a124core.protocols import Field
from a124core.render import clip as clip_module
from a124core.render.clip import MAX_TIMES, PREVIEW_SAMPLES, ImageOptions, RenderedClip, render_clip
from a124core.render.empty_space import (
    MAX_CELLS,
    estimate_samples,
    is_worthwhile,
    samples_per_cell,
    tighten_occupancy,
)
from a124core.render.sample import DIAGONAL, Rays, camera_rays, sample_rays
from tests.fakes import FunctionField

SIZE = 64
TWICE = 32  # px: at 64 steps tightening is worthwhile for two images of this size, not for one
LEVEL = 1 / 255
SMALL = {"levels": 4, "base_resolution": 8, "max_resolution": 40, "log2_hashmap_size": 17, "hidden": 16}
FAST = FieldConfig(time_grids=9, **SMALL)
STILL = replace(FAST, time_grids=1)
OTHER = FieldConfig(
    time_grids=5, index_mode="tiled_full", loop=True, density="softplus", blob_density=1.0, blob_radius=0.5, **SMALL
)


def sweep(time: Tensor) -> Tensor:
    """The rod's x."""
    return 0.8 * time - 0.4


def ball_and_rod(xyz: Tensor, time: Tensor) -> Tensor:  # (N,) bool
    """A ball, and a rod four steps thick that sweeps over it: 0.1 in a slice of time, two of the occupancy's cells."""
    ball = (xyz - torch.tensor([0.0, -0.3, 0.0])).norm(dim=1) < 0.3
    rod = (xyz[:, ::2] - torch.stack((sweep(time), 0.0 * time), dim=1)).norm(dim=1) < 0.03
    return ball | (rod & (xyz[:, 1] > 0.0) & (xyz[:, 1] < 0.6))


def trained(config: FieldConfig, cells: int, slices: int, steps: int = 150) -> Field4D:
    """A field that has learned the scene's density at random points, and its occupancy as training keeps it."""
    rng = torch.Generator().manual_seed(0)
    field = new_field(config, rng).fork()
    adam = torch.optim.Adam([{"params": [field.table], "lr": 0.1}, {"params": list(field.mlp.values()), "lr": 0.01}])
    for _ in range(steps):
        time = torch.rand(2**13, generator=rng) if config.time_grids > 1 else torch.zeros(2**13)
        xyz = torch.rand((2**13, 3), generator=rng) * 2.1 - 1.05  # and a little outside: features are 0 there
        thin = torch.rand((2**12, 3), generator=rng) * torch.tensor([0.2, 0.7, 0.2]) - torch.tensor([0.1, 0.0, 0.1])
        thin[:, 0] += sweep(time[: len(thin)])
        xyz[: len(thin)] = thin  # half of the points are around the rod
        density, _ = field(xyz, time)
        target = torch.where(ball_and_rod(xyz, time), 100.0, 1e-5).log()
        loss = ((density + 1e-6).log() - target).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    occupancy = empty_occupancy(cells, slices, 1.0)
    for _ in range(3):
        occupancy = update_occupancy(occupancy, field.at_rest(), 0.9, rng)
    return replace(field.at_rest(), occupancy=occupancy)


@pytest.fixture(scope="module")
def fast() -> Field4D:
    return trained(FAST, 32, 8)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[Field, list[float]], tuple[RenderedClip, RenderedClip]]:
    """Images of three cameras with tightened occupancy at each time, and without."""

    def rendered(field: Field, times: list[float]) -> tuple[RenderedClip, RenderedClip]:
        cameras = make_cameras([10.0, -20.0, 60.0] * len(times), [0.0, 100.0, 230.0] * len(times))
        time, clips = torch.tensor(times).repeat_interleave(3), []
        for tighten in (True, False):
            monkeypatch.setattr(clip_module, "is_worthwhile", lambda *_, tighten=tighten: tighten)
            clips.append(render_clip(field, cameras, time, ImageOptions(SIZE)))
        return clips[0], clips[1]

    return rendered


def assert_same(new: RenderedClip, old: RenderedClip) -> None:
    """To less than a level of 255, of which a file keeps nothing; depth to less than a step."""
    for layer in ("image", "mask", "normal"):
        assert float((getattr(new, layer) - getattr(old, layer)).abs().max()) < LEVEL, layer
    assert float((new.depth * new.mask - old.depth * old.mask).abs().max()) < DIAGONAL / PREVIEW_SAMPLES


def test_a_fast_thin_rod_looks_the_same(fast: Field4D, both: Callable) -> None:
    new, old = both(fast, [0.0, 0.25, 0.4, 1.0])
    assert_same(new, old)
    beside = old.mask[[0, 3, 9], 0, : SIZE // 2]  # from the front, above the ball
    assert (beside.amax(dim=(1, 2)) > 0.5).all()  # the rod is there
    assert (beside[0] - beside[2]).abs().max() > 0.5  # and elsewhere in the end


@pytest.mark.parametrize(("config", "cells", "slices"), [(STILL, 32, 1), (OTHER, 24, 6)])
def test_fields_of_other_settings_from_a_file(
    config: FieldConfig, cells: int, slices: int, both: Callable, tmp_path: Path
) -> None:
    save_field(tmp_path / "field.safetensors", trained(config, cells, slices))
    new, old = both(load_field(tmp_path / "field.safetensors"), [0.0, 0.4, 1.0])
    assert_same(new, old)
    assert float(old.mask.amax()) > 0.9


def test_samples_lie_where_they_lay_and_fewer_in_empty_space(fast: Field4D) -> None:
    """Those in the remaining cells, the first of a ray too, whose step begins outside."""
    mask = fast.occupancy.mask()
    tight = tighten_occupancy(fast, mask, 0.25, PREVIEW_SAMPLES)
    rays = camera_rays(make_cameras(10.0, 0.0), torch.tensor([0.25]), SIZE)
    before, after = (sample_rays(rays, m, PREVIEW_SAMPLES) for m in (mask, tight))
    side = tight.binary.shape[-1]
    x, y, z = ((before.xyz + 1.0) * (0.5 * side)).long().clamp(0, side - 1).unbind(1)
    remaining = before[tight.binary[0, z, y, x]]
    expected, actual = ({*zip(s.ray_indices.tolist(), s.start.tolist(), strict=True)} for s in (remaining, after))
    assert len(expected ^ actual) <= 3  # on a face between two cells
    assert len(after) < 0.6 * len(before)


def test_a_field_with_nothing_in_it(both: Callable) -> None:
    """Training kept cells, and the density is gone."""

    def empty(xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(time), torch.zeros_like(xyz)

    field = FunctionField(empty, Occupancy(torch.ones(2, 4, 4, 4), 0.5))
    for clip in both(field, [0.0, 1.0]):
        assert not clip.mask.any() and (clip.image == 1.0).all()
    assert not tighten_occupancy(field, field.occupancy.mask(), 0.0, 32).binary.any()


def test_nan_density_is_not_empty() -> None:
    def broken(xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(xyz[:, 0] > 0.5, torch.nan, 0.0), torch.zeros_like(xyz)

    mask = Occupancy(torch.ones(1, 8, 8, 8), 0.5).mask()
    binary = tighten_occupancy(FunctionField(broken), mask, 0.0, 16).binary
    assert binary[..., 5:].all() and not binary[..., :5].any()  # and the neighbours at x = 0.375


def test_tightening_is_worthwhile_for_many_rays_only(fast: Field4D) -> None:
    mask, camera, time = fast.occupancy.mask(), make_cameras(0.0, 0.0), torch.tensor([0.5])
    small, large = (camera_rays(camera, time, size) for size in (64, 256))
    assert not is_worthwhile(fast, small, mask, PREVIEW_SAMPLES, 1)
    assert is_worthwhile(fast, small, mask, PREVIEW_SAMPLES, 16)
    assert is_worthwhile(fast, large, mask, PREVIEW_SAMPLES, 1)
    assert not is_worthwhile(everywhere, large, mask, PREVIEW_SAMPLES, 1)  # its max_resolution is unknown
    assert not is_worthwhile(fast, large, Occupancy(torch.zeros(1, 8, 8, 8), 1.0).mask(), PREVIEW_SAMPLES, 1)


@pytest.mark.parametrize("size", [7, 61, 122, 128])
def test_samples_are_estimated_for_every_size(fast: Field4D, size: int) -> None:
    """From random rays: each 61st would be one of the left edge at 61 px."""
    mask = fast.occupancy.mask()
    rays = camera_rays(make_cameras(0.0, 0.0), torch.tensor([0.5]), size)
    count = len(sample_rays(rays, mask, PREVIEW_SAMPLES))
    assert 0.8 * count < estimate_samples(rays, mask, PREVIEW_SAMPLES) < 1.25 * count


@pytest.mark.parametrize(("cells", "side"), [(24, 120), (64, 128), (65, 65), (100, 100), (127, 127), (160, 160)])
def test_cells_stay_below_the_limit(cells: int, side: int) -> None:
    grid = torch.zeros(1, cells, cells, cells)
    grid[0, 1, 2, 3] = 1.0
    binary = tighten_occupancy(everywhere, Occupancy(grid, 0.5).mask(), 0.0, PREVIEW_SAMPLES).binary
    assert binary.shape == (1, side, side, side) and side <= max(MAX_CELLS, cells)
    assert binary.any()


@FunctionField
def everywhere(xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    return torch.ones_like(time), torch.zeros_like(xyz)


@pytest.mark.parametrize("times", [25, 31, 61])
def test_the_slice_is_that_of_the_rays(times: int) -> None:
    """On the border of two slices 32 and 64 bits do not agree."""
    binary = torch.eye(6, dtype=torch.bool)[:, None, None].expand(6, 6, 6, 6)
    mask = OccupancyMask(binary, torch.tensor([[-1.0] * 3, [1.0] * 3]))
    time = torch.linspace(0.0, 1.0, times)
    for now, index in zip(time, time_slice(time, 6), strict=True):
        tight = tighten_occupancy(everywhere, mask, float(now), 12).binary[0]
        assert tight.any(dim=1).any(dim=0).nonzero().flatten().tolist() == [int(index)]


@pytest.mark.parametrize(("resolution", "samples"), [(40, 1), (128, 1), (192, 2), (256, 2), (512, 8), (2048, 8)])
def test_a_finer_field_needs_more_samples_per_cell(resolution: int, samples: int) -> None:
    field = new_field(replace(STILL, max_resolution=resolution), torch.Generator().manual_seed(0))
    mask = Occupancy(torch.ones(1, 32, 32, 32), 0.5).mask()
    assert samples_per_cell(field, mask, PREVIEW_SAMPLES) == samples


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], list[float]]:
    """The times at which is_worthwhile and tighten_occupancy were called."""
    weighed: list[float] = []
    tightened: list[float] = []

    def weigh(field: Field, rays: Rays, *others: object) -> bool:
        weighed.append(float(rays.time[0]))
        return is_worthwhile(field, rays, *others)

    def tighten(field: Field, mask: OccupancyMask, time: float, n_steps: int) -> OccupancyMask:
        tightened.append(time)
        return tighten_occupancy(field, mask, time, n_steps)

    monkeypatch.setattr(clip_module, "is_worthwhile", weigh)
    monkeypatch.setattr(clip_module, "tighten_occupancy", tighten)
    return weighed, tightened


def test_all_images_of_a_time_share_one_mask(fast: Field4D, calls: tuple[list[float], list[float]]) -> None:
    """As in an evaluation: each camera sees all times in turn."""
    cameras = make_cameras(0.0, [0.0, 0.0, 90.0, 90.0] * 4)
    render_clip(fast, cameras, torch.tensor([0.25, 0.75] * 8), ImageOptions(96, normals=False))
    assert calls == ([0.25, 0.75], [0.25, 0.75])


def test_a_mask_that_will_not_be_cached_counts_for_one_image(fast: Field4D, calls: tuple[list, list]) -> None:
    """There and back through more times than are cached."""
    for times, tightened in ((MAX_TIMES, MAX_TIMES), (MAX_TIMES + 1, 0)):
        calls[1].clear()
        there = torch.linspace(0.0, 1.0, times)
        cameras, time = make_cameras(0.0, [0.0] * 2 * times), torch.cat((there, there.flip(0)))
        render_clip(fast, cameras, time, ImageOptions(TWICE, 64))
        assert len(calls[1]) == tightened
