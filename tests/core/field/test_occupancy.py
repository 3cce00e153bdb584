"""Which cells are sampled, and when."""

from __future__ import annotations

import torch

from a124core.field.occupancy import (
    Occupancy,
    cell_points,
    empty_occupancy,
    is_occupied,
    occupied_at_time,
    occupied_box,
    time_slice,
    update_occupancy,
)


def appears_late(xyz: torch.Tensor, time: torch.Tensor):
    """Density 50 in a small ball, only in the last quarter of time."""
    inside = (xyz - torch.tensor([0.4, 0.0, -0.4])).norm(dim=1) < 0.2
    return 50.0 * (inside & (time > 0.75)).float(), torch.ones_like(xyz)


def test_each_slice_is_looked_at_in_its_own_time(rng: torch.Generator) -> None:
    """The release refreshed every slice near t = 1/2: this density would never be found."""
    occupancy = update_occupancy(empty_occupancy(16, 8, 1.0), appears_late, 0.95, rng)
    seen = occupancy.grid.flatten(1).amax(1) > 0
    assert seen.tolist() == [False] * 6 + [True] * 2
    occupied = occupancy.occupied().flatten(1).any(1)
    assert occupied.tolist() == [True] + [False] * 4 + [True] * 3  # and a neighbour in time, also around the ends


def test_old_density_fades(rng: torch.Generator) -> None:
    start = Occupancy(torch.full((2, 4, 4, 4), 10.0), 1.0)
    faded = update_occupancy(start, lambda xyz, time: (torch.zeros(xyz.shape[0]), xyz), 0.5, rng)
    assert torch.equal(faded.grid, torch.full((2, 4, 4, 4), 5.0))


def test_one_point_in_each_cell(rng: torch.Generator) -> None:
    cell = ((cell_points(4, rng) + 1) * 2).long()
    assert (cell[:, 0] + 4 * cell[:, 1] + 16 * cell[:, 2]).tolist() == list(range(64))


def test_box(rng: torch.Generator) -> None:
    occupied = torch.zeros(2, 8, 8, 8, dtype=torch.bool)
    occupied[0, 1, 2, 3] = occupied[1, 6, 2, 4] = True  # z, y, x
    torch.testing.assert_close(occupied_box(occupied), torch.tensor([[-0.25, -0.5, -0.75], [0.25, -0.25, 0.75]]))
    torch.testing.assert_close(occupied_box(occupied[:1] & False), torch.tensor([[-1.0] * 3, [1.0] * 3]))


def test_points_in_occupied_cells_of_the_slice_that_rays_meet() -> None:
    occupied = torch.zeros(6, 4, 4, 4, dtype=torch.bool)
    occupied[2, 0, 1, 3] = True  # z, y, x
    inside = torch.tensor([[0.9, -0.2, -0.9], [1.0, -0.2, -1.0], [0.9, 0.2, -0.9], [1.01, -0.2, -0.9]])
    assert is_occupied(occupied, 0.4, inside).tolist() == [True, True, False, False]
    assert not is_occupied(occupied, 0.6, inside).any()
    for moment in torch.linspace(0, 1, 61):  # in 64 bits some of these lie in another slice
        assert torch.equal(occupied_at_time(occupied, float(moment)), occupied[time_slice(moment, 6)])
