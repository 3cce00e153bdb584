"""What textual inversion does without a host: names, files of others, and what is kept of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def inversion(pack_module: Callable[[str], ModuleType]) -> ModuleType:
    return pack_module("nodes.textual_inversion")


@pytest.mark.parametrize("name", ["", "../up", "a b", "x/y", "embedding:x", "a" * 65, "word.pt"])
def test_a_name_must_be_one_plain_word(inversion: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        inversion.embedding_path(name)


@pytest.mark.parametrize("suffix", ["pt", "bin", "safetensors"])
def test_a_word_that_somebody_else_made_is_never_written_over(inversion: ModuleType, suffix: str) -> None:
    path = inversion.embedding_path("fox")
    path.parent.mkdir(parents=True)
    other = path.with_suffix(f".{suffix}")
    if suffix == "safetensors":
        save_file({"emb_params": torch.zeros(1, 4)}, other)
    else:
        other.write_bytes(b"x")
    with pytest.raises(ValueError, match="choose another name"):
        inversion.embedding_path("fox")


def test_our_own_word_may_be_learned_again(inversion: ModuleType) -> None:
    path = inversion.embedding_path("fox")
    path.parent.mkdir(parents=True)
    inversion.write_embedding(path, torch.zeros(1, 4), {"made_by": "animate124"})
    assert inversion.embedding_path("fox") == path


def test_a_finished_word_is_found_again_and_its_state_dropped(inversion: ModuleType, tmp_path: Path) -> None:
    keep = inversion.Progress(tmp_path / "run", restart=False)
    assert keep.newest() is None and keep.finished() is None
    keep.save(inversion.TokenSnapshot({"token": torch.ones(1, 4)}, {"step": 3}))
    assert keep.newest().step == 3
    keep.state.write_bytes(keep.state.read_bytes()[:50])
    assert keep.newest() is None, "a damaged file counts as absent"
    keep.finish(torch.ones(1, 4))
    assert torch.equal(keep.finished(), torch.ones(1, 4)) and not keep.state.exists()
    assert inversion.Progress(tmp_path / "run", restart=True).finished() is None
