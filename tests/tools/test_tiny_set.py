"""The tiny set: what is held out, the tokenizer, the linear VAE, the album, and two steps of training to the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss, unfold

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.builtin import GroundTruth, example_image
from a124core.priors.builtin.appearance import Appearance, get_subject
from a124core.priors.view_text import SIDES
from a124core.protocols import View
from a124core.reference.reference import make_reference
from tools.tiny_set import lessons
from tools.tiny_set.config import ROLES, Config, Course, Nets, World, shortened
from tools.tiny_set.learn import learn, rate_at
from tools.tiny_set.lessons import Desk, degraded, half_moved, learned_from, sided_text, tint, video_loss
from tools.tiny_set.words import caption, merges_for, vocabulary, write_tokenizer
from tools.tiny_set.world import Album, photograph

SMALL = World(subjects=("robot", "duck"), motions=("sway", "jump"), cameras=2, ticks=2)
NETS = Nets(widths=(8, 16), heads=2, groups=4, text_width=16, text_layers=1)
CONFIG = Config(SMALL, NETS, {role: Course(2, batch=2) for role in ("text", *ROLES)}, snapshot_every=1)


@pytest.fixture(scope="module")
def album() -> Album:
    return photograph(SMALL, 0, lambda line: None)


def test_each_subject_and_each_motion_is_held_out_once_and_seen_in_other_company() -> None:
    world = World()
    assert len(world.trained) + len(world.held_out) == len(world.subjects) * len(world.motions)
    assert not set(world.trained) & set(world.held_out)
    assert [s for s, _ in world.held_out] == list(world.subjects)
    assert {m for _, m in world.held_out} == set(world.motions)
    assert {s for s, _ in world.trained} == set(world.subjects)
    assert {m for _, m in world.trained} == set(world.motions)


def test_words_become_one_token_each_and_unknown_ones_letters(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    size = write_tokenizer(tmp_path, World(), 12)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(str(tmp_path))
    assert len(tokenizer) == size and tokenizer.model_max_length == 12
    for word in vocabulary(World()):
        assert len(tokenizer(word, add_special_tokens=False).input_ids) == 1, word
    pieces = tokenizer("zyx", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(pieces) == ["z", "y", "x</w>"]
    ids = tokenizer("a robot", padding="max_length", max_length=12).input_ids
    assert ids[0] == tokenizer.bos_token_id and ids[3:] == [tokenizer.eos_token_id] * 9


def test_a_later_word_does_not_undo_an_earlier_one() -> None:
    pairs = merges_for(["frog", "robot", "ro", "rob"])
    assert len(set(pairs)) == len(pairs)
    assert {"".join(p) for p in pairs} >= {"frog</w>", "robot</w>", "ro</w>", "rob</w>"}


def test_captions_say_the_colours_that_are_seen() -> None:
    import random

    rng = random.Random(0)
    texts = {drifted: [caption("robot", "sway", drifted, rng) for _ in range(40)] for drifted in (False, True)}
    assert not any("faded" in t for t in texts[False]) and not any("natural" in t for t in texts[True])
    assert any("natural robot is swaying" in t for t in texts[False])
    assert any("faded robot is swaying" in t for t in texts[True])


def test_the_album_shows_what_the_truth_renders(album: Album) -> None:
    where = torch.tensor([[0, 1, 1]])
    (subject, motion), cameras = SMALL.trained[0], album.cameras_at(where)
    truth = GroundTruth(Appearance(get_subject(subject), "reference", motion), 0.0)
    wanted, _ = truth.render(cameras, torch.tensor([0.5]), SMALL.size, (0.2, 0.4, 0.6))
    found = album.images(where, torch.tensor([False]), torch.tensor([[0.2, 0.4, 0.6]]))
    assert mse_loss(found, wanted) < 1e-3  # 30 dB: the truth is averaged from larger pictures
    drifted = album.images(where, torch.tensor([True]), torch.tensor([[0.2, 0.4, 0.6]]))
    assert mse_loss(drifted, wanted) > 2 * mse_loss(found, wanted)


def test_the_first_camera_is_the_reference_and_cameras_belong_to_their_pictures(album: Album) -> None:
    seen = album.cameras_at(torch.tensor([[0, 0], [1, 0], [1, 1]]))
    assert seen.azimuth[:2].tolist() == [0, 0] and seen.elevation[:2].tolist() == [0, 0]
    assert float(seen.azimuth[2]) == float(album.cameras[1].azimuth[1])


def pictures(count: int) -> Tensor:
    """Smooth random ones: their patches have few directions, as pictures' patches do."""
    rng = torch.Generator().manual_seed(0)
    small = torch.rand(count, 3, 6, 6, generator=rng)
    return torch.nn.functional.interpolate(small, (32, 32), mode="bicubic", align_corners=False).clamp(0, 1)


