"""The scene in a headset, emulated: each eye against our renderer, and depth against disparity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from a124core.protocols import Shading
from a124core.render.render import render
from a124core.render.sample import Rays, sample_rays
from tests.fakes import FunctionField
from tests.web.conftest import ROOT, decoded
from tests.web.scenes import FAR_BLUE, NEAR_RED, figure, psnr

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = 128
LENSES = {"left": (-0.5, 0.38, -0.44, 0.44), "right": (-0.38, 0.5, -0.44, 0.44)}  # as in xr_emulator.js
APART = 0.064 * 1.8  # between the eyes, world units: a metre is 1.8 of them where the viewer places the scene
START = (0.0, 1.6, 0.0)  # metres, where the head is when the session begins
AGREEMENT = 30.0  # dB; the promise is 25


@pytest.fixture
def headset(tab: Page, address: str) -> Page:
    """The viewer's page in a browser that has a headset."""
    tab.add_init_script(path=ROOT / "tests" / "web" / "xr_emulator.js")
    tab.goto(f"{address}/page.html")
    tab.wait_for_function("window.ready")
    return tab


def enter(page: Page, name: str, kind: str = "vr") -> None:
    """Show a file and press the button."""
    page.evaluate(f"show('{name}')")
    page.wait_for_function(f"viewers[0].root.querySelector('[data-name={kind}]')")
    page.evaluate(f"viewers[0].root.querySelector('[data-name={kind}]').click()")
    page.wait_for_function("xr.frames > 1")


def eye_images(page: Page) -> dict[str, torch.Tensor]:  # (4, SIZE, SIZE) each
    page.wait_for_function(f"xr.frames > {page.evaluate('xr.frames') + 1}")
    both = decoded(*page.evaluate("xr.pixels()"))
    return {"left": both[:, :, :SIZE], "right": both[:, :, SIZE:]}


def expected(scene: FunctionField, time: float, eye: str, head: torch.Tensor) -> torch.Tensor:  # (3, SIZE, SIZE)
    """Our renderer through that eye's lens. head: (4, 4), where the head is in world units and axes."""
    low_x, high_x, low_y, high_y = LENSES[eye]
    share = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(high_y - share * (high_y - low_y), low_x + share * (high_x - low_x), indexing="ij")
    right, up, back, centre = head[:3].unbind(1)
    origin = centre + right * (APART / 2 if eye == "right" else -APART / 2)
    directions = x.reshape(-1, 1) * right + y.reshape(-1, 1) * up - back
    moment = torch.full((SIZE * SIZE,), time)
    rays = Rays(origin.expand_as(directions), directions, moment, torch.zeros_like(moment))
    seen = render(scene, sample_rays(rays, scene.occupancy.mask(), 256), torch.ones(3), Shading())
    return seen.image.T.reshape(3, SIZE, SIZE)


def turned(degrees: float, x: float, y: float, z: float) -> torch.Tensor:  # (4, 4)
    """A head that looked along -z, turned to the left, at a place."""
    a = math.radians(degrees)
    cos, sin = math.cos(a), math.sin(a)
    return torch.tensor([[cos, 0, sin, x], [0, 1, 0, y], [-sin, 0, cos, z], [0, 0, 0, 1.0]])


def set_head(page: Page, head: torch.Tensor) -> None:
    page.evaluate(f"xr.head = {head.T.flatten().tolist()}")


def test_each_eye_agrees_with_the_renderer(headset: Page) -> None:
    enter(headset, "figure.a124vol")
    images = eye_images(headset)
    front = turned(0.0, 0.0, 0.0, 1.8)  # a metre before the scene, as far as the reference camera
    for eye in ("left", "right"):
        assert psnr(images[eye][:3], expected(figure, 0.0, eye, front)) >= AGREEMENT
    other = {"left": "right", "right": "left"}
    assert psnr(images["left"][:3], expected(figure, 0.0, other["left"], front)) < 22, "the eyes are not exchanged"


def test_the_head_can_walk_around_the_scene(headset: Page) -> None:
    set_head(headset, turned(30.0, *START))  # whichever way one looks at first, the scene is before one
    enter(headset, "figure.a124vol")
    images = eye_images(headset)
    assert psnr(images["left"][:3], expected(figure, 0.0, "left", turned(0.0, 0.0, 0.0, 1.8))) >= AGREEMENT
    # Then to the scene's right side and 0.2 m up: in the room the scene's own axes are turned by 30 degrees.
    there = turned(90.0, 1.6, 0.36, 0.1)
    room = torch.eye(4)
    room[:3, 3] = torch.tensor([-math.sin(math.radians(30)), 1.6, -math.cos(math.radians(30))])  # the scene's middle
    metres = there.clone()
    metres[:3, 3] /= 1.8
    set_head(headset, room @ turned(30.0, 0.0, 0.0, 0.0) @ metres)
    images = eye_images(headset)
    for eye in ("left", "right"):
        assert psnr(images[eye][:3], expected(figure, 0.0, eye, there)) >= AGREEMENT


def test_near_objects_differ_more_between_the_eyes(headset: Page) -> None:
    enter(headset, "balls.a124vol")
    images = eye_images(headset)
    red, blue = (
        tangent(images["left"], channel, "left") - tangent(images["right"], channel, "right") for channel in (0, 2)
    )
    assert red > blue > 0
    assert red == pytest.approx(APART / (1.8 - NEAR_RED[2]), rel=0.03)
    assert blue == pytest.approx(APART / (1.8 - FAR_BLUE[2]), rel=0.03)


def tangent(image: torch.Tensor, channel: int, eye: str) -> float:
    """Where a ball of that colour stands from left to right, as a tangent in its eye's lens."""
    others = [c for c in range(3) if c != channel]
    weight = (image[channel] - image[others].amax(0)).clamp_min(0.0).sum(0)
    share = float((weight * (torch.arange(SIZE) + 0.5)).sum() / weight.sum()) / SIZE
    low, high = LENSES[eye][:2]
    return low + share * (high - low)


def test_ar_is_transparent_and_the_page_comes_back(headset: Page) -> None:
    enter(headset, "figure.a124vol", "ar")
    assert float(eye_images(headset)["left"][3, 0, 0]) == 0.0
    headset.evaluate("xr.session.end()")
    assert headset.evaluate("viewers[0].session") is None
    frames = headset.evaluate("xr.frames")
    headset.wait_for_timeout(100)
    assert headset.evaluate("xr.frames") <= frames + 1


def test_no_headset_no_button(page: Page) -> None:
    page.evaluate("show('figure.a124vol')")
    page.wait_for_timeout(50)
    assert page.evaluate("viewers[0].root.querySelector('[data-name=vr], [data-name=ar]')") is None
