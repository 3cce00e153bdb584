"""`animate --priors diffusers` from tiny folders in the real formats, and everything that can be wrong with them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.cli import progress
from a124core.cli.args import parser
from a124core.cli.main import main
from a124core.cli.models import Models, load_embedding, required_roles
from a124core.cli.unused_options import unused_options
from a124core.cli.variants import variants_named
from a124core.export.checkpoint import load_field
from a124core.priors.defaults import RELEASED, released_defaults
from a124core.priors.diffusers.denoiser import FolderPrior
from tests import tiny_originals as original
from tests.tiny_folders import WIDTH


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    made = Image.new("RGB", (64, 64), "white")
    made.paste("red", (20, 20, 44, 44))
    made.save(tmp_path / "red.png")
    return tmp_path / "red.png"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks see 16 pixels a side."""
    for role, found in RELEASED.items():
        monkeypatch.setitem(RELEASED, role, replace(found, size=16))


def animate(picture: Path, out: Path, *more: object) -> int:
    words = ("animate", "--image", picture, "--prompt", "a cube spins", "--priors", "diffusers", "--out", out)
    return main([str(a) for a in (*words, "--quiet", "--preset", "demo", *more)])


def refusal(capsys: pytest.CaptureFixture, picture: Path, *more: object) -> str:
    assert animate(picture, picture.parent / "out", *more) == 2
    return capsys.readouterr().err


