"""Damaged pictures, masks and depth maps: whole small files of each format, with bytes or header fields changed."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from a124core.reference.read_image import read_depth, read_image, read_mask
from a124core.reference.reference import Reference, make_reference
from tests.fuzz import image_builders
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import EDGES, damage_bytes

SAVED = (  # format, suffix, modes, options
    ("PNG", ".png", ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"), {}),
    ("JPEG", ".jpg", ("RGB", "L", "CMYK"), {}),
    ("JPEG", ".jpg", ("RGB", "L"), {"progressive": True}),
    ("WEBP", ".webp", ("RGB", "RGBA"), {}),
    ("WEBP", ".webp", ("RGB", "RGBA"), {"lossless": True}),
    ("GIF", ".gif", ("P", "L"), {}),
    ("BMP", ".bmp", ("RGB", "P", "L", "1"), {}),
    ("TIFF", ".tif", ("RGB", "RGBA", "L", "I;16", "F", "I", "CMYK", "P"), {}),
    ("TIFF", ".tif", ("RGB", "L", "I;16", "F"), {"compression": "tiff_lzw"}),
    ("TIFF", ".tif", ("RGB", "L"), {"compression": "tiff_adobe_deflate"}),
    ("TIFF", ".tif", ("RGB",), {"compression": "jpeg"}),
    ("PPM", ".ppm", ("RGB", "L", "1"), {}),
    ("TGA", ".tga", ("RGB", "RGBA", "L", "P"), {"rle": True}),
    ("AVIF", ".avif", ("RGB", "RGBA"), {}),
    ("EPS", ".eps", ("RGB",), {}),
    ("DDS", ".dds", ("RGBA",), {}),
    ("ICO", ".ico", ("RGBA",), {}),
    ("JPEG2000", ".jp2", ("RGB",), {}),
)

BUILDERS = {
    ".png": image_builders.build_png, ".tif": image_builders.build_tiff, ".gif": image_builders.build_gif,
    ".bmp": image_builders.build_bmp, ".tga": image_builders.build_tga, ".ppm": image_builders.build_ppm,
}


def disc(mode: str, side: int = 40) -> Image.Image:
    """A disc on white, which any mode can show."""
    y, x = np.mgrid[:side, :side] + 0.5
    inside = np.hypot(x - side / 2, y - side / 2) < side / 3
    colours = np.where(inside[..., None], np.uint8((200, 60, 30, 255)), np.uint8((255, 255, 255, 0)))
    image = Image.fromarray(colours)
    if mode in ("F", "I", "I;16"):
        deep = {"F": inside.astype(np.float32), "I": inside.astype(np.int32) * 60000}
        return Image.fromarray(deep.get(mode, inside.astype(np.uint16) * 60000))
    return image if mode == "RGBA" else image.convert(mode)


@functools.cache
def whole_files() -> tuple[tuple[str, bytes], ...]:
    """Suffix and bytes of one file of each format, mode and compression; some with EXIF, some of three frames."""
    files = []
    for kind, suffix, modes, options in SAVED:
        files += [(suffix, _saved(disc(mode), kind, options)) for mode in modes]
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, suffix in (("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("AVIF", ".avif")):
        files.append((suffix, _saved(disc("RGB"), kind, {"exif": exif})))
    frames = [disc("RGB").rotate(10 * k) for k in range(3)]
    for kind, suffix in (("PNG", ".png"), ("GIF", ".gif"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("MPO", ".jpg")):
        files.append((suffix, _saved(frames[0], kind, {"save_all": True, "append_images": frames[1:]})))
    return tuple(files)


def _saved(image: Image.Image, kind: str, options: dict) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def damaged_image(rng: random.Random) -> tuple[str, bytes]:
    """Bytes anywhere, or fields of the header with checksums that are right again."""
    suffix, data = rng.choice(whole_files())
    data = _damage_fields(rng, suffix, data) if rng.random() < 0.5 else damage_bytes(rng, data)
    return rng.choice((suffix, suffix, suffix, ".png")), data


def _damage_fields(rng: random.Random, suffix: str, data: bytes) -> bytes:
    if suffix == ".png":
        return _damage_png(rng, data)
    if suffix == ".tif":
        return _damage_tiff(rng, data)
    return damage_bytes(rng, data[:64], 3) + data[64:]


def _damage_png(rng: random.Random, data: bytes) -> bytes:
    """Change the content, the kind, the order or the number of chunks; the checksums are right."""
    chunks, k = [], 8
    while k + 12 <= len(data):
        length = int.from_bytes(data[k : k + 4], "big")
        chunks.append((data[k + 4 : k + 8], data[k + 8 : k + 8 + length]))
        k += 12 + length
    for _ in range(rng.randint(1, 3)):
        k = rng.randrange(len(chunks))
        kind, content = chunks[k]
        change = rng.randrange(5)
        if change == 0:
            chunks[k] = (rng.choice((b"tRNS", b"PLTE", b"IDAT", b"iCCP", b"zTXt", b"acTL", b"fcTL", b"eXIf")), content)
        elif change == 1:
            chunks.insert(rng.randrange(len(chunks) + 1), (kind, content))
        elif change == 2 and kind == b"IHDR":
            side = rng.choice((0, 1, 39, 41, 3000, 20_000, 2**31 - 1, 2**32 - 1))
            chunks[k] = (kind, struct.pack(">I", side) + content[4:])
        elif change == 3 and kind == b"IDAT":
            chunks[k] = (kind, zlib.compress(damage_bytes(rng, _inflated(content))))
        else:
            chunks[k] = (kind, damage_bytes(rng, content, 2))
    return data[:8] + b"".join(_chunk(*chunk) for chunk in chunks)


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content)
    except zlib.error:
        return content


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _damage_tiff(rng: random.Random, data: bytes) -> bytes:
    """Change tag, type, count or value of 1 to 3 entries of the directory."""
    changed = bytearray(data)
    offset = struct.unpack("<I", data[4:8])[0]
    entries = struct.unpack("<H", data[offset : offset + 2])[0] if offset + 2 <= len(data) else 0
    for _ in range(rng.randint(1, 3)):
        at = offset + 2 + 12 * rng.randrange(max(entries, 1))
        part, length = rng.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 2)))
        value = rng.choice((*EDGES, 5, 7, 8, 40, 32773, 34712, rng.randrange(2**16))) % 256**length
        changed[at + part : at + part + length] = value.to_bytes(length, "little")
    return bytes(changed)


def built_image(rng: random.Random) -> tuple[str, bytes]:
    """A file made from scratch, or the head of one file on the rest of another."""
    suffix = rng.choice((*BUILDERS, ".jpg", ".webp", ".avif"))
    if suffix in BUILDERS:
        return suffix, BUILDERS[suffix](rng)
    files = [data for ending, data in whole_files() if ending == suffix]
    if suffix == ".jpg" and rng.random() < 0.7:
        return suffix, image_builders.build_jpeg(rng, rng.choice(files))
    first, second = rng.choice(files), rng.choice(files)
    k = rng.randrange(len(first))
    return suffix, first[:k] + second[rng.choice((k, rng.randrange(len(second)))) :]


def read_picture(path: Path) -> Reference:
    """What the command line does with --image."""
    image, alpha, _ = read_image(path)
    return make_reference(image, alpha=alpha)


PARSERS = (
    Parser("built images", built_image, read_picture),
    Parser("built masks", built_image, read_mask),
    Parser("built depth maps", built_image, read_depth),
    Parser("images", damaged_image, read_picture),
    Parser("masks", damaged_image, read_mask),
    Parser("depth maps", damaged_image, read_depth),
)