def test_the_vae_is_a_linear_map_of_patches() -> None:
    pytest.importorskip("diffusers", reason="needs diffusers: pip install diffusers")
    from tools.tiny_set.vae import SCALING, linear_vae

    shown = pictures(12)
    vae = linear_vae(shown)
    z = vae.encode(2 * shown - 1).latent_dist.mode()
    patches = unfold(2 * shown - 1, 2, stride=2).transpose(1, 2).reshape(-1, 12).double()
    own = z.flatten(2).transpose(1, 2).reshape(-1, 4).double()
    columns = torch.cat((patches, torch.ones(len(patches), 1)), 1)
    fitted = columns @ torch.linalg.lstsq(columns, own).solution
    assert (fitted - own).abs().max() < 2e-3 * own.std()
    assert torch.allclose(own.std(0) * SCALING, torch.ones(4).double(), atol=0.02)
    back = vae.decode(z).sample / 2 + 0.5
    assert mse_loss(back, shown) < 0.2 * shown.var()


def test_the_velocity_gives_the_picture_back(album: Album) -> None:
    levels = torch.linspace(0.999, 0.005, 1000)
    desk = Desk(CONFIG, album, None, None, levels)
    x0 = torch.randn(3, 4, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    x_t, timestep, v = desk.noisy(x0, torch.Generator().manual_seed(0))
    kept = levels[timestep].view(3, 1, 1, 1, 1)
    assert torch.allclose(kept.sqrt() * x_t - (1 - kept).sqrt() * v, x0, atol=1e-5)


def test_sides_are_blended_as_the_guidances_do(album: Album) -> None:
    class Counted(Desk):
        """Texts become numbers, so that a blend can be worked out by hand."""

        def read(self, encoder: object, texts: list[str]) -> Tensor:
            values = {"front view": 1.0, "side view": 2.0, "back view": 3.0, "x": 10.0, "": 0.0}
            return torch.tensor([values[t.removeprefix("x, ")] for t in texts]).view(-1, 1, 1)

    desk = Counted(CONFIG, album, None, None, Tensor())
    found = sided_text(
        desk, None, ["x"] * 400, make_cameras([0.0] * 400, [45.0] * 400), (torch.arange(400) % 8 > 0).float(),
        torch.Generator().manual_seed(0),
    )
    assert set(found.flatten().tolist()) == {0.0, 1.5, 10.0}  # left out, half front and half side, plain
    assert float((found == 0).float().mean()) == 1 / 8


def test_with_a_condition_pictures_stay_as_they_are_and_without_one_they_are_anything() -> None:
    rng = torch.Generator().manual_seed(0)
    clips, ground = torch.rand(64, 3, 3, 8, 8, generator=rng), torch.rand(64, 3, generator=rng)
    mask = (torch.arange(64) % 2).float()
    found = learned_from(clips, ground, mask, rng)
    assert torch.equal(found[1::2], clips[1::2]) and found.shape == clips.shape
    without, original = found[::2], clips[::2]
    assert 0 <= without.min() and without.max() <= 1
    spread = without.flatten(1).std(1) / original.flatten(1).std(1)
    assert spread.min() < 0.5 and spread.max() > 0.8  # faded, and hardly
    still = (without[:, 0] == without[:, 1]).flatten(1).all(1)
    assert 0 < still.float().mean() < 0.5  # two over each other may both stand still


def test_where_the_text_names_no_motion_the_clip_stands_still(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorded(Desk):
        """Texts and clips are kept, and nothing is encoded."""

        def read(self, encoder: object, texts: list[str]) -> Tensor:
            texts_read.extend(texts)
            return torch.zeros(len(texts), 1, 1)

        def latents(self, image: Tensor) -> Tensor:
            clips.append(image.unflatten(0, (-1, SMALL.ticks)))
            return image

    monkeypatch.setattr(lessons, "STILL_TEXTS", 0.5)
    texts_read, clips = [], []
    desk = Recorded(replace(CONFIG, condition_dropout=0.0), album, None, None, torch.linspace(0.99, 0.01, 100))
    unet = torch.nn.Module()
    unet.forward = lambda x_t, timestep, embeddings: SimpleNamespace(sample=x_t)
    lessons.video_lesson(desk, unet, None, Course(1, batch=16))(torch.Generator().manual_seed(0))
    stands = (clips[0][:, 0] == clips[0][:, 1]).flatten(1).all(1).tolist()
    names_none = [" is " not in text for text in texts_read[:16]]
    assert all(text.endswith(SIDES) for text in texts_read)  # a sway begins on another side when seen from behind
    assert 0 < sum(names_none) < 16 and not all(stands)  # a sway passes its rest at half time
    assert all(still for still, none in zip(stands, names_none, strict=True) if none)


def test_what_changes_within_a_clip_counts_more_at_high_noise() -> None:
    v = torch.zeros(2, 1, 2, 1, 1)
    still, moving = torch.ones_like(v), torch.tensor([1.0, -1.0]).view(1, 1, 2, 1, 1).expand_as(v)
    noisy, clean = torch.zeros(2), torch.ones(2)  # alpha-bar
    assert video_loss(v + still, v, noisy) == 1.0
    assert video_loss(v + moving, v, clean) == 1.0
    assert video_loss(v + moving, v, noisy) == 1.0 + lessons.MOVING


def test_half_of_the_pictures_to_be_repaired_are_half_moved(album: Album) -> None:
    desk = Desk(CONFIG, album, None, None, Tensor())
    rows = torch.tensor([[0, 0, 1]] * 64)  # a robot that leans
    ground, drifted = torch.ones(64, 3), torch.zeros(64, dtype=torch.bool)
    found = half_moved(desk, rows, drifted, ground, torch.Generator().manual_seed(0))
    moved, still = (album.images(rows * torch.tensor([1, 1, k]), drifted, ground)[0] for k in (1, 0))
    line = still - moved
    share = ((found - moved) * line).flatten(1).sum(1) / line.square().sum()
    assert torch.allclose(found, moved + share.view(-1, 1, 1, 1) * line, atol=1e-6)  # with time 0 alone
    assert 0.3 < float((share < 1e-6).float().mean()) < 0.7 and float(share.max()) > 0.8


def test_every_token_behind_a_text_learns_what_it_says(tmp_path: Path, album: Album) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    from tools.tiny_set import models
    from tools.tiny_set.text import Readers, text_lesson

    torch.manual_seed(0)
    size = write_tokenizer(tmp_path, SMALL, NETS.text_length)
    desk = Desk(CONFIG, album, None, transformers.CLIPTokenizer.from_pretrained(str(tmp_path)), torch.ones(1))
    assert desk.padding(["a robot is swaying"])[0].tolist() == [False] * 5 + [True] * (NETS.text_length - 5)
    encoder, readers = models.text_encoder(NETS, size), Readers(CONFIG)
    config = replace(CONFIG, courses={"text": Course(120, batch=16, rate=1e-2)}, average=0.0)
    lesson, losses = text_lesson(desk, encoder, readers, config.courses["text"]), []

    def recorded(rng: torch.Generator) -> Tensor:
        loss = lesson(rng)
        losses.append(float(loss.detach()))
        return loss

    learn("text", {"encoder": encoder, "readers": readers}, recorded, config, tmp_path, lambda line: None)
    assert losses[-1] < 0.2 * losses[0]


def test_repaired_pictures_are_blurred_and_tinted() -> None:
    shown = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    worse = degraded(tint(shown, torch.Generator().manual_seed(1)), torch.Generator().manual_seed(1))
    assert worse.shape == shown.shape and 0 <= worse.min() and worse.max() <= 1
    assert worse.diff(dim=-1).abs().mean() < 0.7 * shown.diff(dim=-1).abs().mean()


def test_courses_are_cut_and_never_vanish() -> None:
    found = shortened(CONFIG, 0.5)
    assert {c.steps for c in found.courses.values()} == {1} and {c.batch for c in found.courses.values()} == {2}
    assert shortened(CONFIG, 1e-3).courses["view"].steps == 1 and found.world == CONFIG.world
    with pytest.raises(ValueError, match="each must be 1 or more"):
        Course(0, 1)


def test_the_rate_rises_and_falls_to_nothing() -> None:
    course = Course(steps=1_000, batch=1, rate=1.0)
    rates = [rate_at(step, course) for step in range(1, 1_001)]
    assert rates[0] == pytest.approx(0.02) and rates[-1] == pytest.approx(0.001)
    assert max(rates) == rates[47] == pytest.approx(0.953)  # the two lines cross between steps 47 and 48


def test_what_is_saved_is_the_average_of_the_last_weights(tmp_path: Path) -> None:
    """One weight that each step moves by the same amount: its average lags behind."""
    weight = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(weight.weight)
    config = replace(CONFIG, courses={"image": Course(40, batch=1, rate=0.1)}, average=0.9)
    values = []

    def lesson(rng: torch.Generator) -> Tensor:
        values.append(float(weight.weight.detach()))
        return -weight(torch.ones(1, 1)).sum()

    learn("image", {"one": weight}, lesson, config, tmp_path, lambda line: None)
    assert 0.5 * values[-1] < float(weight.weight) < 0.98 * values[-1]


@pytest.mark.slow
def test_an_interrupted_training_ends_in_the_same_folders_and_the_guidances_open_them(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs diffusers: pip install diffusers transformers")
    from safetensors.torch import load_file

    from tools.tiny_set.train import train

    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    train(CONFIG, straight, lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, resumed, _stop_in_the_view_role)
    train(CONFIG, resumed, lambda line: None)
    for name in ("image/unet", "view/unet", "view/cc_projection", "video/unet", "control"):
        file = Path(name) / "diffusion_pytorch_model.safetensors"
        one, two = load_file(straight / file), load_file(resumed / file)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name
    _ask_all(straight)


def _stop_in_the_view_role(line: str) -> None:
    if line.startswith("view"):
        raise KeyboardInterrupt


def _ask_all(models: Path) -> None:
    """Every role through its adapter: a finite guess in the shape of the latents."""
    from benchmarks.tiny_priors import guidances

    image, mask = example_image("robot", 64)
    reference = make_reference(image, mask, mask_marks="subject")
    found = guidances(models, reference, "robot", "sway", torch.randn(1, NETS.text_width))
    cameras = make_cameras([0.0, 10.0], [30.0, 200.0])
    view = View(cameras, reference_camera(), torch.tensor([0.0, 0.5]), torch.ones(3))
    view = view.with_condition(torch.rand(2, 3, 32, 32))
    for role in ("image", "view", "video", "refine"):
        guidance = getattr(found, role)
        x0 = guidance.prior.encode(torch.rand(2, 3, 32, 32))
        sigma = torch.ones(x0.shape[0])
        guess = guidance.prior.denoise(x0 + torch.randn_like(x0), sigma, view)
        assert guess.shape == x0.shape and guess.isfinite().all(), role
