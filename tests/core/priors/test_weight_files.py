"""Checkpoints of others: what the host reads is read, and what they describe is checked before memory is taken."""

from __future__ import annotations

import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a124core.priors.weight_files import checkpoint_layout, load_checkpoint, read_weights
from tests.fuzz.tensor_mutations import call, tensor_pickle, zip_bytes

WEIGHTS = {"a.weight": torch.arange(12.0).view(3, 4), "a.bias": torch.ones(3).half(), "n": torch.tensor(7)}


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_beside_what_training_programs_save(zipped: bool, tmp_path: Path, monkeypatch: Any) -> None:
    """numpy's numbers and Lightning's callbacks lie beside Stable Diffusion's weights; ComfyUI reads them too."""
    callback = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks.model_checkpoint"})
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    module.ModelCheckpoint = callback
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.callbacks", types.ModuleType("pytorch_lightning.callbacks"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    state = callback()
    state.best = np.float64(0.5)
    content = {
        "state_dict": {**WEIGHTS, "view": WEIGHTS["a.weight"][1:, :2]}, "epoch": 3, "loss": np.float32(0.1),
        "callbacks": {callback: {"best_model_score": np.float64(0.25), "state": state}}, "betas": (0.9, 0.99),
        "shape": torch.Size([3]), "done": {"a", 1}, "device": torch.device("cpu"), "dtype": torch.float32, "b": b"x",
    }
    if not zipped:
        del content["b"]  # encoded in a way that its unpickler reads and no weights need
    torch.save(content, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / "x.ckpt")
    assert set(weights) == {*WEIGHTS, "view"}
    assert all(torch.equal(weights[name], weight) for name, weight in content["state_dict"].items())
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(network.state_dict(), tmp_path / "y.pth", _use_new_zipfile_serialization=zipped)
    assert set(read_weights(tmp_path / "y.pth")) == set(network.state_dict())
    assert len(checkpoint_layout(tmp_path / "y.pth").tensors) == len(network.state_dict())


def checkpoint(path: Path, pickled: bytes, data: bytes = b"\0" * 16, method: int = zipfile.ZIP_STORED) -> Path:
    entries = [("archive/data.pkl", pickled), ("archive/byteorder", b"little"), ("archive/data/0", data),
               ("archive/version", b"3\n")]
    path.write_bytes(zip_bytes(entries, method))
    return path


def test_the_hand_written_checkpoint_is_one(tmp_path: Path) -> None:
    content = load_checkpoint(checkpoint(tmp_path / "x.pt", tensor_pickle(4, 0, (2, 2), (2, 1))))
    assert content["emb_params"].shape == (2, 2)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((4, 0, (2**31,), (0,)), "larger than what the file holds"),  # 8 GB of one number, with a stride of 0
        ((4, 0, (2, 2), (2, 2)), "larger than what the file holds"),
        ((4, 3, (2,), (1,)), "larger than what the file holds"),
        ((4, 0, (0, 2**62), (1, 1)), "larger than what the file holds"),
        ((10**12, 0, (10**12,), (1,)), "another size than the file holds"),
        ((4, -1, (2,), (1,)), "no plain shape"),
        ((4, 0, (2.0,), (1,)), "no plain shape"),
        ((4, 0, (2,), (1, 1)), "no plain shape"),
    ],
)
def test_tensors_that_do_not_fit_the_file_are_refused(numbers: tuple, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        load_checkpoint(checkpoint(tmp_path / "x.pt", tensor_pickle(*numbers)))


def test_packed_doubled_and_overlapping_zip_files_are_refused(tmp_path: Path) -> None:
    good = tensor_pickle(4, 0, (2, 2), (2, 1))
    with pytest.raises(ValueError, match="packed by another program"):
        load_checkpoint(checkpoint(tmp_path / "bomb.pt", good, bytes(10**6), zipfile.ZIP_DEFLATED))
    entries = [("a/data.pkl", good), ("A/DATA.PKL", good), ("a/data/0", bytes(16))]
    (tmp_path / "two.pt").write_bytes(zip_bytes(entries))
    with pytest.raises(ValueError, match="one name"):
        load_checkpoint(tmp_path / "two.pt")


SHARED_KEY = b"\x80\x02}K\x01q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"K\x01s."  # hashing it takes 2^60 steps


@pytest.mark.parametrize(
    "pickled",
    [
        call("os:system", ("echo opened",)), call("builtins:bytearray", (10**12,)), SHARED_KEY,
        call("_codecs:encode", ("a", "hex")), call("torch:load", ("x",)), call("collections:OrderedDict", ([(1, 2)],)),
        b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x05sb.",  # an attribute in place of a method
        call("torch._utils:_rebuild_sparse_tensor", (1, (1,))), b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    ],
)
def test_pickles_that_call_or_hash_anything_are_not_opened(pickled: bytes, tmp_path: Path, capfd: Any) -> None:
    with pytest.raises(ValueError, match="for your safety|damaged") as refused:
        load_checkpoint(checkpoint(tmp_path / "x.pt", pickled))
    assert "\n" not in str(refused.value) and "opened\n" not in capfd.readouterr().out


def test_storages_that_a_file_before_torch_1_6_does_not_hold_are_refused(tmp_path: Path) -> None:
    torch.save({"emb_params": torch.ones(2, 8)}, tmp_path / "x.bin", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "x.bin").read_bytes()
    for data in (whole[:-1], whole.replace(b"K\x10", b"J\xff\xff\xff\x7f", 1)):
        (tmp_path / "x.bin").write_bytes(data)
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(tmp_path / "x.bin")
