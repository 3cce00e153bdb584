"""Films decoded with what others decode them with: alpha, length, rate, and no seam where there must be none."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from a124core.cameras.paths import Orbit, Playback, StaticCamera, sample_path
from a124core.cameras.stereo import Stereo
from a124core.export.images.film import FilmOptions, export_film
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.occupancy import empty_occupancy, update_occupancy
from a124core.render.clip import ImageOptions, render_clip
from a124core.utils import files
from a124core.utils.temporary import temporary_folder

SMALL = {"size": (32, 40)}


def decoded(path: Path) -> Iterator[np.ndarray]:  # (H, W, 4) each; VP9's own decoder, others leave alpha out
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        decoder = av.codec.CodecContext.create("libvpx-vp9", "r")
        for packet in film.demux(stream):
            for frame in decoder.decode(packet):
                yield frame.reformat(format="rgba", src_colorspace="ITU709").to_ndarray()


def test_webm_has_alpha_when_it_is_decoded(balls, tmp_path: Path) -> None:
    export_film(balls, tmp_path / "a.webm", Orbit(), FilmOptions(frames=5, fps=30, **SMALL))
    with av.open(str(tmp_path / "a.webm")) as film:
        stream = film.streams.video[0]
        assert stream.metadata["alpha_mode"] == "1" and stream.average_rate == 30
    cameras, time = Orbit()(5)
    clip = render_clip(balls, cameras, time, ImageOptions((32, 40), background=(0.0, 0.0, 0.0), normals=False))
    read = np.stack(list(decoded(tmp_path / "a.webm"))) / 255.0
    assert read.shape == (5, 32, 40, 4)
    alpha = clip.mask[:, 0].numpy()
    assert np.abs(read[..., 3] - alpha).mean() < 0.02 and read[..., 3].min() < 0.01 and read[..., 3].max() > 0.99
    over = read[..., :3] * read[..., 3:]
    assert np.abs(over - clip.image.permute(0, 2, 3, 1).numpy()).mean() < 0.02
    assert read[..., :3].max(-1)[alpha > 0.5].min() > 0.37, "no dark edge: 0.9 and 0.6, less where they meet"


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_are_transparent_and_last_as_long_as_they_should(balls, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    export_film(balls, path, Orbit(), FilmOptions(frames=7, fps=30, **SMALL))
    with Image.open(path) as film:
        assert film.n_frames == 7 and film.info["loop"] == 0
        lasting = []
        for k in range(7):
            film.seek(k)
            pixels = np.array(film.convert("RGBA"))
            lasting.append(film.info["duration"])
            assert pixels[0, 0, 3] == 0 and pixels[..., 3].max() == 255
    assert sum(lasting) == pytest.approx(7000 / 30, abs=6)


def test_an_mp4_is_white_and_as_long_as_requested_whatever_was_trained(balls, tmp_path: Path) -> None:
    export_film(balls, tmp_path / "a.mp4", StaticCamera(), FilmOptions(frames=37, fps=29.97, **SMALL))
    with av.open(str(tmp_path / "a.mp4")) as film:
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]
        assert float(film.streams.video[0].average_rate) == pytest.approx(29.97, abs=0.01)
    assert len(frames) == 37 and (frames[0][0, 0] > 250).all()
    rows = [np.nonzero(f[..., 1] < 120)[0].mean() for f in frames[::6]]
    assert all(a > b for a, b in zip(rows, rows[1:], strict=False)), "it rises from frame to frame, never in steps"


def test_two_eyes_make_a_film_twice_as_wide(balls, tmp_path: Path) -> None:
    export_film(balls, tmp_path / "a.mp4", Stereo(StaticCamera(), 0.3), FilmOptions(frames=1, **SMALL))
    with av.open(str(tmp_path / "a.mp4")) as film:
        frame = next(film.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert frame.shape == (32, 80, 3) and np.abs(frame[:, :40] - frame[:, 40:]).max() > 60


def flicker(field, playback: Playback, frames: int) -> tuple[float, float]:  # at the seam, largest inside
    cameras, time = sample_path(StaticCamera(), frames, field.loop, playback)
    image = render_clip(field, cameras, time, ImageOptions(48, normals=False)).image
    steps = (image.roll(-1, 0) - image).abs().mean((1, 2, 3))
    return float(steps[-1]), float(steps[:-1].max())


PLAYBACKS = [Playback(), Playback(repeats=2), Playback(ping_pong=True), Playback(repeats=2, ping_pong=True)]


@pytest.mark.parametrize("playback", PLAYBACKS)
def test_a_looped_scene_has_no_seam(swinging, playback: Playback) -> None:
    seam, inside = flicker(swinging, playback, 24)
    assert 0 < inside and seam <= inside


def test_a_looped_grid_of_a_field_has_no_seam() -> None:
    """The field's own time grids, filled at random: between two of them it changes as much at the seam as elsewhere."""
    rng = torch.Generator().manual_seed(0)
    config = FieldConfig(
        time_grids=4, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8, loop=True
    )
    field = new_field(config, rng)
    field = replace(field, table=torch.rand(field.table.shape, generator=rng) * 4.0 - 2.0)
    field = replace(field, occupancy=update_occupancy(empty_occupancy(8, 4, 1.0), field, 1.0, rng))
    seam, inside = flicker(field, Playback(), 16)
    assert 0.001 < inside and seam <= inside
    open_ended = replace(field, config=replace(config, loop=False))
    assert flicker(open_ended, Playback(), 16)[0] > 2 * flicker(open_ended, Playback(), 16)[1]