def test_all_stages_run_with_a_learned_embedding(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every role is used in its stages, and its gradient reaches the field."""
    used: set[str] = set()
    denoise = FolderPrior.denoise

    def counted(self: FolderPrior, *args: object) -> torch.Tensor:
        used.add(type(self.conditioner).__name__ + str(self.is_video_clip))
        return denoise(self, *args)

    monkeypatch.setattr(FolderPrior, "denoise", counted)
    torch.save({"<red-cube>": torch.randn(WIDTH)}, tmp_path / "learned_embeds.bin")
    out = tmp_path / "out"
    words = ("--token", tmp_path / "learned_embeds.bin", "--refine-prompt", "a <token> spins")
    assert animate(picture, out, "--models", models, "--memory", "low", *words) == 0
    assert used == {"ViewTextFalse", "PoseConditionerFalse", "ViewTextTrue", "TileConditionerFalse"}
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [s["name"] for s in report["stages"]] == ["static", "coarse", "fine"] and report["baseline"] is None
    assert load_field(out / "field.safetensors").table.isfinite().all()
    losses = json.loads((out / "losses.json").read_text(encoding="utf-8"))
    assert all(value > 0 for value in dict(losses["fine"]["sds refine"]).values())
    assert (out / "result.mp4").stat().st_size and (out / "contact.png").stat().st_size
    assert "not known" in capsys.readouterr().out


@pytest.mark.parametrize("refine", ["upscale", "naive"])
def test_the_other_refinements(models: Path, picture: Path, tmp_path: Path, refine: str) -> None:
    assert animate(picture, tmp_path / "out", "--models", models, "--refine", refine, "--steps-scale", 0.3) == 0


def test_the_original_single_files_drive_all_stages(models: Path, picture: Path, tmp_path: Path) -> None:
    """Zero123's .ckpt and ModelScope's .pth with its companions, as they were published."""
    view, video = original.zero123(tmp_path / "zero123-xl.ckpt"), original.modelscope(tmp_path / "modelscope")
    given = ("--models", models, "--view-model", view, "--video-model", video, "--steps-scale", 0.3)
    assert animate(picture, tmp_path / "out", *given) == 0
    losses = json.loads((tmp_path / "out" / "losses.json").read_text(encoding="utf-8"))
    for stage, term in (("static", "sds view"), ("coarse", "sds video"), ("fine", "sds refine")):
        assert all(value > 0 for value in dict(losses[stage][term]).values()), (stage, term)


def test_the_baselines_of_table_1(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """RealFusion-V's learned word is read in the static stage; Zero-1-to-3-V needs no image model."""
    realfusion, zero123 = (variant.arguments for variant in variants_named(["realfusion-v", "zero123-v"]))
    short, tables = ("--models", models, "--steps-scale", 0.3), []
    assert "has <token> in it: add --token" in refusal(capsys, picture, *short, *realfusion)
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save({"<red-cube>": 10 * torch.randn(WIDTH)}, tmp_path / "learned_embeds.bin")
        out = tmp_path / f"realfusion-{seed}"
        assert animate(picture, out, *short, *realfusion, "--token", tmp_path / "learned_embeds.bin") == 0
        tables.append(load_field(out / "field.safetensors").table)
    assert not torch.equal(*tables), "another word, another scene"
    assert "Without effect" not in capsys.readouterr().out
    two = [word for role in ("view", "video") for word in (f"--{role}-model", Models(models).path(role))]
    assert animate(picture, tmp_path / "zero123", *two, "--steps-scale", 0.3, *zero123) == 0


@pytest.mark.parametrize("stage", ["static", "fine"])
def test_a_stopped_run_goes_on_to_the_same_field(
    models: Path, picture: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, stage: str,
) -> None:
    """Bit for bit: noise, cameras and clips are drawn from the snapshot's generators, and the networks draw nothing."""
    whole, parts = tmp_path_factory.getbasetemp() / "whole-by-folders", tmp_path / "parts"
    follow = progress.TerminalProgress.on_step
    given = ("--models", models, "--steps-scale", 0.5)
    if not whole.exists():
        assert animate(picture, whole, *given) == 0

    def pressed(self: progress.TerminalProgress, step: object) -> None:
        self.stop = step.stage == stage and step.step == 1
        follow(self, step)

    monkeypatch.setattr(progress.TerminalProgress, "on_step", pressed)
    assert animate(picture, parts, *given) == 130 and not (parts / "field.safetensors").exists()
    monkeypatch.setattr(progress.TerminalProgress, "on_step", follow)
    assert animate(picture, parts, *given, "--resume") == 0
    a, b = (load_field(folder / "field.safetensors") for folder in (whole, parts))
    assert torch.equal(a.table, b.table) and torch.equal(a.occupancy.grid, b.occupancy.grid)
    assert all(torch.equal(p, q) for p, q in ((a.mlp[n], b.mlp[n]) for n in a.mlp))


def test_all_missing_models_are_listed_at_once(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "video").mkdir()
    said = refusal(capsys, picture, "--models", tmp_path, "--control-model", tmp_path / "nowhere")
    assert said.startswith("error: 3 of the models are missing, and this program downloads none")
    rows = {line.split(":")[0].strip(): line for line in said.splitlines()[1:]}
    assert list(rows) == ["image", "view", "control"]
    assert str(tmp_path / "stable-diffusion-v1-5") in rows["image"] and "OpenRAIL" in rows["image"]
    assert "Yuyang-z/zero123-xl" in rows["view"] and "5 GB" in rows["view"] and "--view-model" in rows["view"]
    assert str(tmp_path / "nowhere") in rows["control"]


def test_a_run_requires_only_the_roles_that_it_uses() -> None:
    assert required_roles(("static", "coarse", "fine"), True, "tile") == ("image", "view", "video", "control", "refine")
    assert required_roles(("static", "coarse", "fine"), False, "upscale") == ("image", "video", "upscale")
    assert required_roles(("static",), True, "tile") == ("image", "view")


def copied(models: Path, name: str, to: Path) -> Path:
    shutil.copytree(models / name, to)
    return to


def edited(folder: Path, part: str, **changes: object) -> None:
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_wrong_and_damaged_folders(models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    sd = "stable-diffusion-v1-5"
    sdxl, paint, cut, torn, text = (copied(models, sd, tmp_path / n) for n in ("sdxl", "paint", "cut", "torn", "text"))
    edited(sdxl, "unet", addition_embed_type="text_time", cross_attention_dim=2048)
    edited(paint, "unet", in_channels=9)
    (cut / "scheduler" / "scheduler_config.json").unlink()
    weights = torn / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    shutil.rmtree(text / "tokenizer")
    other = copied(models, "control_v11f1e_sd15_tile", tmp_path / "other")
    edited(other, "", cross_attention_dim=1024)
    flux = tmp_path / "flux"
    (flux / "transformer").mkdir(parents=True)
    given = ("--models", models, "--skip", "coarse")
    for option, folder, words in (
        ("--view-model", sdxl, "SDXL"),
        ("--view-model", models / sd, "4 input channels, as a plain text-to-image model, but 8 are needed"),
        ("--image-model", paint, "as an inpainting model"),
        ("--image-model", models / "text-to-video-ms-1.7b", "UNet3DConditionModel, and UNet2DConditionModel"),
        ("--image-model", flux, "a transformer, not a UNet"),
        ("--image-model", cut, "scheduler/scheduler_config.json"),
        ("--image-model", torn, "is incomplete"),
        ("--image-model", text, "tokenizer/vocab.json"),
        ("--video-model", models / sd, "UNet3DConditionModel is needed"),
        ("--control-model", other, "of another family"),
        ("--control-model", models / sd, "a ControlNet's own folder is needed"),
    ):
        said = refusal(capsys, picture, *given, option, folder)
        assert words in said and said.count("\n") == 1, said


def test_weights_that_are_not_of_their_config(models: Path, tmp_path: Path) -> None:
    from a124core.priors.diffusers.load import load_part

    folder = copied(models, "stable-diffusion-v1-5", tmp_path / "sd")
    edited(folder, "vae", layers_per_block=2)
    with pytest.raises(ValueError, match="are missing or of another shape|does not load"):
        load_part(folder, "vae", "AutoencoderKL")


def test_embeddings_that_cannot_be_used(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    torch.save({"<a>": torch.randn(WIDTH), "<b>": torch.randn(WIDTH)}, tmp_path / "two.bin")
    torch.save({"<a>": torch.randn(768)}, tmp_path / "wide.bin")
    torch.save({"<a>": torch.randn(WIDTH)}, tmp_path / "good.bin")
    given = ("--models", models, "--skip", "coarse", "--refine-prompt")
    for prompt, file, words in (
        ("a <token>", "two.bin", "2 learned embeddings"),
        ("a <token>", "wide.bin", "has 768 dimensions"),
        ("a cube", "good.bin", "does not use the learned embedding"),
        ("a <token>", "none.bin", "was not found"),
    ):
        assert words in refusal(capsys, picture, *given, prompt, "--token", tmp_path / file)


def test_options_that_do_not_go_together(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    base = ["animate", "--image", picture, "--prompt", "a", "--out", tmp_path / "out"]
    for more, words in ((["--models", tmp_path], "--priors diffusers"), (["--refine", "naive"], "--priors diffusers")):
        assert main([str(a) for a in (*base, *more)]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(("said", "words"), [
    ([], ""),
    (["--static-prompt", "a cube", "--view-kind", "stable-zero123"],
     "Without effect for the built-in priors and stages of this run: --view-kind, --static-prompt."),
    (["--condition", "current render", "--refine", "upscale", "--sampling", "random", "--skip", "coarse"], ""),
    (["--condition", "current render", "--skip", "fine", "--refine", "upscale", "--sampling", "random"],
     "Without effect for the built-in priors and stages of this run: --refine, --condition."),
    (["--condition", "current render", "--refine", "none"],
     "Without effect for the built-in priors and stages of this run: --condition."),
    (["--priors", "diffusers", "--condition", "current render", "--refine", "naive", "--token", "a.bin"],
     "Without effect for the models and stages of this run: --condition."),
    (["--priors", "diffusers", "--skip", "coarse", "--skip", "fine", "--sampling", "random", "--refine", "upscale"],
     "Without effect for the models and stages of this run: --refine, --sampling."),
    (["--priors", "diffusers", "--token", "a.bin", "--refine-prompt", "a <token>", "--view-kind", "zero123"], ""),
    (["--priors", "diffusers", "--lora", "a.safetensors"], ""),
    (["--priors", "diffusers", "--lora", "a.safetensors", "--refine", "none"],
     "Without effect for the models and stages of this run: --lora."),
    (["--no-image-prior", "--no-moving-view-prior"], ""),
    (["--no-reference", "--no-moving-view-prior", "--azimuth", "9"],
     "Without effect for the built-in priors and stages of this run: --no-moving-view-prior, --azimuth."),
    (["--priors", "diffusers", "--token", "a.bin", "--static-prompt", "a <token>", "--skip", "fine"], ""),
    (["--priors", "diffusers", "--motion", "spin", "--no-view-prior", "--view-kind", "stable-zero123", "--skip", "fine",
      "--token", "a.bin", "--control-model", "c"],
     "Without effect for the models and stages of this run: --motion, --view-kind, --token, --control-model."),
])
def test_options_that_change_nothing_are_named(said: list[str], words: str) -> None:
    assert (
        unused_options(parser().parse_args(["animate", "--image", "a", "--prompt", "b", "--out", "c", *said])) == words
    )


def test_what_changes_nothing_is_said_before_the_run(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert animate(picture, tmp_path / "out", "--models", tmp_path, "--motion", "spin") == 2
    assert capsys.readouterr().out.startswith("Without effect for the models and stages of this run: --motion.\n")


def test_the_paper_weighs_otherwise() -> None:
    assert (released_defaults("image", "draft").weight, released_defaults("image", "paper").weight) == (0.025, 1.0)
    views = [released_defaults("view", p, moving) for p in ("released", "paper") for moving in (False, True)]
    assert [view.weight for view in views] == [1, 40, 40, 40]
    assert (released_defaults("refine", "released").cfg, released_defaults("refine", "paper").cfg) == (8.5, 7.5)
    good = [released_defaults(role, "good", moving) for role in ("image", "view") for moving in (False, True)]
    assert [(g.weight, g.weight_unit) for g in good] == [(0.23, "normalised")] * 2 + [(2.3, "normalised")] * 2
    assert [released_defaults(role, "released").cfg for role in ("image", "view", "video")] == [101, 5, 101]


def test_out_of_memory_names_what_needs_less(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*args: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(FolderPrior, "denoise", out_of_memory)
    assert animate(picture, tmp_path / "out", "--models", models, "--skip", "coarse", "--skip", "fine") == 1
    error = capsys.readouterr().err
    assert "static stage is out of memory: start it again with --memory low, and --resume if a step was done." in error


def test_an_embedding_without_a_name_has_its_files(tmp_path: Path) -> None:
    torch.save(torch.randn(2, WIDTH), tmp_path / "cube.pt")
    assert list(load_embedding(tmp_path / "cube.pt")) == ["cube"]
    assert Models().path("image") is None


def test_a_fault_of_the_folder_of_models_is_reported_first(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    for root, text in ((None, "Give --models"), (tmp_path / "no", "does not exist"), (tmp_path, "is itself a model")):
        with pytest.raises(ValueError, match=text):
            Models(root=root).paths(("image", "view"))


def test_the_same_models_are_the_same_however_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    by_root, by_path = Models(root=tmp_path), Models(image=tmp_path / "image" / ".." / "image")
    assert by_root.identity() == by_path.identity() != Models(root=tmp_path / "other").identity()
