"""The solid over a silhouette: thickness by part, depth maps; its textures: no old background, no face behind."""

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.priors.builtin.appearance import STILL, Appearance, render_appearance
from a124core.priors.builtin.puppet.back import find_details
from a124core.priors.builtin.puppet.inflate import _cell_count, inflate, make_textures
from a124core.priors.builtin.puppet.rim import mirrored_inwards
from a124core.priors.builtin.puppet.solid import BACK, FRONT, inscribed_balls, make_solid, poisson
from a124core.priors.builtin.subject import Subject
from a124core.reference.reference import make_reference
from benchmarks.drawings import TUNED_ON

SIDE = 256


def grid(side: int = SIDE) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.meshgrid(*(torch.arange(side) + 0.5 - side / 2,) * 2, indexing="ij")


def disc(radius: float, x: float = 0.0, y: float = 0.0, side: int = SIDE) -> torch.Tensor:
    down, right = grid(side)
    return ((right - x) ** 2 + (down - y) ** 2 < radius**2)[None, None].float()


def bar(half_width: float, half_length: float) -> torch.Tensor:
    down, right = grid()
    return ((right.abs() < half_width) & (down.abs() < half_length))[None, None].float()


def heights(mask: torch.Tensor, depth: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Front and back in cells of the mask."""
    return tuple(height[0, 0, 1:-1, 1:-1] * SIDE for height in make_solid(mask, depth).heights(mask))


def seen(subject: Subject, azimuth: float, size: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    """Colours (3, size, size), not premultiplied, and alpha."""
    cameras = make_cameras(0.0, azimuth)
    layers = render_appearance(Appearance(subject, "reference", STILL), cameras, torch.zeros(1), size)[0]
    return layers[:3] / layers[3].clamp_min(1e-3), layers[3]


def test_the_film_over_a_disc_is_half_a_ball() -> None:
    y, x = grid(64)
    r2 = x**2 + y**2
    height = poisson((r2 < 24**2).float()[None, None])[0, 0].sqrt()
    exact = (24**2 - r2).clamp_min(0).sqrt()
    assert (height - exact).abs()[r2 < 20**2].max() < 1.5


def test_inscribed_balls_of_two_discs() -> None:
    mask = disc(20, -40, side=128)[0, 0].maximum(disc(10, 40, side=128)[0, 0])
    distance, squares, radius = inscribed_balls(mask)
    assert abs(float(distance[64, 24]) - 20) < 1 and abs(float(radius[64, 24 + 16]) - 20) < 1
    assert abs(float(radius[64, 104 + 5]) - 10) < 1
    assert abs(float(squares[64, 24 + 12]) - (20**2 - 12**2)) < 40


@pytest.mark.parametrize("half_length", [60, 110])
def test_a_limb_is_as_thick_as_it_is_wide(half_length: int) -> None:
    front, back = heights(bar(14, half_length))
    assert abs(float(front[128, 128]) / (14 * FRONT) - 1) < 0.12
    assert abs(float(back[128, 128]) / (14 * BACK) - 1) < 0.12


def test_a_torso_is_deeper_than_its_limbs_and_round_at_the_outline() -> None:
    front, _ = heights(disc(50).maximum(bar(8, 120)))
    assert front[128, 128] > 3.5 * front[30, 128] > 0
    assert front[128, 128 + 49] < 0.4 * front[128, 128 + 40] < 0.8 * front[128, 128]


def test_a_depth_map_shapes_the_front() -> None:
    """A ball that bulges on its left does so in front, and the outline stays where the sheet is."""
    y, x = grid()
    ball = (60.0**2 - x**2 - y**2).clamp_min(0).sqrt()[None, None]
    mask = disc(60)
    plain, _ = heights(mask, ball / ball.max())
    bulge = (1 - ((x + 25) ** 2 + y**2) / 20**2).clamp_min(0)[None, None] * 30
    bulged, _ = heights(mask, (ball + bulge) / (ball + bulge).max())
    assert (plain[128, 108] / plain[128, 148] - 1).abs() < 0.1
    assert bulged[128, 103] > 1.15 * bulged[128, 153]
    flat, _ = heights(mask)
    assert (plain - flat).abs().max() < 0.25 * flat.max()


def test_a_slanted_depth_map_slants_the_sheet() -> None:
    _, x = grid()
    front, back = heights(bar(90, 30), (0.5 + x / 200).clamp(0, 1)[None, None])
    assert front[128, 128 + 70] > front[128, 128 - 70] + 10
    assert back[128, 128 + 70] < back[128, 128 - 70] - 10


def test_colours_are_mirrored_at_a_border() -> None:
    image = torch.arange(8.0).expand(1, 3, 8, 8)
    known = (torch.arange(8) < 5).expand(8, 8)
    assert mirrored_inwards(image, known)[0, 0, 3].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]


def test_no_band_of_the_old_background_is_seen_from_the_side() -> None:
    """A red disc whose outermost pixels are pink, as a poor cut-out leaves them."""
    y, x = grid()
    r = (x**2 + y**2).sqrt()
    pale = ((r - 76) / 4).clamp(0, 1)
    image = torch.stack((torch.full_like(r, 0.8), 0.1 + 0.8 * pale, 0.1 + 0.8 * pale))[None]
    subject = inflate(make_reference(image, disc(80), mask_marks="subject"))
    for azimuth in (90, -90):
        colour, alpha = seen(subject, azimuth)
        inside = alpha > 0.99
        assert float((colour[1][inside] > 0.4).float().mean()) < 0.02
        assert float(colour[1][inside].mean()) < 0.16


def face() -> torch.Tensor:
    """Stripes all over, two eyes and a mouth."""
    y, x = grid()
    stripes = 0.5 + 0.2 * (x / 6).sin()
    image = torch.stack((stripes + 0.2, stripes, stripes - 0.2))[None]
    for centre in (-25, 25):
        eye = ((x - centre) ** 2 + (y + 20) ** 2).sqrt()
        image = torch.where(eye < 14, torch.tensor(1.0), image)
        image = torch.where(eye < 7, torch.tensor(0.0), image)
    return torch.where((y - 30).abs() < 4, torch.where(x.abs() < 22, torch.tensor(0.0), image), image)


def test_the_back_has_the_texture_and_not_the_face() -> None:
    mask = disc(90)
    details = find_details(face()[0].permute(1, 2, 0).numpy(), mask[0, 0].numpy() > 0)
    assert details[108, 103] and details[108, 153] and details[158, 128] and details.mean() < 0.2
    back = make_textures(face(), mask).back[0]
    inside = disc(60)[0, 0] > 0
    assert back[0][inside].min() > 0.35 and back[2][inside].max() < 0.7
    assert back[0][inside].std() > 0.6 * (face()[0, 0][inside & ~torch.from_numpy(details)]).std()
    subject = inflate(make_reference(face(), mask, mask_marks="subject"))
    front, behind = (seen(subject, azimuth)[0][0][32:64, 32:64] for azimuth in (0, 180))
    assert front.min() < 0.1 and behind.min() > 0.3


def test_muzzle_and_belly_of_a_front_view_are_no_part_of_its_back() -> None:
    reference = TUNED_ON["tiger"].reference()
    image, mask = reference.composite(SIDE)[0].permute(1, 2, 0).numpy(), reference.mask_at(SIDE)[0, 0].numpy() > 0.5
    details = find_details(image, mask)
    assert details[100, 110] and details[75, 104] and details[170, 128]
    assert not details[171, 168] and details[mask].mean() < 0.5


def test_a_line_of_a_pixel_stays_visible() -> None:
    mask = (disc(40) + bar(0.6, 120)).clamp(0, 1)
    alpha = seen(inflate(make_reference(torch.full((1, 3, SIDE, SIDE), 0.3), mask, mask_marks="subject")), 0, SIDE)[1]
    assert (alpha[10:80].amax(1) > 0.2).all()


@pytest.mark.parametrize("size", [24, 48, 64, 96, 128, 192, 256])
def test_cells_are_those_of_the_render(size: int) -> None:
    """Spacings are rounded down by up to 2^(1/16); cells that match the image's show it without a moire."""
    for k in range(16):
        assert _cell_count(2 * size * 2 ** (k / 256)) == 2 * size
