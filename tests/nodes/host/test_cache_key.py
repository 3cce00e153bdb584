"""What a kept result is found again by: all that it depends on, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROMPT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "disc.png"}},
    "2": {"class_type": "A124Reference", "inputs": {"image": ["1", 0], "mask": ["1", 1], "mask_marks": "auto"}},
    "5": {"class_type": "A124RefineGuidance", "inputs": {"prompt": "(embedding:fox:1.2), dancing", "cfg": 8.5}},
    "6": {"class_type": "DiffusersLoader", "inputs": {"model_path": "sd15"}},
    "3": {
        "class_type": "A124StaticOptimizer",
        "inputs": {
            "seed": 0, "resume": "auto", "memory": "auto", "reference": ["2", 0], "image_guidance": ["5", 0],
            "model": ["6", 0],
        },
    },
}
WORD = {
    "1": {"class_type": "A124TextualInversion", "inputs": {"init_word": "toy", "name": "fox", "chunk": 2, "seed": 0}}
}


@pytest.fixture
def of(pack_module: Callable[[str], ModuleType], queued: type) -> Callable[..., str]:
    """Identity of a node of a prompt."""
    identity = pack_module("nodes.host.cache_key").cache_key

    def ask(prompt: dict, node: str = "3", reference: Any = None, **added: dict) -> str:
        return identity(queued(prompt, added), node, "static", reference, {"anything": object()})

    return ask


def changed(prompt: dict, node: str, **inputs: Any) -> dict:
    other = deepcopy(prompt)
    other[node]["inputs"] |= inputs
    return other


def test_it_is_what_the_result_depends_on(of: Callable, reference: Any) -> None:
    renamed = {f"{k}0": deepcopy(node) for k, node in PROMPT.items()}
    for node in renamed.values():
        node["inputs"] = {n: [f"{v[0]}0", v[1]] if isinstance(v, list) else v for n, v in node["inputs"].items()}
    base = of(PROMPT)
    assert of(renamed, "30") == base, "node ids do not matter"
    assert of(changed(PROMPT, "3", resume="restart", memory="low")) == base
    assert of({**PROMPT, "4": {"class_type": "A124Render", "inputs": {"field": ["3", 0]}}}) == base
    different = [
        changed(PROMPT, "3", seed=1), changed(PROMPT, "3", steps=9), changed(PROMPT, "2", mask_marks="subject"),
        changed(PROMPT, "1", image="x.png"), changed(PROMPT, "2", mask=["1", 0]),
    ]
    assert len({base, of(PROMPT, reference=reference), *map(of, different)}) == 7


def test_the_last_bits_of_a_picture_that_a_node_of_ours_drew_do_not_count(
    of: Callable, pack_module: Callable, queued: type, reference: Any
) -> None:
    """Another backend draws others; a loaded picture is the user's, whatever lies between."""
    drawn = changed(PROMPT, "2", image=["1", 0])
    drawn["1"] = {"class_type": "A124ExamplePicture", "inputs": {"subject": "duck"}}
    brighter = replace(reference, image=reference.image * (1.0 - 1e-6))
    assert of(drawn, reference=brighter) == of(drawn, reference=reference)
    assert of(PROMPT, reference=brighter) != of(PROMPT, reference=reference)
    other = changed(drawn, "1", subject="cat")
    assert of(other, reference=reference) != of(drawn, reference=reference)
    mixed = changed(drawn, "2", mask=["7", 0]) | {"7": {"class_type": "LoadImageMask", "inputs": {"image": "x.png"}}}
    assert of(mixed, reference=brighter) != of(mixed, reference=reference)
    keys = pack_module("nodes.host.cache_key").cache_keys
    former = keys(queued(drawn, {}), "3", "static", reference, {})[-1]
    assert former != of(drawn, reference=reference), "under which earlier versions kept it"


def test_the_name_of_a_word_and_its_chunks_are_ways_not_inputs(of: Callable) -> None:
    base = of(WORD, "1")
    assert of(changed(WORD, "1", name="wolf", chunk=8), "1") == base
    assert of(changed(WORD, "1", init_word="animal"), "1") != base
    other = {"1": {"class_type": "SomeoneElses", "inputs": {"name": "a", "chunk": 1}}}
    assert of(other, "1") != of(changed(other, "1", name="b"), "1"), "of other packs every input counts"


