"""Load the parts of a diffusers folder, each validated first and in memory once. Nothing is ever downloaded."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...utils.device import is_out_of_memory
from ...utils.json_files import read_json
from ...utils.text import first_line
from ..weight_files import check_checkpoint
from .config_limits import AGAIN, check_fits, network_config
from .package import diffusers, transformers

LOADED: weakref.WeakValueDictionary[tuple, nn.Module] = weakref.WeakValueDictionary()  # as long as a prior holds them
WEIGHTS = (".safetensors", ".bin", ".index.json")
NETWORK_FILES = ("diffusion_pytorch_model", "pytorch_model", "model")  # beginnings of the names that are loaded


def read_config(folder: Path, part: str, name: str = "config.json") -> dict[str, Any]:
    """Return the config of a part; the part `""` is the folder itself."""
    path = folder / part / name
    _check_there(folder, path)
    return read_json(path, AGAIN)


def _check_there(folder: Path, path: Path) -> None:
    """Refuse a folder that has no such file."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: give the folder of a model in diffusers' layout.")
    if not path.is_file():
        raise ValueError(
            f"{folder} has no {path.relative_to(folder).as_posix()}: it is not complete, or not in diffusers' layout. "
            "Copy the whole folder of the model again."
        )


def check_class(folder: Path, part: str, expected: str) -> dict[str, Any]:
    """Return the config of a part whose network is of the expected class."""
    config = read_config(folder, part)
    _check_class_name(folder / part, config.get("_class_name", "of an unknown kind"), expected)
    return config


def _check_class_name(path: Path, class_name: Any, expected: str) -> None:
    if class_name != expected:
        actual = class_name if isinstance(class_name, str) and class_name[:60].isidentifier() else "of an unknown kind"
        raise ValueError(f"{path} holds a network {actual[:60]}, and {expected} is needed: give another folder.")


def load_part(
    folder: Path, part: str, class_name: str, dtype: torch.dtype = torch.float32, tag: str = ""
) -> nn.Module:
    """Return a frozen diffusers network on the CPU: the same object for the same arguments.

    The tag separates networks that are modified after loading.
    """
    check_class(folder, part, class_name)
    key = (str(folder.resolve()), part, dtype, tag)
    network = LOADED.get(key)
    if network is None:
        options = {"torch_dtype": dtype, "low_cpu_mem_usage": False}
        network_class = getattr(diffusers(), class_name)
        network, info = _from_pretrained(network_class, network_class.from_config, folder / part, options)
        # diffusers fills missing weights with random numbers and a warning
        _check_complete(folder / part, sorted(info["missing_keys"]) + [str(row[0]) for row in info["mismatched_keys"]])
        LOADED[key] = network.requires_grad_(False).eval()
    return network


def load_transformer(folder: Path, part: str, class_name: str) -> nn.Module:
    """Return a frozen network of transformers in float32. It is not shared: it is dropped after its only use."""
    path = folder / part
    names = read_config(folder, part).get("architectures") or [class_name]
    _check_class_name(path, names[0] if isinstance(names, list) else names, class_name)
    network_class = getattr(transformers(), class_name)
    with _no_progress_bar():
        network, info = _from_pretrained(
            network_class, lambda config: network_class(network_class.config_class.from_dict(config)), path, {}
        )
    _check_complete(path, sorted(key for key in info["missing_keys"] if not key.endswith("position_ids")))
    return network.float().requires_grad_(False).eval()


def _from_pretrained(
    network_class: Any, build: Callable[[dict[str, Any]], nn.Module], path: Path, options: dict[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """Load a network; build makes it from its config alone, to know its size before."""
    options = {**options, **_weight_options(path), "local_files_only": True, "output_loading_info": True}
    config, files = network_config(path / "config.json"), _loaded_files(path, options["use_safetensors"])
    for file in files:
        check_checkpoint(file)
    try:
        check_fits(lambda: build(config), config, files)
        return network_class.from_pretrained(str(path), **options)
    except Exception as error:  # a network built from any config.json may raise anything
        if is_out_of_memory(error):
            raise RuntimeError(
                f"{path} does not fit into the free memory: close other programs, or leave a role out (on the command "
                "line --refine none or --no-view-prior, in the graph by unplugging its guidance)."
            ) from None
        raise ValueError(f"{path} does not load ({first_line(error)}): {AGAIN}.") from None


def _loaded_files(path: Path, safe: bool) -> list[Path]:
    """Return the files with weights that a network may be read from, and check the table of those that are split."""
    for name in weight_files(path):
        if name.endswith(".index.json"):
            parts = read_json(path / name, AGAIN).get("weight_map")
            names = set(parts.values()) if isinstance(parts, dict) and all(map(_is_name, parts.values())) else {""}
            if not names <= set(weight_files(path)):
                raise ValueError(f"{path / name} names files that are not there: {AGAIN}.")
    end = ".safetensors" if safe else ".bin"
    return [path / n for n in weight_files(path) if n.endswith(end) and n.startswith(NETWORK_FILES)]


def _is_name(value: Any) -> bool:
    return isinstance(value, str)


def _check_complete(path: Path, missing: list[str]) -> None:
    if missing:
        raise ValueError(
            f"the weights in {path} are not those of its config.json: {len(missing)} are missing or of another shape "
            f"({', '.join(missing[:3])}). Copy the model's folder again."
        )


def weight_files(path: Path) -> list[str]:
    """Return the names of a part's files that hold weights."""
    return sorted(p.name for p in path.iterdir() if p.name.endswith(WEIGHTS)) if path.is_dir() else []


def _weight_options(path: Path) -> dict[str, Any]:
    """Choose among a part's files: 16-bit ones where there are no others, safetensors before pickles."""
    names = weight_files(path)
    if not names:
        raise ValueError(f"{path} holds no weights (.safetensors or .bin): copy the model's folder again.")
    full = [n for n in names if ".fp16." not in n and "non_ema" not in n]
    safe = any(".safetensors" in n for n in full or names)
    return {"variant": None if full else "fp16", "use_safetensors": safe}


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Turn off transformers' bar for a load that takes a second; afterwards the process has its setting back."""
    logs = transformers().utils.logging
    enabled = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logs.enable_progress_bar()


def load_tokenizer(folder: Path, part: str = "tokenizer") -> Any:
    """Return CLIP's tokenizer, from its vocabulary in a part of the folder."""
    path = folder / part
    if not any((path / name).is_file() for name in ("vocab.json", "tokenizer.json")):
        name = Path(part, "vocab.json").as_posix()
        raise ValueError(
            f"{folder} has no {name}: copy the tokenizer folder of the model (of any Stable Diffusion 1 "
            "or 2 or ModelScope) there."
        )
    try:
        return transformers().CLIPTokenizer.from_pretrained(str(path), local_files_only=True)
    except Exception as error:  # its Rust half raises nothing more exact
        raise ValueError(f"{path} does not load ({first_line(error)}): copy it again.") from None
