"""Clips from files: films with and without alpha, animated pictures, folders, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.export.images.video import write_video
from a124core.reference.read_clip import MAX_FRAMES, SIDE, read_clip

FRAMES = 4


def moving_square(alpha: bool) -> torch.Tensor:  # (F, 3 or 4, 32, 48)
    """A red square that moves to the right, on white or on nothing."""
    mask = torch.zeros(FRAMES, 1, 32, 48)
    for k in range(FRAMES):
        mask[k, :, 8:24, 4 + 6 * k : 20 + 6 * k] = 1.0
    colour = torch.tensor([0.8, 0.1, 0.1]).view(1, 3, 1, 1)
    return torch.cat((colour.expand(FRAMES, -1, 32, 48), mask), 1) if alpha else mask * colour + 1 - mask


def write_folder(folder: Path, frames: torch.Tensor) -> Path:
    folder.mkdir()
    for k, frame in enumerate(frames):
        values = (frame.permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(values).save(folder / f"{k:04d}.png")
    return folder


@pytest.mark.parametrize(
    ("suffix", "alpha"), [(".mp4", False), (".webm", False), (".webm", True), (".gif", False), (".gif", True),
                          (".webp", False)]
)
def test_our_own_films_are_read_back(tmp_path: Path, suffix: str, alpha: bool) -> None:
    frames = moving_square(alpha)
    write_video(tmp_path / f"clip{suffix}", iter(frames), 8)
    image, coverage = read_clip(tmp_path / f"clip{suffix}")
    assert image.shape == (FRAMES, 3, 32, 48) and (coverage is not None) == alpha
    inside = moving_square(True)[:, 3:] > 0.5
    core = -torch.nn.functional.max_pool2d(-inside.float(), 7, 1, 3) > 0.5
    assert (image - frames[:, :3]).abs().mean(1, keepdim=True)[core].mean() < 0.06
    if alpha:
        assert ((coverage > 0.5) == inside).float().mean() > 0.97


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    frames = moving_square(False)
    image, coverage = read_clip(write_folder(tmp_path / "frames", frames))
    assert coverage is None and (image - frames).abs().max() < 0.01


def test_large_frames_are_reduced(tmp_path: Path) -> None:
    image, _ = read_clip(write_folder(tmp_path / "large", torch.rand(2, 3, 40, 2 * SIDE)))
    assert image.shape == (2, 3, 20, SIDE)


def test_what_is_no_clip_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "one", torch.rand(1, 3, 16, 16))
    write_folder(tmp_path / "two sizes", torch.rand(1, 3, 16, 16))
    Image.new("RGB", (8, 8)).save(tmp_path / "two sizes" / "0001.png")
    many = write_folder(tmp_path / "many", torch.zeros(1, 3, 8, 8))
    for k in range(1, MAX_FRAMES + 1):
        (many / f"{k:04d}.png").write_bytes((many / "0000.png").read_bytes())
    cases = {"text.mp4": "no film", "broken.gif": "damaged", "empty": "0 frame", "one": "1 frame",
             "none.mp4": "not found", "two sizes": "another size", "many": f"more than {MAX_FRAMES}"}
    for name, words in cases.items():
        with pytest.raises(ValueError, match=words) as refusal:
            read_clip(tmp_path / name)
        assert str(refusal.value).count(". ") == 0 and str(refusal.value).endswith(".")