def test_nodes_of_an_expansion_are_known_by_their_own_inputs(of: Callable) -> None:
    """A loop's nodes are not in the queued prompt: the model that one of them loads must count."""

    def loop(checkpoint: str) -> dict[str, dict]:
        return {
            "9.0.1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
            "9.0.2": {"class_type": "A124StaticOptimizer", "inputs": {"seed": 0, "image_guidance": ["9.0.1", 0]}},
        }

    assert of(PROMPT, "9.0.2", **loop("a")) == of(PROMPT, "9.0.2", **loop("a"))
    assert of(PROMPT, "9.0.2", **loop("a")) != of(PROMPT, "9.0.2", **loop("b"))


def test_what_cannot_be_told_apart_is_never_found_again(of: Callable, pack_module: Callable, reference: Any) -> None:
    identity = pack_module("nodes.host.cache_key").cache_key
    model = object()  # a host's MODEL, of which only the class has a name
    known, unknown = ([identity(None, None, "static", reference, {"m": m}) for _ in range(2)] for m in ("a", model))
    assert known[0] == known[1] and unknown[0] != unknown[1]
    passed = {"9.0.2": {"class_type": "A124StaticOptimizer", "inputs": {"model": model}}}
    assert of(PROMPT, "9.0.2", **passed) != of(PROMPT, "9.0.2", **passed), "a loop handed the object itself on"


def test_a_file_that_appears_or_is_replaced_changes_it(of: Callable, workspace: Path, tmp_path: Path) -> None:
    """In our output folder or anywhere by its whole path; the host's own folders are looked at in tests/host."""
    for path, name in ((workspace / "disc.png", "disc.png"), (tmp_path / "far/x.ckpt", str(tmp_path / "far/x.ckpt"))):
        prompt = changed(PROMPT, "1", image=name)
        missing = of(prompt)
        path.parent.mkdir(parents=True)
        path.write_text("1")
        first = of(prompt)
        path.write_text("22")
        second = of(prompt)
        assert len({missing, first, second}) == 3 and of(prompt) == second


def test_a_file_counts_by_its_content_and_a_large_one_by_its_time(
    of: Callable, pack_module: Callable, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that is copied again, with another time, restarts nothing; one of the same size does."""
    path, prompt = workspace / "disc.png", changed(PROMPT, "1", image="disc.png")
    path.parent.mkdir(parents=True)
    path.write_text("22")
    first = of(prompt)
    os.utime(path, (1, 1))
    assert of(prompt) == first
    path.write_text("23")
    assert of(prompt) != first
    path.write_text("22")
    assert of(prompt) == first
    monkeypatch.setattr(pack_module("nodes.host.file_stamps"), "HASHED", 1)
    by_time = of(prompt)
    os.utime(path, (1, 1))
    assert of(prompt) != by_time, "a model of gigabytes is not read"


ODD = ["", "/", "..", "../x", "a\0b", "x" * 400, "con:", "a" * 9000, "~", "\n", "embedding:"]


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_are_only_texts(of: Callable, text: str) -> None:
    prompt = changed(PROMPT, "1", image=text)
    assert of(prompt) == of(prompt) != of(PROMPT)


def test_companions_that_a_loader_finds_by_itself_count(
    of: Callable, pack_module: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"model": "a.pth", "text_encoder": "auto", "vae": "auto"}
    prompt = {"1": {"class_type": "A124ModelScopeLoader", "inputs": inputs}}
    loader = pack_module("nodes.guidance.modelscope_loader").A124ModelScopeLoader
    stamps = {"auto": "first"}
    monkeypatch.setattr(loader, "IS_CHANGED", lambda model, text_encoder, vae: stamps[vae])
    base = of(prompt, "1")
    stamps["auto"] = "replaced"
    assert of(prompt, "1") != base
    by_wire = changed(prompt, "1", model=["7", 0])
    assert of(by_wire, "1") == of(by_wire, "1")
