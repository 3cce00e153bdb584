"""Every common layout of an embedding, and files that hold more than numbers."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from a124core.export.embedding import load_progress, read_embedding, read_learned, save_progress, write_embedding

ONE, TWO = torch.arange(768.0), torch.arange(2 * 768.0).view(2, 768)


@pytest.mark.parametrize(
    ("suffix", "content", "names", "rows"),
    [
        ("pt", {"string_to_token": {"*": 265}, "string_to_param": {"*": TWO}, "name": "fox", "step": 500}, ["fox"], 2),
        ("pt", {"string_to_param": {"*": torch.nn.Parameter(TWO)}}, [""], 2),
        ("bin", {"_panda_dance_": ONE}, ["_panda_dance_"], 1),
        ("pt", {"emb_params": TWO.half()}, [""], 2),
        ("pt", {"clip_l": TWO, "clip_g": torch.zeros(2, 1280)}, ["clip_l", "clip_g"], 2),
        ("pt", ONE, [""], 1),
        ("safetensors", {"emb_params": TWO}, [""], 2),
        ("safetensors", {"<fox>": ONE}, ["<fox>"], 1),
        ("safetensors", {"clip_l": TWO, "clip_g": torch.zeros(2, 1280)}, ["clip_l", "clip_g"], 2),
    ],
)
def test_layouts(suffix: str, content, names: list[str], rows: int, tmp_path: Path) -> None:
    path = tmp_path / f"word.{suffix}"
    if suffix == "safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    tables = read_embedding(path)
    assert list(tables) == names or sorted(tables) == sorted(names)
    first = tables[names[0]]
    assert first.shape == (rows, 768) and first.dtype == torch.float32 and not first.requires_grad
    assert torch.equal(first, (ONE[None] if rows == 1 else TWO))


class Trap:
    """Runs something when it is unpickled."""

    def __reduce__(self):
        return (print, ("opened",))


def test_a_file_that_holds_more_than_tensors_is_not_opened(tmp_path: Path, capsys) -> None:
    for name, write in (("new.pt", torch.save), ("old.bin", lambda v, p: p.write_bytes(pickle.dumps(v)))):
        write({"string_to_param": {"*": TWO}, "extra": Trap()}, tmp_path / name)
        with pytest.raises(ValueError, match="safetensors|damaged"):
            read_embedding(tmp_path / name)
    assert "opened" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [{}, {"step": 3}, {"x": torch.zeros(2, 3, 4)}, [1, 2]])
def test_files_without_an_embedding_are_refused(content, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="no embedding in a known layout"):
        read_embedding(tmp_path / "x.pt")


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"123")
    with pytest.raises(ValueError, match="damaged"):
        read_embedding(tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="not found"):
        read_embedding(tmp_path / "y.pt")
    save_file({"emb_params": TWO * float("nan")}, tmp_path / "z.safetensors")
    with pytest.raises(ValueError, match="NaN"):
        read_embedding(tmp_path / "z.safetensors")


def test_what_is_written_is_what_hosts_read(tmp_path: Path) -> None:
    write_embedding(tmp_path / "fox.safetensors", TWO, {"init_word": "fox"})
    assert list(load_file(tmp_path / "fox.safetensors")) == ["emb_params"]
    assert torch.equal(read_embedding(tmp_path / "fox.safetensors")[""], TWO)
    with pytest.raises(ValueError, match="finite"):
        write_embedding(tmp_path / "fox.safetensors", TWO * float("inf"))
    assert torch.equal(read_embedding(tmp_path / "fox.safetensors")[""], TWO), "the earlier file is kept"


def test_progress_keeps_numbers_and_words(tmp_path: Path) -> None:
    save_progress(tmp_path / "p.safetensors", {"token": TWO}, {"step": 4, "config": {"lr": 1e-4}})
    tensors, meta = load_progress(tmp_path / "p.safetensors")
    assert torch.equal(tensors["token"], TWO) and meta == {"step": 4, "config": {"lr": 1e-4}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"emb_params": torch.zeros(0, 8)}, "no embedding"), ({"emb_params": torch.zeros(5000, 1)}, "no embedding"),
        ({"\ud800": ONE}, "no plain name"), ({"x" * 300: ONE}, "no plain name"),
        ({"emb_params": torch.ones(1).expand(10**9)}, "larger than what the file holds"),  # 4 GB of one number
    ],
)
def test_tables_that_are_no_embedding_are_refused(content: dict, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=words) as refused:
        read_embedding(tmp_path / "x.pt")
    str(refused.value).encode()


def test_an_embedding_in_itself_ends(tmp_path: Path) -> None:
    content: dict = {}
    content["string_to_param"] = content
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="no embedding"):
        read_embedding(tmp_path / "x.pt")


def test_the_learned_table_is_alone(tmp_path: Path) -> None:
    write_embedding(tmp_path / "fox.safetensors", TWO)
    assert torch.equal(read_learned(tmp_path / "fox.safetensors"), TWO)
    save_file({"clip_l": TWO}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not written here"):
        read_learned(tmp_path / "other.safetensors")
