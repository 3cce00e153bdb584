"""A clip as a prior: its frames at any time over any colour, and the clips it refuses."""

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.builtin.denoisers import ENCODE_SCALE
from a124core.priors.sds import sds
from a124core.priors.video_clip import clip_guidance
from a124core.protocols import Cameras, Prior, View
from a124core.reference.reference import Reference

CAMERA = reference_camera(10.0, 30.0)


def seen_by(camera: Cameras, mask: torch.Tensor | None = None) -> Reference:
    """A reference of which only the camera and the silhouette count."""
    mask = torch.ones(1, 1, 32, 32) if mask is None else mask
    return Reference(mask.expand(-1, 3, -1, -1), mask, None, camera, "")


def square_clip(frames: int = 5, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """A red square of a quarter of the image that slides to the right, on blue."""
    mask = torch.zeros(frames, 1, side, side)
    for i in range(frames):
        mask[i, :, 8:24, 4 + 2 * i : 20 + 2 * i] = 1.0
    red, blue = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1), torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    return mask * red + (1 - mask) * blue, mask


def view_at(times: list[float], background: tuple[float, float, float] = (0.2, 0.9, 0.5)) -> View:
    cameras = CAMERA[torch.zeros(len(times), dtype=torch.long)]
    return View(cameras, CAMERA, torch.tensor(times), torch.tensor(background))


def test_the_posterior_mean_is_the_clip_at_any_noise() -> None:
    image, mask = square_clip()
    prior = clip_guidance(image, mask, None, seen_by(CAMERA), size=32).prior
    assert isinstance(prior, Prior) and len(prior.cameras) == 1 and float(prior.cameras.azimuth) == 30.0
    view = view_at([0.0, 0.5, 1.0])
    x_t = 5 * torch.randn(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    denoised = prior.denoise(x_t, torch.tensor([5.0]), view)
    green = view.background.view(3, 1, 1)
    for frame, i in enumerate((0, 2, 4)):
        expected = mask[i] * image[i] + (1 - mask[i]) * green
        torch.testing.assert_close(denoised[0, :, frame], ENCODE_SCALE * (2 * expected - 1), atol=1e-5, rtol=0)


def test_between_frames_it_is_linear_in_time() -> None:
    image, mask = square_clip(3)
    prior = clip_guidance(image, mask, None, seen_by(CAMERA), size=32).prior
    at = prior.frames(torch.tensor([0.0, 0.125, 0.5, 1.0]), torch.ones(3))
    torch.testing.assert_close(at[1], 0.75 * at[0] + 0.25 * at[2])
    assert not torch.allclose(at[2], at[3])


def test_sds_pulls_towards_the_clip_and_rests_there() -> None:
    image, mask = square_clip()
    prior = clip_guidance(image, mask, None, seen_by(CAMERA), size=16).prior
    view = view_at([0.0, 1.0])
    x0 = prior.encode(prior.frames(view.time, view.background)).requires_grad_(True)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    (there,) = torch.autograd.grad(sds(prior, x0, view, torch.tensor([1.0]), eps).sum(), x0)
    assert there.abs().max() < 1e-6
    off = (x0.detach() + 0.5).requires_grad_(True)
    (back,) = torch.autograd.grad(sds(prior, off, view, torch.tensor([1.0]), eps).sum(), off)
    torch.testing.assert_close(back, torch.full_like(back, 0.25))  # s / (1 + s^2) times the distance


@pytest.mark.parametrize("method", ["mask", "inverted mask", "alpha", "plain background", "no mask of Load Image"])
def test_the_subject_is_found_in_every_way(method: str) -> None:
    image, mask = square_clip()
    source = {"mask": mask, "inverted mask": 1 - mask, "no mask of Load Image": torch.zeros(1, 1, 64, 64)}.get(method)
    prior = clip_guidance(image, source, mask if method == "alpha" else None, seen_by(CAMERA), size=32).prior
    seen = prior.layers[:, 3:] > 0.5
    assert (seen & (mask > 0.5)).sum() / (seen | (mask > 0.5)).sum() > 0.85
    red = prior.layers[:, :3] / prior.layers[:, 3:].clamp_min(1e-6)
    inside = (mask > 0.5).expand_as(red)
    assert (red - image)[inside].abs().max() < 0.05, "no colour of the background at the edges"


def test_frames_are_padded_to_a_square_as_the_reference_is() -> None:
    image, mask = square_clip()
    prior = clip_guidance(image[..., 4:28, :], mask[..., 4:28, :], None, seen_by(CAMERA), size=32).prior
    torch.testing.assert_close(prior.layers[:, 3:], mask)


def test_it_says_when_the_clip_is_not_of_the_reference() -> None:
    image, mask = square_clip()
    alike = clip_guidance(image, mask, None, seen_by(CAMERA, mask[:1]))
    other = clip_guidance(image, mask, None, seen_by(CAMERA, mask[:1].flip(-1).roll(9, -1)))
    assert "overlaps" not in alike.note and "5 frames" in alike.note
    assert "overlaps only" in other.note


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda i, m: (i[:1], m[:1]), "2 or more"),
        (lambda i, m: (i[:1].expand(4, -1, -1, -1), m[:1].expand(4, -1, -1, -1)), "nothing moves"),
        (lambda i, m: (i, m[:3]), "one mask for each frame"),
        (lambda i, m: (i, torch.zeros_like(m)), "empty"),
        (lambda i, m: (i, m[..., :20]), "another shape"),
        (lambda i, m: (i * float("nan"), m), "NaN"),
        (lambda i, m: (torch.rand(i.shape, generator=torch.Generator().manual_seed(0)), None), "no even background"),
    ],
)
def test_clips_that_cannot_work_are_refused_in_plain_words(change, words: str) -> None:
    image, mask = change(*square_clip())
    with pytest.raises(ValueError, match=words):
        clip_guidance(image, mask, None, seen_by(CAMERA))


def test_one_camera_is_all_it_judges() -> None:
    image, mask = square_clip()
    elsewhere = make_cameras(0.0, 180.0)
    assert clip_guidance(image, mask, None, seen_by(elsewhere)).prior.cameras is elsewhere


def test_sizes_past_the_widget_are_refused() -> None:
    image, mask = square_clip()
    for size in (0, -8, 5000):
        with pytest.raises(ValueError, match=f"size is {size}: choose 8 to 1024 pixels"):
            clip_guidance(image, mask, None, size=size)
