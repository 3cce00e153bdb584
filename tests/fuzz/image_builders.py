"""Files of pictures put together field by field, as the formats' specifications have them, with values at odds."""

from __future__ import annotations

import random
import struct
import zlib

SIDES = (0, 1, 2, 7, 16, 40, 41, 300, 5000, 65535)


def side(rng: random.Random) -> int:
    return rng.choice(SIDES) if rng.random() < 0.5 else rng.randint(16, 60)


def build_png(rng: random.Random) -> bytes:
    """Any depth and colour type, rows that are right, short or long; palettes and animations at odds with them."""
    width, height, depth, kind = side(rng), side(rng), rng.choice((1, 2, 4, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 1))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(kind, 1)
    row = 1 + (width * depth * channels + 7) // 8
    rows = b"".join(bytes([rng.randrange(6)]) + rng.randbytes(row - 1) for _ in range(min(height, 60)))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, rng.choice((0, 0, 0, 1, 2)))
    chunks = [(b"IHDR", header)]
    if rng.random() < 0.6:
        chunks.append((b"PLTE", rng.randbytes(rng.choice((3, 6, 768, 5, 771)))))
    if rng.random() < 0.4:
        chunks.append((b"tRNS", rng.randbytes(rng.choice((0, 1, 2, 6, 256, 300)))))
    if rng.random() < 0.3:
        frame = struct.pack(">IIIIIHHBB", 0, side(rng), side(rng), 0, 0, 1, 1, 0, 0)
        chunks += [(b"acTL", rng.randbytes(8)), (b"fcTL", frame)]
    if rng.random() < 0.2:
        text = zlib.compress(bytes(rng.choice((10, 10**6, 2 * 10**7))))
        chunks.append((rng.choice((b"zTXt", b"iCCP")), b"name\0\0" + text))
    chunks += [(b"IDAT", zlib.compress(rows[: rng.choice((len(rows), len(rows) // 2, 0))])), (b"IEND", b"")]
    if rng.random() < 0.2:
        rng.shuffle(chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def build_tiff(rng: random.Random) -> bytes:
    """A directory of the usual tags in any order, types and counts; often with a second directory, or itself again."""
    order = rng.choice("<>")
    width, height = side(rng), side(rng)
    values = {
        256: width, 257: height, 258: rng.choice((1, 8, 16, 32, 64)),
        259: rng.choice((1, 2, 5, 7, 8, 32773, 34712, 50000)),
        262: rng.choice((0, 1, 2, 3, 5, 6, 8, 32803)), 273: 8, 277: rng.choice((1, 2, 3, 4, 5, 65535)),
        278: rng.choice((height, 1, 2**32 - 1)), 279: rng.choice((width * height, 0, 2**32 - 1)),
        284: rng.choice((1, 2)), 317: rng.choice((1, 2, 3)), 320: 8,
        322: side(rng), 323: side(rng), 324: 8, 338: rng.choice((0, 1, 2)),
        339: rng.choice((1, 2, 3, 4)), 274: rng.randrange(10), 34665: 8, 347: 8,
    }  # fmt: skip
    tags = rng.sample(list(values), rng.randint(8, len(values)))
    entries = b"".join(_entry(rng, order, tag, values[tag]) for tag in sorted(tags))
    pixels = rng.randbytes(min(width * height, 4000))
    offset = 8 + len(pixels)
    following = rng.choice((0, 0, 0, offset, 8, 2**31))
    directory = struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following)
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", offset) + pixels + directory


def _entry(rng: random.Random, order: str, tag: int, value: int) -> bytes:
    kind = rng.choice((3, 4, 4, 3, 1, 2, 5, 11, 12, 13, 99)) if rng.random() < 0.2 else (3 if value < 2**16 else 4)
    count = rng.choice((0, 2, 3, 1000, 2**31)) if rng.random() < 0.15 else 1
    packed = struct.pack(f"{order}HH", value % 2**16, 0) if kind == 3 else struct.pack(f"{order}I", value % 2**32)
    return struct.pack(f"{order}HHI", tag, kind, count) + packed


def build_gif(rng: random.Random) -> bytes:
    """Frames that leave the canvas, tables of any size, extensions and codes at random."""
    data = rng.choice((b"GIF89a", b"GIF87a")) + struct.pack("<HHBBB", side(rng), side(rng), rng.randrange(256), 0, 0)
    data += rng.randbytes(rng.choice((0, 6, 768)))
    for _ in range(rng.randint(0, 4)):
        if rng.random() < 0.5:
            data += b"!\xf9\x04" + rng.randbytes(4) + b"\0"
        left, flags = rng.choice((0, 0, 9, 65535)), rng.choice((0, 0, 0x87))
        data += b"," + struct.pack("<HHHHB", left, 0, side(rng), side(rng), flags)
        data += bytes([rng.randrange(13)])
        for _ in range(rng.randrange(3)):
            size = rng.randrange(1, 256)
            data += bytes([size]) + rng.randbytes(size)
        data += b"\0"
    return data + rng.choice((b";", b"", b"!\xfe\x05abc"))


def build_bmp(rng: random.Random) -> bytes:
    """Every header size, compression and depth, with sides of either sign."""
    size = rng.choice((12, 40, 52, 56, 64, 108, 124, 41))
    bits, form = rng.choice((0, 1, 2, 4, 8, 16, 24, 32, 64)), rng.choice((0, 1, 2, 3, 4, 5, 6))
    width, height = (side(rng) * rng.choice((1, 1, 1, -1)) for _ in range(2))
    fields = struct.pack("<iiHHIIiiII", width, height, 1, bits, form, 0, 0, 0, rng.choice((0, 2, 256, 2**31)), 0)
    if size == 12:
        fields = struct.pack("<HHHH", abs(width), abs(height), 1, bits)
    header = struct.pack("<I", size) + (fields + rng.randbytes(84))[: size - 4]
    pixels = rng.randbytes(rng.choice((0, 100, 6000)))
    offset = rng.choice((14 + size, 54, 0, 2**31))
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, offset) + header + pixels


def build_tga(rng: random.Random) -> bytes:
    """Every kind and depth, with colour maps at odds."""
    kind, depth = rng.choice((0, 1, 2, 3, 9, 10, 11)), rng.choice((1, 8, 15, 16, 24, 32))
    colours = rng.choice((0, 1))
    table = struct.pack("<HHB", rng.choice((0, 0, 65535)), rng.choice((0, 2, 256)), rng.choice((0, 15, 16, 24, 32)))
    sides = struct.pack("<HHHH", 0, 0, side(rng), side(rng))
    pixels = rng.randbytes(rng.choice((0, 500, 9000)))
    return bytes([rng.randrange(4), colours, kind]) + table + sides + bytes([depth, rng.choice((0, 8, 32))]) + pixels


def build_ppm(rng: random.Random) -> bytes:
    """Headers with comments, odd numbers and any largest value."""
    magic = rng.choice((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF", b"P7", b"Py"))
    numbers = [str(side(rng)), str(side(rng)), rng.choice(("255", "1", "65535", "0", "-1", "1e3", "9" * 20, "-1.0"))]
    gaps = [rng.choice((" ", "\n", "\t# note\n", "", "#" * 300 + "\n")) for _ in numbers]
    header = magic + b"\n" + "".join(number + gap for number, gap in zip(numbers, gaps, strict=True)).encode() + b"\n"
    body = rng.choice((rng.randbytes(9000), b" 1 0" * 3000, b"", b"1" * 9000, b"99999999999 " * 50))
    return header + body


def build_jpeg(rng: random.Random, whole: bytes) -> bytes:
    """Segments of a whole file repeated, dropped, shuffled, or with another length or frame header."""
    segments, k = [], 2
    while k + 4 <= len(whole) and whole[k] == 0xFF and whole[k + 1] != 0xDA:
        length = int.from_bytes(whole[k + 2 : k + 4], "big")
        segments.append(whole[k : k + 2 + length])
        k += 2 + length
    scan = whole[k:]
    for _ in range(rng.randint(1, 3)):
        i = rng.randrange(len(segments))
        change = rng.randrange(6)
        if change == 0:
            segments.insert(rng.randrange(len(segments) + 1), segments[i])
        elif change == 1 and len(segments) > 1:
            del segments[i]
        elif change == 2:
            rng.shuffle(segments)
        elif change == 3:  # another frame: progressive, lossless, arithmetic, with other sides and components
            frame = struct.pack(">BHHB", rng.choice((8, 12, 16)), side(rng), side(rng), rng.choice((1, 2, 3, 4, 255)))
            marker = bytes([0xFF, rng.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA))])
            segments.append(marker + b"\0\x11" + frame + rng.randbytes(9))
        elif change == 4:  # EXIF of any bytes
            content = b"Exif\0\0" + rng.choice((b"II*\0", b"MM\0*", b"")) + rng.randbytes(rng.randrange(60))
            segments.insert(0, b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content)
        else:
            scan = scan * rng.randint(2, 6) if rng.random() < 0.5 else scan[: rng.randrange(len(scan))]
    return b"\xff\xd8" + b"".join(segments) + scan
