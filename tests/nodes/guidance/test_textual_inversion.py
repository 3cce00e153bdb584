"""Textual inversion without a host: names, files of others, and the files of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def files(pack_module: Callable[[str], ModuleType]) -> ModuleType:
    return pack_module("nodes.guidance.learned_files")


@pytest.mark.parametrize("name", ["", "../up", "a b", "x/y", "embedding:x", "a" * 65, "word.pt"])
def test_a_name_must_be_plain(files: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        files.learned_path(files.EMBEDDING, name, "run")


@pytest.mark.parametrize("run", ["run", None])
@pytest.mark.parametrize("suffix", ["pt", "bin", "safetensors"])
def test_an_embedding_of_somebody_else_is_never_overwritten(files: ModuleType, suffix: str, run: str | None) -> None:
    path = files.learned_path(files.EMBEDDING, "fox", run)
    path.parent.mkdir(parents=True)
    other = path.with_suffix(f".{suffix}")
    if suffix == "safetensors":
        save_file({"emb_params": torch.zeros(1, 4)}, other)
    else:
        other.write_bytes(b"x")
    with pytest.raises(ValueError, match="choose another name"):
        files.learned_path(files.EMBEDDING, "fox", run)


def test_an_embedding_is_replaced_by_its_own_run_or_by_a_restart(files: ModuleType) -> None:
    path = files.learned_path(files.EMBEDDING, "fox", "run of the fox")
    files.save_learned(files.EMBEDDING, path, torch.zeros(1, 4), {"run": "run of the fox"})
    assert files.learned_path(files.EMBEDDING, "fox", "run of the fox") == path
    assert files.learned_path(files.EMBEDDING, "fox", None) == path
    with pytest.raises(ValueError, match="set resume to restart"):
        files.learned_path(files.EMBEDDING, "fox", "run of another picture")
    files.EMBEDDING.format.write_result(path, torch.zeros(1, 4), {"made_by": "animate124"})  # before runs were noted
    with pytest.raises(ValueError, match="set resume to restart"):
        files.learned_path(files.EMBEDDING, "fox", "run of the fox")


def test_the_same_embedding_is_not_written_twice(files: ModuleType) -> None:
    path = files.learned_path(files.EMBEDDING, "fox", "run")
    embedding, notes = torch.ones(1, 4), {"run": "run", "steps": "3"}
    files.save_learned(files.EMBEDDING, path, embedding, notes)
    os.utime(path, (1, 1))
    files.save_learned(files.EMBEDDING, path, embedding, notes)
    assert path.stat().st_mtime == 1, "nodes that depend on the file are not run again"
    files.save_learned(files.EMBEDDING, path, embedding + 1, notes)
    assert torch.equal(files.EMBEDDING.format.read_result(path), embedding + 1)
    os.utime(path, (1, 1))
    files.save_learned(files.EMBEDDING, path, embedding + 1, {**notes, "steps": "4"})
    assert path.stat().st_mtime != 1


def test_a_finished_embedding_is_found_again_and_its_snapshot_dropped(
    files: ModuleType, pack_module: Callable[[str], ModuleType]
) -> None:
    store = files.run_store(files.EMBEDDING, "run")
    assert store.newest() is None and store.usable_result(files.EMBEDDING.result) is None
    snapshot_of = pack_module("a124core.inversion.learn").TokenSnapshot
    tensors = {name: torch.ones(1, 4) for name in ("token", "mean", "square")}
    tensors["random"] = torch.Generator().get_state()
    store.save(snapshot_of(tensors, {"step": 3, "shape": [1, 4]}))
    assert store.newest().step == 3
    snapshot = store.folder / files.SNAPSHOT
    snapshot.write_bytes(snapshot.read_bytes()[:50])
    assert store.newest() is None, "a damaged file counts as absent"
    store.finish(files.EMBEDDING.result, torch.ones(1, 4))
    assert torch.equal(store.usable_result(files.EMBEDDING.result), torch.ones(1, 4)) and not snapshot.exists()


class Cancelled(BaseException):
    """As the host's own exception is one since 0.20.1."""


TOY = {
    "init_word": "toy", "name": "fox", "steps": 3, "batch": 2, "chunk": 1, "rate": 0.05, "size": 16, "seed": 1,
    "resume": "auto",
}
WIRES = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15"}}}


