"""Damaged viewer files in a browser: the viewer's reader makes of them what the reader in Python makes of them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.driver import case
from tests.fuzz.volume_files import PARSERS
from tests.fuzz.volume_twin import fault_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

CASES = 100  # of each kind
SEED = 14
READ = """async (text) => {
  const { readVolume, inflateFrame } = await import("./lib/volume.mjs");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  try {
    const { header, frames } = readVolume(bytes.buffer), cells = [];
    for (const packed of frames) cells.push((await inflateFrame(packed, header.size)).cells);
    const hash = await crypto.subtle.digest("SHA-256", await new Blob(cells).arrayBuffer());
    return { good: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("") };
  } catch (error) {
    return error.constructor === Error ? { refused: error.message } : { failed: String(error.stack) };
  }
}"""


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_damaged_files_are_shown_or_refused_as_in_python(page: Page, parser) -> None:
    for number in range(CASES):
        data = case(parser, SEED, number)[1]
        assert not fault_of(page.evaluate(READ, base64.b64encode(data).decode()), data), f"case {number}"
