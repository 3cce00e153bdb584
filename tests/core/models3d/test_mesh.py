"""Meshes rendered with colours and textures, against what is known in closed form."""

from __future__ import annotations

import torch

from a124core.cameras.rig import make_cameras, pixel_rays
from a124core.models3d.mesh import MeshModel
from a124core.models3d.textures import make_texture

CORNERS = torch.tensor([[-0.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.5, 0.5, 0.0], [-0.5, 0.5, 0.0]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])
UV = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
SIZE = (64, 64)


def square(image: torch.Tensor, used: torch.Tensor | None = None) -> MeshModel:
    texture = torch.zeros(2, dtype=torch.long)
    return MeshModel(CORNERS, FACES, torch.ones(4, 3), UV, texture, (make_texture(image, used),))


def test_colours_are_linear_on_the_surface_not_in_the_image() -> None:
    """A square seen from the side at 60 degrees: red is x + 0.5 where the pixel's ray meets it (perspective)."""
    colours = torch.zeros(4, 3)
    colours[:, 0] = CORNERS[:, 0] + 0.5
    camera = make_cameras(0.0, 60.0)
    layers = MeshModel(CORNERS, FACES, colours).layers(camera, SIZE)[0]
    origins, directions = pixel_rays(camera, SIZE)
    depth = -origins[0, :, 2] / directions[0, :, 2]
    expected = (origins[0] + directions[0] * depth[:, None])[:, 0].view(SIZE) + 0.5
    whole = layers[3] == 1
    assert whole.sum() > 400
    assert (layers[0] - expected)[whole].abs().max() < 2e-3
    assert (layers[4] - depth.view(SIZE))[whole].abs().max() < 2e-3


def test_a_texture_is_the_right_way_up() -> None:
    image = torch.zeros(3, 16, 16)
    image[0, :8, :8] = 1.0  # red in the upper left
    image[1, 8:, 8:] = 1.0  # green in the lower right
    layers = square(image).layers(make_cameras(0.0, 0.0), SIZE)[0]
    red, green = layers[0] > 0.9, layers[1] > 0.9
    assert red[:32, :32].sum() > 200 and red.sum() == red[:32, :32].sum()
    assert green[32:, 32:].sum() > 200 and green.sum() == green[32:, 32:].sum()


def test_a_fine_texture_is_averaged_not_sampled() -> None:
    """A chequerboard of single texels, 1024 a side, is grey in a small image."""
    board = ((torch.arange(1024)[:, None] + torch.arange(1024)) % 2).float().expand(3, -1, -1)
    layers = square(board).layers(make_cameras(20.0, 30.0), SIZE)[0]
    whole = layers[3] == 1
    assert (layers[0, whole] - 0.5).abs().max() < 0.02


def test_texels_outside_the_charts_do_not_bleed_in() -> None:
    """The chart is red, what surrounds it black: averaged by use it stays red, at any size."""
    image, used = torch.zeros(3, 256, 256), torch.zeros(256, 256, dtype=torch.bool)
    used[::4] = True
    image[0] = used.float()
    for level in make_texture(image, used).levels:
        assert (level[0] / level[3] - 1.0).abs().max() < 1e-4


def test_both_sides_are_drawn_and_nearer_ones_hide_others() -> None:
    vertices = torch.cat((CORNERS, CORNERS * 0.5 + torch.tensor([0.0, 0.0, 0.3])))
    colours = torch.tensor([[1.0, 0.0, 0.0]] * 4 + [[0.0, 0.0, 1.0]] * 4)
    model = MeshModel(vertices, torch.cat((FACES, FACES + 4)), colours)
    front, back = model.layers(make_cameras(0.0, [0.0, 180.0]), SIZE)
    assert front[2, 32, 32] == 1.0 and front[0, 32, 32] == 0.0  # the small blue one is in front
    assert back[0, 32, 32] == 1.0 and back[2, 32, 32] == 0.0
