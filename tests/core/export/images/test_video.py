"""Films, sheets and plots are read back with the program that others would use."""

from __future__ import annotations

from pathlib import Path

import av
import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from PIL import Image

from a124core.export.images.plots import smoothed, time_histogram, write_loss_plot, write_times_plot
from a124core.export.images.sheets import draw_contact_sheet, write_image
from a124core.export.images.video import write_video


def frames(count: int = 6, height: int = 33, width: int = 47) -> torch.Tensor:
    """Grey that gets brighter frame by frame, with one red corner."""
    made = torch.linspace(0.2, 0.8, count).view(-1, 1, 1, 1).expand(count, 3, height, width).clone()
    made[:, :, :16, :16] = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    return made


def test_mp4_plays_everywhere_and_keeps_its_colours(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames(), 12)
    read = imageio.imread(tmp_path / "a.mp4", plugin="pyav")
    assert read.shape == (6, 34, 48, 3)  # odd sides made even
    assert np.abs(read[:, 30, 40].mean(-1) / 255 - np.linspace(0.2, 0.8, 6)).max() < 0.03
    assert read[0, 4, 4, 0] > 200 and read[0, 4, 4, 1] < 50
    meta = imageio.immeta(tmp_path / "a.mp4", plugin="pyav")
    assert meta["codec"] == "h264" and meta["fps"] == 12 and meta["video_format"].startswith("yuv420p")


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("planes", [3, 4])
def test_large_and_small_films_say_which_colours_they_mean(tmp_path: Path, suffix: str, planes: int) -> None:
    """By the formula of BT.709 (ITU-R BT.709-6, 3.2 to 3.4, 8 bits), not by a decoder that guesses like the coder."""
    colour = np.array([0.9, 0.3, 0.1])
    luma = 16 + 219 * colour @ [0.2126, 0.7152, 0.0722]
    blue = 128 + 224 * (colour[2] - (luma - 16) / 219) / 1.8556
    red = 128 + 224 * (colour[0] - (luma - 16) / 219) / 1.5748
    for height in (64, 736):
        frame = torch.ones(2, planes, height, 64)
        frame[:, :3] = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1)
        write_video(tmp_path / f"a{suffix}", frame, 12)
        with av.open(str(tmp_path / f"a{suffix}")) as film:
            context = film.streams.video[0].codec_context
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
            shown = next(film.decode(video=0))
            assert (shown.height, shown.width) == (height, 64)
            planes_yuv = shown.reformat(format="yuv444p").to_ndarray()
        assert np.abs(planes_yuv.mean((1, 2)) - [luma, blue, red]).max() < 1.5


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations(tmp_path: Path, suffix: str) -> None:
    write_video(tmp_path / f"a{suffix}", frames(), 10)
    with Image.open(tmp_path / f"a{suffix}") as picture:
        assert picture.n_frames == 6 and picture.size == (47, 33)


def test_films_refuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=".avi"):
        write_video(tmp_path / "a.avi", frames(), 10)
    with pytest.raises(ValueError, match="fps"):
        write_video(tmp_path / "a.mp4", frames(), 0)
    with pytest.raises(ValueError, match="shape"):
        write_video(tmp_path / "a.mp4", frames()[:0], 10)
    assert not list(tmp_path.iterdir())


def test_a_picture_is_not_stretched(tmp_path: Path) -> None:
    image = torch.full((3, 5, 7), 0.5)
    write_image(tmp_path / "a.png", image)
    assert (np.array(Image.open(tmp_path / "a.png")) == 128).all()


def test_contact_sheet_puts_rows_under_labels() -> None:
    rows = [torch.full((3, 3, 24, 20), value) for value in (0.0, 0.5)]
    sheet = np.array(draw_contact_sheet(rows, ["truth", "result"], ["t 0", "t 1", "t 2"], "a cat"))
    bottom, right = sheet.shape[0] - 4 - 12, sheet.shape[1] - 4 - 10
    assert (sheet[bottom, right] == 128).all() and (sheet[bottom - 28, right] == 0).all()
    with pytest.raises(ValueError, match="label"):
        draw_contact_sheet(rows, ["truth"])
    with pytest.raises(ValueError, match="sizes"):
        draw_contact_sheet([rows[0], torch.zeros(3, 3, 9, 9)], ["a", "b"])


def test_plots_are_pictures(tmp_path: Path) -> None:
    losses = {"static": {"rgb": [(k, 1 / k) for k in range(1, 50)], "zero": [(1, 0.0)]}, "coarse": {}}
    write_loss_plot(tmp_path / "l.png", losses)
    write_times_plot(tmp_path / "t.png", {"random": torch.rand(60, 8), "balanced": torch.zeros(60, 8)})
    for name in ("l.png", "t.png"):
        assert min(Image.open(tmp_path / name).size) > 100


def test_times_are_counted_one_by_one_where_there_are_few() -> None:
    centres, shares = time_histogram(torch.tensor([[0.0, 0.5], [0.5, 1.0]]))
    assert centres == [0.0, 0.5, 1.0] and shares == [0.25, 0.5, 0.25]
    centres, shares = time_histogram(torch.linspace(0, 1, 161)[None])
    assert len(centres) == 16 and sum(shares) == pytest.approx(1.0) and max(shares) < 0.07


def test_smoothing_keeps_constants_and_bridges_gaps() -> None:
    assert smoothed([2.0] * 50) == [2.0] * 50
    assert smoothed([1.0, float("nan"), 1.0]) == [1.0, 1.0, 1.0]
