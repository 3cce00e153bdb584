"""DreamBooth without a host: the node over a toy UNet, its files, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

NAME = "lora_unet_toy"
TOY = {
    "instance_prompt": "a sks fox", "class_prompt": "a fox", "name": "fox", "steps": 3, "class_images": 1, "rank": 1,
    "batch": 1, "chunk": 1, "rate": 0.05, "class_weight": 1.0, "size": 16, "views": 2, "strength": 0.4, "seed": 1,
    "resume": "auto",
}
WIRES = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15"}}}


class Toy:
    """A UNet of one number for each channel, which the LoRA moves."""

    sigmas = torch.linspace(0.1, 9.0, 1000)

    def __init__(self) -> None:
        self.up, self.down = (torch.zeros(s).requires_grad_(True) for s in ((3, 1), (1, 2)))
        self.prompts: list[str] = []

    def lora_parameters(self) -> dict[str, Tensor]:
        return {f"{NAME}.lora_up.weight": self.up, f"{NAME}.lora_down.weight": self.down}

    def encode(self, image: Tensor) -> Tensor:
        return image.mean((2, 3), keepdim=True)

    def denoise(self, x: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        self.prompts += prompts
        return (self.up @ self.down).sum(1).view(1, 3, 1, 1).expand_as(x)

    def decode(self, x0: Tensor) -> Tensor:
        return x0.expand(-1, -1, 16, 16)

    def load(self) -> None: ...

    def offload(self) -> None: ...


@pytest.fixture
def node_module(pack_module: Callable[[str], ModuleType]) -> ModuleType:
    return pack_module("nodes.guidance.dreambooth")


@pytest.fixture
def models(node_module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[Toy]:
    made: list[Toy] = []

    def build(*wires: Any) -> Toy:
        made.append(Toy())
        return made[-1]

    monkeypatch.setattr(node_module, "lora_model", build)
    monkeypatch.setattr(node_module, "with_lora", lambda model, path: ("with", path.name))
    return made


@pytest.fixture
def learn(node_module: ModuleType, models: list[Toy], reference: Any, queued: type) -> Callable:
    """Return a call of the node over the toy -> the MODEL and the LoRA's name."""

    def run(field: Any = None, **changes: Any) -> tuple:
        inputs = {**TOY, **changes}
        wires = {name: ["1", k] for k, name in enumerate(("model", "clip", "vae"))}
        graph = queued({**WIRES, "2": {"class_type": "A124DreamBooth", "inputs": {**wires, **inputs}}})
        hidden = {"graph": graph, "unique_id": "2"}
        node = node_module.A124DreamBooth()
        return node.learn(object(), object(), object(), reference, **inputs, field=field, **hidden)["result"]

    return run


def test_the_lora_is_written_and_put_on_the_model_and_not_learned_again(
    learn: Callable, models: list[Toy], pack_module: Callable[[str], ModuleType]
) -> None:
    assert learn() == (("with", "fox.safetensors"), "fox.safetensors")
    files = pack_module("nodes.guidance.learned_files")
    path = files.learned_path(files.LORA, "fox", None)
    lora = files.LORA.format.read_result(path)
    assert lora[f"{NAME}.lora_up.weight"].norm() > 0 and len(models) == 1
    assert {"a sks fox", "a fox", ""} == set(models[0].prompts)
    learn(name="wolf", chunk=2)  # neither changes the LoRA
    assert len(models) == 1 and path.with_name("wolf.safetensors").is_file()
    with pytest.raises(ValueError, match="set resume to restart"):
        learn(seed=2)
    learn(seed=2, resume="restart")
    assert len(models) == 2


def test_renderings_of_a_wired_scene_take_part(
    learn: Callable, models: list[Toy], pack_module: Callable[[str], ModuleType]
) -> None:
    config = pack_module("a124core.field.config").FieldConfig(levels=2, log2_hashmap_size=8, hidden=4, time_grids=1)
    field = pack_module("a124core.field.field4d").new_field(config, torch.Generator().manual_seed(0))
    learn(field, steps=30)
    assert "a fox, side view" in models[0].prompts, "repaired under the class prompt"
    assert any(prompt.startswith("a sks fox, ") for prompt in models[0].prompts)


def test_a_folder_that_may_not_be_written_costs_nothing(
    learn: Callable, models: list[Toy], pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The LoRA is in the run's store: the next run only writes the file."""
    store, files = pack_module("a124core.runs.store"), pack_module("nodes.guidance.learned_files")
    folder, write = files.learned_path(files.LORA, "fox", None).parent, store.write_lora

    def refused(path: Any, *rest: Any) -> None:
        if path.parent == folder:
            raise OSError(f"{path} may not be written: choose a folder that you own.")
        write(path, *rest)

    monkeypatch.setattr(store, "write_lora", refused)
    with pytest.raises(OSError, match="may not be written"):
        learn()
    monkeypatch.setattr(store, "write_lora", write)
    learn()
    assert len(models) == 1 and (folder / "fox.safetensors").is_file()


def test_running_out_of_memory_names_what_to_lower(
    learn: Callable, node_module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(node_module, "learn_lora", full)
    with pytest.raises(torch.OutOfMemoryError, match="DreamBooth is out of memory: set 'chunk' to 1.*\nCUDA out of"):
        learn(chunk=2)


def test_what_cannot_work_is_refused_when_queued(
    node_module: ModuleType, pack_module: Callable[[str], ModuleType]
) -> None:
    files = pack_module("nodes.guidance.learned_files")
    path = files.learned_path(files.LORA, "lent", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": torch.zeros(1)}, path)
    texts = {"instance_prompt": "a sks fox", "class_prompt": "a fox", "class_weight": 1.0}
    check = node_module.A124DreamBooth.VALIDATE_INPUTS
    assert check(name="fox", size=512, **texts) is True
    for wrong, match in (
        ({"name": "a b"}, "no name of a LoRA"), ({"name": "lent"}, "a LoRA lent that was not learned here"),
        ({"size": 100}, "multiple of 8"), ({**texts, "class_prompt": " "}, "needs a class prompt"),
        ({**texts, "instance_prompt": " "}, "the prompt is empty"), ({"class_weight": -1.0}, "at least 0"),
    ):
        with pytest.raises(ValueError, match=match):
            check(**wrong)