def test_there_and_back_has_no_seam_and_once_has_one(balls) -> None:
    seam, inside = flicker(balls, Playback(ping_pong=True), 12)
    assert seam <= inside
    seam, inside = flicker(balls, Playback(), 12)
    assert seam > 3 * inside


def test_refusals_leave_the_earlier_film(balls, nothing, tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(b"earlier")
    one = FilmOptions(frames=1, **SMALL)

    def cancel(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ValueError, match="every image is empty"):
        export_film(nothing, path, StaticCamera(), one)
    with pytest.raises(KeyboardInterrupt):
        export_film(balls, path, StaticCamera(), one, cancel)
    for name, words in (("a.avi", "use one of"), ("con.mp4", "Windows"), ("a?.mp4", "character")):
        with pytest.raises(ValueError, match=words):
            export_film(balls, tmp_path / name, StaticCamera(), one)
    with pytest.raises(ValueError, match="at most 50"):
        export_film(balls, tmp_path / "a.gif", StaticCamera(), FilmOptions(fps=60))
    assert path.read_bytes() == b"earlier" and [p.name for p in tmp_path.iterdir()] == ["a.webp"]


def test_what_does_not_fit_into_memory_is_refused_before_it_is_rendered(balls, tmp_path: Path) -> None:
    huge = FilmOptions(frames=100_000, size=(4096, 4096))
    for name, number in (("a.gif", "1562.5 GB"), ("a.webp", "6250.0 GB")):
        with pytest.raises(ValueError, match=f"{number} of memory.*take MP4"):
            export_film(balls, tmp_path / name, StaticCamera(), huge)


def test_a_cancel_takes_effect_within_a_frame(balls, tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []

    def cancel(*call: object) -> None:
        calls.append(call)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_film(balls, tmp_path / "a.mp4", StaticCamera(), FilmOptions(frames=1, size=(256, 256)), cancel)
    assert calls == [(0, 1, "")] * 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # av closes its file once more
@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".webp"])
def test_a_full_disk_is_one_sentence(balls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    def on_a_full_disk(path: Path) -> Path:
        folder = temporary_folder(path)
        (folder / f"new{suffix}").symlink_to("/dev/full")
        return folder

    monkeypatch.setattr(files, "temporary_folder", on_a_full_disk)
    monkeypatch.setattr(files, "_set_permissions", lambda path: None)  # or the device itself would get other rights
    with pytest.raises(OSError, match="disk is full") as refused:
        export_film(balls, tmp_path / f"a{suffix}", StaticCamera(), FilmOptions(frames=3, size=(64, 64)))
    assert refused.value.__cause__.errno == errno.ENOSPC and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"fps": 0.0}, {"fps": 1e9}, {"size": (8, 64)}, {"size": (64, 10_000)}]
)
def test_options_are_checked(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FilmOptions(**wrong)
