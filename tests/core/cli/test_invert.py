"""`invert` on a tiny folder: the gradient reaches the word alone, and a stopped run goes on to the same word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.cli import invert as command
from a124core.cli import learning
from a124core.cli.main import main
from a124core.export.embedding import load_progress, read_embedding, save_progress
from a124core.inversion.learn import TEMPLATES
from a124core.priors.diffusers.inversion import FolderInversionModel, load_inversion_model
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.runs import memory as needs
from a124core.runs.store import TOKEN_FORMAT, RunStore
from a124core.utils import files
from a124core.utils.text import format_bytes


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "red.png"
    Image.new("RGB", (48, 48), "red").save(path)
    return path


def invert(models: Path, picture: Path, out: Path, *more: object) -> int:
    folder = models / "stable-diffusion-v1-5"
    words = ("invert", "--image", picture, "--image-model", folder, "--word", "a", "--out", out)
    few = ("--steps", 4, "--batch", 2, "--chunk", 1, "--size", 16, "--rate", 0.01, "--quiet")
    return main([str(a) for a in (*words, *few, *more)])


def test_a_stopped_run_goes_on_to_the_same_word(
    models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    assert invert(models, picture, whole) == 0
    follow = learning.LearnProgress.on_step

    def pressed(self: learning.LearnProgress, step: object) -> None:
        self.stop = step.step == 2
        follow(self, step)

    monkeypatch.setattr(learning.LearnProgress, "on_step", pressed)
    assert invert(models, picture, cut) == 130 and not cut.exists()
    monkeypatch.undo()
    assert "--resume" in capsys.readouterr().out
    assert invert(models, picture, cut) == 2 and "an interrupted run is kept" in capsys.readouterr().err
    assert invert(models, picture, cut, "--resume") == 0
    words = [read_embedding(path)[""] for path in (whole, cut)]
    assert torch.equal(*words) and words[0].shape == (1, 32)
    assert {p.name for p in tmp_path.iterdir()} == {whole.name, cut.name, "whole.preview.png", "cut.preview.png"}


def test_ctrl_c_at_once_advises_to_go_on_where_a_step_was_done(
    models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """While the model is read nothing is kept; later the last whole step is."""
    out, asked = tmp_path / "new" / "word.safetensors", []
    denoise = FolderInversionModel.denoise

    def pressed(*given: object) -> torch.Tensor:
        asked.append(1)
        if len(asked) == 4:  # the second half of the second step
            raise KeyboardInterrupt
        return denoise(*given)

    monkeypatch.setattr(FolderInversionModel, "denoise", pressed)
    with monkeypatch.context() as reading:
        reading.setattr(FolderInversionModel, "weight_bytes", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        assert invert(models, picture, out) == 130 and not out.parent.exists()
    said = capsys.readouterr()
    assert "Stopped: nothing was kept" in said.err and "To continue" not in said.out + said.err
    assert invert(models, picture, out) == 130
    assert "Stopped at once, the last snapshot is kept. To continue: " in capsys.readouterr().out
    assert load_progress(out.with_suffix(".progress"))[1]["step"] == 1


def test_out_of_memory_keeps_the_last_step_and_names_what_needs_less(
    models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    cut = tmp_path / "cut.safetensors"
    denoise, asked = FolderInversionModel.denoise, []

    def full(self: FolderInversionModel, *given: object) -> torch.Tensor:
        asked.append(1)
        if len(asked) == 4:  # the second half of the second step
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return denoise(self, *given)

    monkeypatch.setattr(FolderInversionModel, "denoise", full)
    assert invert(models, picture, cut, "--batch", 4, "--chunk", 2) == 1
    assert "--chunk 1 --resume" in capsys.readouterr().err
    monkeypatch.undo()
    assert load_progress(tmp_path / "cut.progress")[1]["step"] == 1
    assert invert(models, picture, cut, "--batch", 4, "--chunk", 1, "--resume") == 0
    assert "a smaller --size" in command.less_memory(1, True) and "--resume" not in command.less_memory(2, False)


def test_the_gradient_is_that_of_the_embedding_row(models: Path, rng: torch.Generator) -> None:
    """The new word in the place of its row in the vocabulary: the same texts, and a gradient to the word alone."""
    made = load_inversion_model(models / "stable-diffusion-v1-5", "a", OffloadPolicy())
    token = made.initial_embedding().requires_grad_(True)
    templates = [TEMPLATES[0], TEMPLATES[4]]
    plain = [made.text.token_ids(t.format("")) + made.text.token_ids("a") for t in templates]
    assert torch.allclose(made.encode_templates(token, templates), made.text.encode(plain), atol=1e-6)
    x_t = torch.randn(2, 4, 8, 8, generator=rng)
    made.denoise(x_t, made.sigmas[[100, 700]], token, templates).square().sum().backward()
    assert token.grad.abs().sum() > 0 and token.grad.isfinite().all()
    networks = (made.unet, made.text.model, made.encoder.vae)
    assert all(p.grad is None for n in networks for p in n.parameters())


def test_what_cannot_work_is_told_before_anything_is_loaded(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for out, more, words in (
        (tmp_path / "word.bin", (), "must end in .safetensors"),
        (tmp_path / "word.safetensors", ("--resume",), "nothing was interrupted"),
        (tmp_path / "word.safetensors", ("--image-model", models / "zero123-xl"), "8 input channels"),
        (tmp_path / "word.safetensors", ("--word", " "), "the initial word"),
        (tmp_path / "word.safetensors", ("--word", "my friend fox"), "one plain word is needed"),
        (tmp_path / "new" / "word.safetensors", ("--word", " "), "the initial word"),
    ):
        assert invert(models, picture, out, *more) == 2
        assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_it_will_hold_is_said_before_the_first_step(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of its three networks, as the files have them."""
    monkeypatch.setattr(needs, "free_memory", lambda device: -(2**40))
    assert invert(models, picture, tmp_path / "word.safetensors", "--steps", 1) == 0, "never refused"
    first, counted, lack, *_ = capsys.readouterr().out.splitlines()
    made = load_inversion_model(models / "stable-diffusion-v1-5", "a", OffloadPolicy())
    held = sum(v.nbytes for n in (made.unet, made.encoder.vae, made.text.model) for v in n.state_dict().values())
    assert first == "Reading the model ..."
    assert counted.startswith(
        f"invert: 1 step of 2 crops, 1 at once, about {format_bytes(held)} of memory beside"
    )
    assert counted.endswith("what the models compute with comes on top).") and "choose a smaller model" in lack


def test_progress_of_a_later_release_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "word.progress"
    tensors = {name: torch.zeros(1, 2) for name in ("token", "mean", "square")}
    monkeypatch.setitem(files.VERSIONS, "token", 2)
    save_progress(state, tensors | {"random": torch.Generator().get_state()}, {"shape": [1, 2], "step": 1})
    monkeypatch.undo()
    store = RunStore(tmp_path, (state.name,), TOKEN_FORMAT)
    with pytest.raises(ValueError, match="has file version 2, this program reads"):
        learning.resumed_snapshot(store, True)
    state.write_bytes(b"cut")
    with pytest.raises(ValueError, match="is damaged: delete it to begin again"):
        learning.resumed_snapshot(store, True)
