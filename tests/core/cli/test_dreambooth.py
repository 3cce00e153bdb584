"""`dreambooth` on a tiny folder: a stopped run goes on to the same LoRA, and what cannot work is told first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

pytest.importorskip("peft")

from a124core.cli import dreambooth as command
from a124core.cli import learning
from a124core.cli.main import main
from a124core.export.checkpoint import save_field
from a124core.export.lora import load_lora_progress, read_lora
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.priors.diffusers.dreambooth import FolderLoraModel


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "ball.png"
    image = Image.new("RGB", (48, 48), "white")
    ImageDraw.Draw(image).ellipse((12, 12, 36, 36), "red")
    image.save(path)
    return path


def dreambooth(models: Path, picture: Path, out: Path, *more: object) -> int:
    words = ("dreambooth", "--image", picture, "--image-model", models / "stable-diffusion-v1-5", "--out", out)
    texts = ("--instance-prompt", "a photo of sks ball", "--class-prompt", "a photo of a ball")
    few = ("--steps", 4, "--class-images", 1, "--chunk", 1, "--size", 16, "--rate", 0.01, "--quiet")
    return main([str(a) for a in (*words, *texts, *few, *more)])


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of the model for each image that it makes itself."""
    config = command.DreamBoothConfig
    monkeypatch.setattr(command, "DreamBoothConfig", lambda *a, **o: config(*a, **o, sampling_steps=2))


@pytest.mark.usefixtures("few_samples")
def test_a_stopped_run_goes_on_to_the_same_lora(
    models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    field, folder = tmp_path / "field.safetensors", tmp_path / "out"
    small = FieldConfig(levels=2, log2_hashmap_size=8, hidden=4, time_grids=1)
    save_field(field, new_field(small, torch.Generator().manual_seed(0)))
    whole, cut, scene = folder / "whole.safetensors", folder / "cut.safetensors", ("--field", field, "--views", 2)
    assert dreambooth(models, picture, whole, *scene) == 0
    assert "--lora" in capsys.readouterr().out
    follow = learning.LearnProgress.on_step

    def pressed(self: learning.LearnProgress, step: object) -> None:
        self.stop = step.step == 2
        follow(self, step)

    with monkeypatch.context() as stopping:
        stopping.setattr(learning.LearnProgress, "on_step", pressed)
        assert dreambooth(models, picture, cut, *scene) == 130 and not cut.exists()
    assert "--resume" in capsys.readouterr().out
    assert load_lora_progress(folder / "cut.progress")[1]["step"] == 2
    assert dreambooth(models, picture, cut, *scene) == 2 and "an interrupted run is kept" in capsys.readouterr().err
    assert dreambooth(models, picture, cut, *scene, "--rank", 2, "--resume") == 2
    assert "other settings" in capsys.readouterr().err
    assert dreambooth(models, picture, cut, *scene, "--resume") == 0
    loras = [read_lora(path) for path in (whole, cut)]
    assert all(torch.equal(loras[0][name], loras[1][name]) for name in loras[0]) and len(loras[0]) == 64
    names = {whole.name, cut.name, "whole.preview.png", "cut.preview.png"}
    assert {p.name for p in folder.iterdir()} == names


@pytest.mark.usefixtures("few_samples")
def test_ctrl_c_while_class_images_are_made_keeps_nothing_and_says_so(
    models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    made = learning.LearnProgress.on_images

    def pressed(self: learning.LearnProgress, *counts: object) -> None:
        self.stop = True
        made(self, *counts)

    monkeypatch.setattr(learning.LearnProgress, "on_images", pressed)
    out = tmp_path / "new" / "lora.safetensors"
    assert dreambooth(models, picture, out) == 130 and not out.parent.exists()
    assert "Stopped: nothing was kept" in capsys.readouterr().err


@pytest.mark.usefixtures("few_samples")
def test_out_of_memory_names_what_needs_less(
    models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def full(self: FolderLoraModel, *given: object) -> torch.Tensor:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(FolderLoraModel, "denoise", full)
    assert dreambooth(models, picture, tmp_path / "lora.safetensors", "--chunk", 2) == 1
    assert "start it again with --chunk 1." in capsys.readouterr().err
    assert "--chunk 1 --resume" in command.less_memory(2, True) and "a smaller --size" in command.less_memory(1, True)


def test_what_cannot_work_is_told_before_anything_is_learned(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for more, words in (
        (("--out", tmp_path / "lora.bin"), "the LoRA's file must end in .safetensors"),
        (("--resume",), "nothing was interrupted"),
        (("--image-model", models / "zero123-xl"), "8 input channels"),
        (("--class-prompt", " "), "prior preservation needs a class prompt"),
        (("--instance-prompt", " "), "the prompt is empty"),
        (("--steps", 0), "steps is 0"),
        (("--rank", 33), "rank is 33, but the smallest attention projection has 32 dimensions"),
        (("--rank", 0), "rank is 0"),
        (("--size", 12), "size is 12"),
        (("--field", tmp_path / "none.safetensors"), "none.safetensors was not found"),
        (("--out", picture), "must end in"),
    ):
        assert dreambooth(models, picture, tmp_path / "lora.safetensors", *more) == 2, more
        assert words in capsys.readouterr().err, more
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_that_may_not_be_written_is_told_first(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tmp_path.chmod(0o500)
    assert dreambooth(models, picture, tmp_path / "lora.safetensors") == 2
    assert "nothing can be written to" in capsys.readouterr().err