@pytest.fixture
def learn(
    pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, reference: Any, queued: type
) -> Callable:
    """Return a call of the node over a linear UNet in place of the host's copies -> the CLIP and the token."""
    model = SimpleNamespace(
        encode=lambda image: image.mean((2, 3), keepdim=True), decode=lambda x0: x0, load=lambda: None,
        offload=lambda: None,
        denoise=lambda x, sigma, token, texts: token.mean().expand_as(x), sigmas=torch.linspace(0.1, 9.0, 1000),
        initial_embedding=lambda: torch.zeros(1, 4),
    )
    monkeypatch.setattr(pack_module("nodes.host.inversion"), "inversion_model", lambda *wires: model)
    clip = SimpleNamespace(clone=lambda: "the CLIP")

    def run(**changes: Any) -> tuple:
        inputs = {**TOY, **changes}
        wires = {name: ["1", k] for k, name in enumerate(("model", "clip", "vae"))}
        graph = queued({**WIRES, "2": {"class_type": "A124TextualInversion", "inputs": {**wires, **inputs}}})
        node = pack_module("nodes.guidance.textual_inversion").A124TextualInversion()
        return node.learn(object(), clip, object(), reference, **inputs, graph=graph, unique_id="2")["result"]

    return run


def disk_full(name: str) -> Callable:
    def fail(*args: Any) -> None:
        raise OSError(f"no space left for {name}")

    return fail


def test_a_full_disk_neither_ends_learning_nor_hides_a_cancel(
    learn: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, files: ModuleType
) -> None:
    intervals = pack_module("a124core.runs.monitor").Intervals(0.0, 0.0, 1.0, 1e18)
    monkeypatch.setattr(pack_module("nodes.guidance.learning"), "INTERVALS", intervals)
    monkeypatch.setattr(pack_module("a124core.runs.store"), "save_progress", disk_full("snapshots"))
    assert learn() == ("the CLIP", "embedding:fox")
    calls: list[int] = []

    def cancel() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled

    monkeypatch.setattr(pack_module("nodes.host.ui"), "stop_if_cancelled", cancel)
    with pytest.raises(Cancelled):
        learn(resume="restart")


def test_the_embedding_is_written_though_the_store_is_full(
    learn: Callable, monkeypatch: pytest.MonkeyPatch, files: ModuleType, pack_module: Callable[[str], ModuleType]
) -> None:
    folder = files.learned_path(files.EMBEDDING, "fox", None).parent
    store = pack_module("a124core.runs.store")
    write = store.write_embedding
    full = disk_full("the store")
    monkeypatch.setattr(
        store, "write_embedding", lambda path, *a: write(path, *a) if path.parent == folder else full()
    )
    learn()
    assert files.EMBEDDING.format.read_result(folder / "fox.safetensors").shape == (1, 4)


def test_an_embedding_that_could_not_be_written_is_not_learned_again(
    learn: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, files: ModuleType
) -> None:
    store = pack_module("a124core.runs.store")
    write = store.write_embedding
    folder = files.learned_path(files.EMBEDDING, "fox", None).parent
    monkeypatch.setattr(
        store, "write_embedding", lambda path, *a: write(path, *a) if path.parent != folder else disk_full("it")()
    )
    with pytest.raises(OSError, match="no space left for it"):
        learn()
    monkeypatch.setattr(store, "write_embedding", write)
    steps: list[int] = []
    monkeypatch.setattr(pack_module("nodes.host.ui"), "stop_if_cancelled", lambda: steps.append(1))
    learn(name="wolf", chunk=2)  # neither changes the embedding
    assert steps == [] and (folder / "wolf.safetensors").is_file()


@pytest.mark.parametrize(("chunk", "advice"), [(2, "'chunk' to 1"), (1, "smaller 'size'")])
def test_running_out_of_memory_names_what_to_lower(
    learn: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, chunk: int, advice: str
) -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(pack_module("nodes.host.ui"), "stop_if_cancelled", full)
    with pytest.raises(torch.OutOfMemoryError, match=f"{advice}.*\nCUDA out of memory"):
        learn(chunk=chunk)


def test_a_cut_out_is_learned_over_the_chosen_background(learn: Callable, pack_module: Callable[[str], ModuleType],
                                                         monkeypatch: pytest.MonkeyPatch, reference: Any) -> None:
    seen: list[Any] = []
    module = pack_module("nodes.guidance.textual_inversion")
    monkeypatch.setattr(module, "learn_token", lambda image, *rest: seen.append(image) or torch.zeros(1, 4))
    for options in ({}, {"background": "random"}, {"background": "random", "picture": torch.rand(1, 9, 9, 3)}):
        learn(resume="restart", **options)
    white, cut_out, raw = seen
    assert torch.equal(white, reference.composite(reference.image.shape[-1]))
    assert torch.equal(cut_out[:, 3:], reference.mask) and raw.shape[1] == 3
    assert torch.allclose(cut_out[:, :3] + 1.0 - cut_out[:, 3:], white, atol=1e-6)
