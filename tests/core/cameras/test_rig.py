"""Cameras against the look-at construction, published numbers and counted draws."""

import math

import pytest
import torch

from a124core.cameras.rig import (
    angle_between,
    camera_to_world,
    make_cameras,
    moving_views,
    nearest_cameras,
    orbit,
    pixel_rays,
    random_views,
    reference_camera,
    relative_azimuth,
)


def released_centre(polar: float, azimuth: float, radius: float) -> list[float]:
    """The authors' formula, polar angle from the top."""
    p, a = math.radians(polar), math.radians(azimuth)
    return [radius * math.sin(p) * math.sin(a), radius * math.cos(p), radius * math.sin(p) * math.cos(a)]


def look_at(centre: torch.Tensor) -> torch.Tensor:
    """Right-handed look-at with y up, by cross products."""
    back = centre / centre.norm()
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), back)
    right = right / right.norm()
    return torch.stack([right, torch.linalg.cross(back, right), back, centre], dim=1)


def test_centre_has_the_published_numbers():
    c2w = camera_to_world(make_cameras(0.0, 30.0))
    torch.testing.assert_close(c2w[0, :3, 3], torch.tensor([0.900, 0.0, 1.5588]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("polar", [20.0, 90.0, 130.0])
@pytest.mark.parametrize("azimuth", [-170.0, -45.0, 0.0, 90.0, 200.0])
def test_pose_is_the_look_at_pose(polar, azimuth):
    c2w = camera_to_world(make_cameras(90.0 - polar, azimuth, radius=1.3))[0]
    centre = torch.tensor(released_centre(polar, azimuth, 1.3))
    torch.testing.assert_close(c2w[:3], look_at(centre), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(c2w[3], torch.tensor([0.0, 0.0, 0.0, 1.0]))


def test_rig_is_right_handed_everywhere_even_at_the_poles(rng):
    cameras = random_views(200, rng)
    poles = make_cameras([90.0, -90.0, 90.0], [0.0, 45.0, 180.0])
    for c2w in (camera_to_world(cameras), camera_to_world(poles)):
        r = c2w[:, :3, :3]
        torch.testing.assert_close(r @ r.mT, torch.eye(3).expand_as(r), atol=1e-5, rtol=0)
        torch.testing.assert_close(torch.linalg.det(r), torch.ones(len(r)), atol=1e-5, rtol=0)


def test_azimuth_moves_to_plus_x_and_elevation_upwards():
    c2w = camera_to_world(make_cameras([0.0, 0.0, 20.0], [0.0, 20.0, 0.0]))
    assert c2w[0, :3, 3].tolist() == pytest.approx([0.0, 0.0, 1.8])
    assert c2w[1, 0, 3] > 0.5 and c2w[2, 1, 3] > 0.5


def test_right_most_ray_of_the_reference_view():
    _, directions = pixel_rays(reference_camera(), (128, 128))
    right_most = directions.reshape(128, 128, 3)[64, 127]
    torch.testing.assert_close(right_most, torch.tensor([0.361, 0.0, -1.0]), atol=4e-3, rtol=0)
    assert float(right_most[0]) == pytest.approx(63.5 / 175.84, abs=1e-5)
    assert float(directions[0].norm(dim=-1).max()) == pytest.approx(1.123, abs=1e-3)


def test_rays_against_a_loop_over_pixels():
    cameras = make_cameras([10.0, -30.0], [25.0, 170.0], [1.8, 2.5], [40.0, 60.0])
    height, width = 3, 5
    origins, directions = pixel_rays(cameras, (height, width))
    c2w = camera_to_world(cameras)
    for b in range(2):
        focal = height / (2 * math.tan(math.radians(float(cameras.fovy[b])) / 2))
        for j in range(height):
            for i in range(width):
                local = torch.tensor([(i + 0.5 - width / 2) / focal, -(j + 0.5 - height / 2) / focal, -1.0])
                torch.testing.assert_close(directions[b, j * width + i], c2w[b, :3, :3] @ local)
                torch.testing.assert_close(origins[b, j * width + i], c2w[b, :3, 3])


def test_ray_parameter_is_depth_along_the_axis():
    cameras = make_cameras(33.0, 120.0)
    _, directions = pixel_rays(cameras, (8, 8))
    back = camera_to_world(cameras)[0, :3, 2]
    torch.testing.assert_close(directions[0] @ -back, torch.ones(64))


def test_visible_half_extent():
    """The upper edge of the image meets the plane through the origin at 1.8 tan 20 degrees."""
    size = 512
    origins, directions = pixel_rays(reference_camera(), (size, size))
    edge = origins[0] + 1.8 * directions[0]
    assert float(edge[:, 1].max()) == pytest.approx(0.655 * (1 - 1 / size), abs=1e-3)


def test_random_views_have_the_published_statistics(rng):
    cameras = random_views(300_000, rng)
    polar = 90.0 - cameras.elevation
    assert float(polar.mean()) == pytest.approx(73.4, abs=0.2)
    assert float((polar < 30).float().mean()) == pytest.approx(0.043, abs=0.002)
    assert float((polar > 90).float().mean()) == pytest.approx(0.25, abs=0.004)
    assert float(angle_between(cameras, reference_camera()).mean()) == pytest.approx(90.0, abs=0.3)
    assert float(polar.max()) <= 135.0
    assert bool((cameras.radius == 1.8).all()) and bool((cameras.fovy == 40).all())
    for side in range(4):  # every quarter turn is equally likely, by symmetry
        share = ((cameras.azimuth // 90) % 4 == side).float().mean()
        assert float(share) == pytest.approx(0.25, abs=0.004)


def test_sphere_branch_alone_is_the_upper_box(rng, monkeypatch):
    monkeypatch.setattr("a124core.cameras.rig.SPHERE_SHARE", 1.0)
    cameras = random_views(100_000, rng)
    assert float(cameras.elevation.min()) >= 0.0
    other = torch.Generator().manual_seed(1)
    x, z = (2 * torch.rand(2, 100_000, generator=other) - 1).unbind(0)
    y = torch.rand(100_000, generator=other)
    expected = torch.rad2deg(torch.asin(y / (x**2 + y**2 + z**2).sqrt())).mean()
    assert float(cameras.elevation.mean()) == pytest.approx(float(expected), abs=0.3)


def test_moving_camera_walks_evenly_and_stops_one_frame_short(rng):
    start = make_cameras(5.0, 40.0, 2.0, 50.0)
    for _ in range(20):
        cameras, moves = moving_views(start, 16, rng, moving=1.0)
        assert moves and len(cameras) == 16
        assert float(cameras.elevation[0]) == 5.0 and float(cameras.azimuth[0]) == 40.0
        for angle, limit in ((cameras.elevation, 45.0), (cameras.azimuth, 90.0)):
            steps = angle[1:] - angle[:-1]
            torch.testing.assert_close(steps, steps[:1].expand(15), atol=1e-4, rtol=1e-4)
            assert float((angle[-1] - angle[0]).abs()) <= limit * 15 / 16
        assert bool((cameras.radius == 2.0).all()) and bool((cameras.fovy == 50.0).all())


def test_moving_camera_is_still_one_time_in_ten(rng):
    draws = [moving_views(reference_camera(), 4, rng) for _ in range(4_000)]
    assert sum(moves for _, moves in draws) / 4_000 == pytest.approx(0.9, abs=0.015)
    for cameras, moves in draws[:200]:
        assert moves or torch.equal(cameras.azimuth, cameras.azimuth[:1].expand(4))
    swings = torch.tensor([float(c.azimuth[-1]) / 0.75 for c, moves in draws if moves])
    assert float(swings.std()) == pytest.approx(180 / math.sqrt(12), rel=0.03)


def test_moving_camera_never_crosses_a_pole(rng):
    for elevation in (80.0, -80.0):
        clips = [moving_views(make_cameras(elevation, 0.0), 16, rng)[0] for _ in range(100)]
        highest = max(float(c.elevation.abs().max()) for c in clips)
        assert highest == pytest.approx(85.0)


def test_a_still_camera_stays_where_it_was_put(rng):
    cameras, moves = moving_views(make_cameras(88.0, 0.0), 4, rng, moving=0.0)
    assert not moves and bool((cameras.elevation == 88.0).all())


def test_orbit_goes_round_once_without_repeating_its_first_frame():
    cameras = orbit(8, elevation=15.0, azimuth0=10.0)
    assert cameras.azimuth.tolist() == [10.0 + 45.0 * i for i in range(8)]
    assert orbit(4, turns=-0.5).azimuth.tolist() == [0.0, -45.0, -90.0, -135.0]


def test_angle_between_against_the_cosine():
    a = make_cameras([0.0, 0.0, 30.0, 90.0, -20.0], [0.0, 180.0, 0.0, 77.0, 60.0])
    angle = angle_between(a, reference_camera())
    cosine = torch.cos(torch.deg2rad(a.elevation)) * torch.cos(torch.deg2rad(a.azimuth))
    torch.testing.assert_close(angle, torch.rad2deg(torch.acos(cosine)), atol=1e-3, rtol=1e-4)
    assert angle[:4].tolist() == pytest.approx([0.0, 180.0, 30.0, 90.0], abs=1e-4)


def test_angle_keeps_its_digits_near_zero():
    angle = angle_between(make_cameras(0.0, 0.01), reference_camera())
    assert float(angle) == pytest.approx(0.01, rel=1e-4)


def test_relative_azimuth_wraps():
    cameras = make_cameras(0.0, [0.0, 190.0, 370.0, -10.0, 225.0])
    assert relative_azimuth(cameras, make_cameras(0.0, 45.0)).tolist() == [-45.0, 145.0, -35.0, -55.0, -180.0]


def test_nearest_against_a_loop(rng):
    cameras, allowed = random_views(50, rng), random_views(9, rng, radius=2.2)
    chosen = nearest_cameras(cameras, allowed)
    assert torch.equal(chosen.radius, allowed.radius[:1].expand(50))
    for i in range(50):
        angles = [float(angle_between(cameras[i : i + 1], allowed[j : j + 1])) for j in range(9)]
        assert float(angle_between(cameras[i : i + 1], chosen[i : i + 1])) == pytest.approx(min(angles), abs=1e-3)


def test_same_seed_same_cameras():
    a, b = (random_views(5, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(a.elevation, b.elevation) and torch.equal(a.azimuth, b.azimuth)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.0, 0.0), "radius is 0"),
        ((0.0, 0.0, 1.8, 180.0), "fovy is 180"),
        ((0.0, math.nan), "not a number"),
        (([0.0, 1.0], [0.0, 1.0, 2.0]), "one value, or one per camera"),
    ],
)
def test_impossible_cameras_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_cameras(*arguments)


def test_empty_requests_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        orbit(0)
    with pytest.raises(ValueError, match="empty"):
        nearest_cameras(reference_camera(), random_views(1, torch.Generator())[:0])
