"""Load the parts of a diffusers folder, each validated first and in memory once. Nothing is ever downloaded."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...utils.device import is_out_of_memory
from .package import diffusers, transformers

LOADED: weakref.WeakValueDictionary[tuple, nn.Module] = weakref.WeakValueDictionary()  # as long as a prior holds them
WEIGHTS = (".safetensors", ".bin", ".index.json")
LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError, MemoryError)


def read_config(folder: Path, part: str, name: str = "config.json") -> dict[str, Any]:
    """Return the config of a part; the part `""` is the folder itself."""
    path = folder / part / name
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: give the folder of a model in diffusers' layout.")
    if not path.is_file():
        raise ValueError(
            f"{folder} has no {path.relative_to(folder).as_posix()}: it is not complete, or not in diffusers' layout. "
            "Copy the whole folder of the model again."
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        config = None
    if not isinstance(config, dict):
        raise ValueError(f"{path} is damaged: copy the model's folder again.")
    return config


def check_class(folder: Path, part: str, expected: str) -> dict[str, Any]:
    """Return the config of a part whose network is of the expected class."""
    config = read_config(folder, part)
    _check_class_name(folder / part, config.get("_class_name", "of an unknown kind"), expected)
    return config


def _check_class_name(path: Path, class_name: str, expected: str) -> None:
    if class_name != expected:
        raise ValueError(f"{path} holds a network {class_name}, and {expected} is needed: give another folder.")


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
        network, info = _from_pretrained(getattr(diffusers(), class_name), folder / part, options)
        # diffusers fills missing weights with random numbers and a warning
        _check_complete(folder / part, sorted(info["missing_keys"]) + [str(row[0]) for row in info["mismatched_keys"]])
        LOADED[key] = network.requires_grad_(False).eval()
    return network


def load_transformer(folder: Path, part: str, class_name: str) -> nn.Module:
    """Return a frozen network of transformers in float32. It is not shared: it is dropped after its only use."""
    path = folder / part
    _check_class_name(path, (read_config(folder, part).get("architectures") or [class_name])[0], class_name)
    with _no_progress_bar():
        network, info = _from_pretrained(getattr(transformers(), class_name), path, {})
    _check_complete(path, sorted(key for key in info["missing_keys"] if not key.endswith("position_ids")))
    return network.float().requires_grad_(False).eval()


def _from_pretrained(network_class: Any, path: Path, options: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    options = {**options, **_weight_options(path), "local_files_only": True, "output_loading_info": True}
    try:
        return network_class.from_pretrained(str(path), **options)
    except LOAD_ERRORS as error:
        if is_out_of_memory(error):
            raise RuntimeError(
                f"{path} does not fit into the free memory: close other programs, or leave a role out (on the command "
                "line --refine none or --no-view-prior, in the graph by unplugging its guidance)."
            ) from None
        raise ValueError(f"{path} does not load ({first_line(error)}): copy the model's folder again.") from None


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


def load_tokenizer(folder: Path) -> Any:
    """Return CLIP's tokenizer, from its vocabulary in the folder."""
    path = folder / "tokenizer"
    if not any((path / name).is_file() for name in ("vocab.json", "tokenizer.json")):
        raise ValueError(
            f"{folder} has no tokenizer/vocab.json: copy the tokenizer folder of the model (of any Stable Diffusion 1 "
            "or 2 or ModelScope) there."
        )
    try:
        return transformers().CLIPTokenizer.from_pretrained(str(path), local_files_only=True)
    except Exception as error:  # its Rust half raises nothing more exact
        raise ValueError(f"{path} does not load ({first_line(error)}): copy it again.") from None


def first_line(error: BaseException) -> str:
    """Return the error's first line without its full stop, for use inside a sentence."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:200]
