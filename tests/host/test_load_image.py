"""A picture without transparency, whatever file holds it, has no mask when the host's Load Image has read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.host.host_python import run_script

SIDE = 160
DISC = 3.1416 * 40**2 / SIDE**2  # share of the picture that the ball covers
OPAQUE = (
    "rgb.png", "rgba.png", "grey_alpha.png", "palette.png", "grey.png", "rgb.jpg", "cmyk.jpg", "ball.gif", "rgba.webp",
)


def write_files(folder: Path) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    ball = np.where((x**2 + y**2 < 40**2)[..., None], (190, 60, 30), (235, 235, 240)).astype(np.uint8)
    image = Image.fromarray(ball)
    for name, mode in zip(OPAQUE, ("RGB", "RGBA", "LA", "P", "L", "RGB", "CMYK", "P", "RGBA"), strict=True):
        image.convert(mode).save(folder / name)
    frames = [image.convert("P"), Image.fromarray(ball[:, ::-1].copy()).rotate(20).convert("P")]
    frames[0].save(folder / "frames.gif", save_all=True, append_images=frames[1:])
    cut = image.convert("RGBA")
    cut.putalpha(Image.fromarray((255 * (x**2 + y**2 < 40**2)).astype(np.uint8)))
    cut.save(folder / "cut.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(folder / "clutter.png")


def test_what_load_image_makes_of_files(comfyui_path: Path, tmp_path: Path) -> None:
    write_files(tmp_path)
    report = run_script("load_image_checks.py", comfyui_path, tmp_path)
    notes = report["files"]
    for name in OPAQUE:
        assert "cut from its " in notes[name], f"{name}: {notes[name]}"
        share = float(notes[name].split(") ")[1].split()[0])
        assert abs(share - DISC) < 0.02, f"{name}: {notes[name]}"  # JPEG blurs the edge, a palette dithers
    assert "marked by the mask" in notes["cut.png"] and " 0.19" in notes["cut.png"]
    assert "Of 2 images the first was taken." in notes["frames.gif"]
    assert notes["clutter.png"].startswith("refused: the image has no mask")
    assert ("from the node Remove Background" in report["clutter"]) == report["named"]
    assert ("from a background-removal node" in report["clutter"]) != report["named"]
