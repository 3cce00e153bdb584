"""Colours in the host's own page, under its dark and its light palette."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.host.server import Host
from tests.host.test_web import SHOWN, page, scene, workflow

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["page", "scene"]  # fixtures
ROOT = Path(__file__).resolve().parents[2]
READABLE = 4.5  # contrast of small text, W3C's WCAG 2.1, 1.4.3
# [text, ground] of what the viewer's bar consists of, as [red, green, blue] in 0 ... 255; a pressed button too.
COLOURS = """() => {
  const { root } = app.graph.getNodeById(2).a124Panel.viewer, parts = [];
  const numbers = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const bar = getComputedStyle(root.querySelector(".viewer")).backgroundColor;
  root.querySelector("[data-name=turntable]").setAttribute("aria-pressed", "true");
  for (const part of root.querySelectorAll("button, select, output")) {
    const style = getComputedStyle(part), own = part.tagName !== "OUTPUT";
    parts.push([style.color, own ? style.backgroundColor : bar].map(numbers));
  }
  return [parts, numbers(bar)];
}"""


def choose(page: Page, palette: str) -> None:
    """Choose one of the host's palettes; it then clears the colours of all types."""
    page.evaluate("(name) => void app.extensionManager.setting.set('Comfy.ColorPalette', name)", palette)
    page.wait_for_timeout(1500)


def test_every_wire_of_ours_has_a_colour_under_each_palette(page: Page) -> None:
    sources = (ROOT / "nodes" / "sockets.py").read_text(encoding="utf-8")
    types = re.findall(r'"(A124_[A-Z_]+)"', sources)
    assert len(types) >= 8
    for palette in ("light", "dark"):
        choose(page, palette)
        tables = page.evaluate("[app.canvas.default_connection_color_byType, window.LGraphCanvas.link_type_colors]")
        for table in tables:
            assert len({table.get(type) for type in types} - {None, ""}) == len(types), f"{palette}: {table}"


def test_the_viewers_bar_is_readable_and_as_light_as_the_page(page: Page, host: Host) -> None:
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", workflow())
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_function(SHOWN)
    grounds = {}
    for palette in ("light", "dark"):
        choose(page, palette)
        parts, ground = page.evaluate(COLOURS)
        assert len(parts) >= 8
        for text, behind in parts:
            assert contrast(text, behind) >= READABLE, f"{palette}: {text} on {behind}"
        grounds[palette] = luminance(ground)
    assert grounds["light"] > 0.8 and grounds["dark"] < 0.1, grounds


def luminance(colour: list[float]) -> float:
    """Return the relative luminance (WCAG 2.1) of red, green and blue in 0 ... 255."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (v / 255 for v in colour)]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: list[float], b: list[float]) -> float:
    """Return the contrast (WCAG 2.1) of two colours, 1 ... 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(autouse=True)
def dark_again(page: Page) -> Iterator[None]:
    """Leave the host with the palette that it had."""
    yield
    choose(page, "dark")
