"""Every kind of image file becomes the same tensor, and conversions are noted."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from a124core.reference import decode_image
from a124core.reference.read_image import LARGEST, read_depth, read_image, read_mask

COLOURS = np.zeros((20, 30, 3), np.uint8)
COLOURS[:10] = (200, 40, 20)
COLOURS[10:, 15:] = (20, 60, 220)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_plain_rgb_needs_no_note(tmp_path: Path) -> None:
    image, alpha, note = read_image(saved(tmp_path / "a.png", Image.fromarray(COLOURS)))
    assert torch.equal((image[0] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(COLOURS))
    assert alpha is None and note == ""


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [("a.jpg", "CMYK", "CMYK"), ("a.png", "P", "palette"), ("a.png", "L", "grey"), ("a.png", "1", "grey"),
     ("a.tif", "LAB", "LAB"), ("a.webp", "RGB", ""), ("a.bmp", "RGB", "")],
)
def test_modes_are_converted(tmp_path: Path, name: str, mode: str, message: str) -> None:
    source = Image.fromarray(COLOURS)
    if mode == "LAB":
        from PIL import ImageCms

        profiles = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
        source = ImageCms.profileToProfile(source, *profiles, outputMode="LAB")
    else:
        source = source.convert(mode)
    image, _, note = read_image(saved(tmp_path / name, source))
    assert image.shape == (1, 3, 20, 30) and 0 <= image.min() and image.max() <= 1
    assert message in note and bool(message) == bool(note)


def test_transparency_becomes_alpha(tmp_path: Path) -> None:
    rgba = np.dstack((COLOURS, np.full((20, 30), 128, np.uint8)))
    for name, source in (("a.png", Image.fromarray(rgba)), ("b.png", Image.fromarray(rgba).convert("LA"))):
        _, alpha, _ = read_image(saved(tmp_path / name, source))
        assert torch.allclose(alpha, torch.full((1, 1, 20, 30), 128 / 255))
    palette = Image.fromarray(COLOURS).quantize(4)
    _, alpha, _ = read_image(saved(tmp_path / "p.png", palette, transparency=palette.getpixel((0, 0))))
    assert alpha[0, 0, 0, 0] == 0 and alpha[0, 0, -1, -1] == 1


def test_sixteen_bit_grey_keeps_its_steps(tmp_path: Path) -> None:
    steps = np.arange(600, dtype=np.uint16).reshape(20, 30) + 30000
    depth, note = read_depth(saved(tmp_path / "d.png", Image.fromarray(steps)))
    assert torch.allclose(depth[0, 0], torch.from_numpy(steps.astype(np.float32) / 65535), atol=1e-7)
    assert "16-bit" in note and len(depth.unique()) == 600


def test_phone_images_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held turned by 90 degrees
    image, _, note = read_image(saved(tmp_path / "a.png", Image.fromarray(COLOURS), exif=exif))
    expected = np.rot90(COLOURS, -1)
    assert torch.equal((image[0] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(expected.copy()))
    assert "upright" in note


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((20, 30, 3), value, np.uint8)) for value in (250, 10, 100)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    image, _, note = read_image(path)
    assert image.mean() > 0.9 and "first of 3 frames" in note


def test_large_images_are_reduced(tmp_path: Path) -> None:
    image, _, note = read_image(saved(tmp_path / "a.png", Image.new("RGB", (8000, 200), (255, 0, 0))))
    assert image.shape == (1, 3, round(200 * LARGEST / 8000), LARGEST) and "reduced from 8000x200" in note


def test_a_mask_file_is_its_brightness_or_its_opacity(tmp_path: Path) -> None:
    opacity = np.zeros((20, 30), np.uint8)
    opacity[5:15] = 255
    cutout = saved(tmp_path / "a.png", Image.fromarray(np.dstack((COLOURS, opacity))))
    grey = saved(tmp_path / "b.png", Image.fromarray(opacity))
    assert torch.equal(read_mask(cutout)[0], read_mask(grey)[0])


def test_unusable_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.png", Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:3000])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    unreadable = {"text.png": "not an image", "empty.png": "not an image", "cut.png": "damaged"}
    wrong = {"none.png": "not found", "": "folder", **unreadable}
    for name, message in wrong.items():
        with pytest.raises(ValueError, match=message) as refused:
            read_image(tmp_path / name)
        assert "\n" not in str(refused.value)


def test_formats_that_nobody_needs_are_not_opened(tmp_path: Path) -> None:
    """EPS starts a program; what a file is called does not matter."""
    for kind in ("EPS", "DDS", "ICO", "PCX"):
        Image.fromarray(COLOURS).save(tmp_path / "a.png", kind)
        with pytest.raises(ValueError, match="a.png is not an image that can be read: save it as PNG or JPEG."):
            read_image(tmp_path / "a.png")


def test_images_of_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    rows = zlib.compress(bytes(1000))
    cases = ((13_000, 13_000, "too many pixels"), (1, 60_000_000, "a strip"), (1, 170_000_000, "a strip"))
    for width, height, words in cases:
        header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
        data = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
        with pytest.raises(ValueError, match=f"a.png is {width}x{height}.*{words}"):
            read_image(tmp_path / "a.png")


def test_a_larger_jpeg_is_reduced_while_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_image, "MAX_PIXELS", 3_000_000)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.jpg", Image.fromarray(COLOURS).resize((3000, 2000)), exif=exif)
    image, _, note = read_image(path)
    assert image.shape == (1, 3, 2048, 1365) and "reduced from 2000x3000 to 1365x2048" in note and "upright" in note
    assert torch.allclose(image[0, :, 100, 1200], torch.tensor((200, 40, 20)) / 255, atol=0.03)
    with pytest.raises(ValueError, match="too many pixels"):
        read_image(saved(tmp_path / "b.jpg", Image.fromarray(COLOURS).resize((3000, 2000)), progressive=True))


def test_a_jpeg_of_endless_passes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(COLOURS), progressive=True)
    read_image(path)
    monkeypatch.setattr(decode_image, "MAX_JPEG_WORK", 5 * COLOURS.shape[0] * COLOURS.shape[1])
    with pytest.raises(ValueError, match="too many passes"):
        read_image(path)


def test_libraries_do_not_print_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(COLOURS), compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[8:60] = bytes(52)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        read_image(path)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_no_pipe_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match="is no file"):
        read_image(tmp_path / "a.png")
