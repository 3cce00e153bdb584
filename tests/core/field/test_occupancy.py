"""Which cells are sampled, and when."""

from __future__ import annotations

import torch

from a124core.field.occupancy import (
    Occupancy,
    OccupancyMask,
    bounding_box,
    cell_points,
    empty_occupancy,
    time_slice,
    update_occupancy,
)


def appears_late(xyz: torch.Tensor, time: torch.Tensor):
    """Density 50 in a small ball, only in the last quarter of time."""
    inside = (xyz - torch.tensor([0.4, 0.0, -0.4])).norm(dim=1) < 0.2
    return 50.0 * (inside & (time > 0.75)).float(), torch.ones_like(xyz)


def test_each_slice_is_updated_at_its_own_times(rng: torch.Generator) -> None:
    """The release refreshed every slice near t = 1/2: this density would be missed."""
    occupancy = update_occupancy(empty_occupancy(16, 8, 1.0), appears_late, 0.95, rng)
    dense = occupancy.grid.flatten(1).amax(1) > 0
    assert dense.tolist() == [False] * 6 + [True] * 2
    binary = occupancy.mask().binary.flatten(1).any(1)
    assert binary.tolist() == [True] + [False] * 4 + [True] * 3  # and a neighbour in time, also around the ends


def test_cells_outside_those_asked_for_fade_and_are_not_evaluated() -> None:
    seen = []

    def everywhere(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(xyz)
        return torch.full(xyz.shape[:1], 7.0), xyz

    start = Occupancy(torch.full((2, 4, 4, 4), 10.0), 1.0)
    within = torch.zeros(2, 4, 4, 4, dtype=torch.bool)
    within[0, 1, 2, 3] = within[1, 0, 0, 0] = True
    updated = update_occupancy(start, everywhere, 0.5, torch.Generator().manual_seed(3), within=within)
    expected = torch.full((2, 4, 4, 4), 5.0)
    expected[within] = 7.0
    assert torch.equal(updated.grid, expected)
    assert [len(points) for points in seen] == [1, 1]
    assert ((seen[0] + 1) * 2).long().tolist() == [[3, 2, 1]]  # x y z of the cell
    whole = update_occupancy(start, everywhere, 0.5, torch.Generator().manual_seed(3))
    assert torch.equal(whole.grid[within], updated.grid[within])


def test_old_density_fades(rng: torch.Generator) -> None:
    start = Occupancy(torch.full((2, 4, 4, 4), 10.0), 1.0)
    faded = update_occupancy(start, lambda xyz, time: (torch.zeros(xyz.shape[0]), xyz), 0.5, rng)
    assert torch.equal(faded.grid, torch.full((2, 4, 4, 4), 5.0))


def test_one_point_in_each_cell(rng: torch.Generator) -> None:
    cell = ((cell_points(4, rng) + 1) * 2).long()
    assert (cell[:, 0] + 4 * cell[:, 1] + 16 * cell[:, 2]).tolist() == list(range(64))


def test_bounding_box() -> None:
    binary = torch.zeros(2, 8, 8, 8, dtype=torch.bool)
    binary[0, 1, 2, 3] = binary[1, 6, 2, 4] = True  # z, y, x
    torch.testing.assert_close(bounding_box(binary), torch.tensor([[-0.25, -0.5, -0.75], [0.25, -0.25, 0.75]]))
    torch.testing.assert_close(bounding_box(binary[:1] & False), torch.tensor([[-1.0] * 3, [1.0] * 3]))


def test_a_mask_contains_points_of_occupied_cells_in_the_slice_of_the_rays() -> None:
    binary = torch.zeros(6, 4, 4, 4, dtype=torch.bool)
    binary[2, 0, 1, 3] = True  # z, y, x
    mask = OccupancyMask(binary, bounding_box(binary))
    points = torch.tensor([[0.9, -0.2, -0.9], [1.0, -0.2, -1.0], [0.9, 0.2, -0.9], [1.01, -0.2, -0.9]])
    assert mask.contains(points, 0.4).tolist() == [True, True, False, False]
    assert not mask.contains(points, 0.6).any()
    for time in torch.linspace(0, 1, 61):  # in 64 bits some of these lie in another slice
        assert torch.equal(mask.at_time(float(time)), binary[time_slice(time, 6)])
