"""Parts of a diffusers folder, each checked before it is loaded, in memory once. Nothing is ever downloaded."""

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

SHARED: weakref.WeakValueDictionary[tuple, nn.Module] = weakref.WeakValueDictionary()  # while a prior holds them
WEIGHTS = (".safetensors", ".bin", ".index.json")
UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError, MemoryError)  # what loading raises


def config_of(folder: Path, part: str, name: str = "config.json") -> dict[str, Any]:
    """The part's own description; the part `""` is the folder itself."""
    path = folder / part / name
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: give the folder of a model in diffusers' layout.")
    if not path.is_file():
        raise ValueError(
            f"{folder} has no {path.relative_to(folder).as_posix()}: it is not complete, or not in diffusers' layout. "
            "Copy the whole folder of the model again."
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: copy the model's folder again.")
    return found


def check_class(folder: Path, part: str, wanted: str) -> dict[str, Any]:
    """The part's description, if it is a network of the wanted class."""
    config = config_of(folder, part)
    came = config.get("_class_name", "of an unknown kind")
    if came != wanted:
        raise ValueError(f"{folder / part} holds a network {came}, and {wanted} is needed: give another folder.")
    return config


def load_part(folder: Path, part: str, wanted: str, dtype: torch.dtype = torch.float32, use: str = "") -> nn.Module:
    """A frozen diffusers network, on the CPU. Another call with the same words gets the same object; `use` keeps
    apart what is changed after loading."""
    check_class(folder, part, wanted)
    key = (str(folder.resolve()), part, dtype, use)
    network = SHARED.get(key)
    if network is None:
        network = _load(folder / part, wanted, dtype).requires_grad_(False).eval()
        SHARED[key] = network
    return network


def _load(path: Path, wanted: str, dtype: torch.dtype) -> nn.Module:
    """diffusers fills what a file lacks with random numbers and a warning: here that is an error."""
    kind = getattr(diffusers(), wanted)
    options = {"torch_dtype": dtype, **_files(path)}
    try:
        network, info = kind.from_pretrained(
            str(path), local_files_only=True, low_cpu_mem_usage=False, output_loading_info=True, **options
        )
    except UNREADABLE as error:
        raise _refusal(path, error) from None
    missing = sorted(info["missing_keys"]) + [str(row[0]) for row in info["mismatched_keys"]]
    if missing:
        raise ValueError(
            f"the weights in {path} are not those of its config.json: {len(missing)} are missing or of another shape "
            f"({', '.join(missing[:3])}). Copy the model's folder again."
        )
    return network


def _refusal(path: Path, error: BaseException) -> Exception:
    """What to do about a part that does not load."""
    if is_out_of_memory(error):
        return RuntimeError(
            f"{path} does not fit into the memory that is free: close other programs, or leave a role out (on the "
            "command line --refine none or --no-view-prior, in the graph by unplugging its guidance)."
        )
    return ValueError(f"{path} does not load ({first_line(error)}): copy the model's folder again.")


def weight_files(path: Path) -> list[str]:
    """Names of the files in a part that hold weights."""
    if not path.is_dir():
        return []
    return sorted(p.name for p in path.iterdir() if p.name.endswith(WEIGHTS))


def _files(path: Path) -> dict[str, Any]:
    """Which of a part's files to read: 16-bit ones where there are no others, safetensors before pickles."""
    names = weight_files(path)
    if not names:
        raise ValueError(f"{path} holds no weights (.safetensors or .bin): copy the model's folder again.")
    plain = [n for n in names if ".fp16." not in n and "non_ema" not in n]
    safe = any(".safetensors" in n for n in plain or names)
    return {"variant": None if plain else "fp16", "use_safetensors": safe}


def text_encoder(folder: Path) -> nn.Module:
    """CLIP's text half, frozen, in float32. Not shared: it is dropped when the prompts are encoded."""
    return transformer_part(folder, "text_encoder", "CLIPTextModel")


def transformer_part(folder: Path, part: str, wanted: str) -> nn.Module:
    """A network of transformers, from files alone."""
    path = folder / part
    came = config_of(folder, part).get("architectures") or [wanted]
    if came[0] != wanted:
        raise ValueError(f"{path} holds a network {came[0]}, and {wanted} is needed: give another folder.")
    kind = getattr(transformers(), wanted)
    options = _files(path)
    try:
        with _no_bar():
            network, info = kind.from_pretrained(str(path), local_files_only=True, output_loading_info=True, **options)
    except UNREADABLE as error:
        raise _refusal(path, error) from None
    missing = sorted(key for key in info["missing_keys"] if not key.endswith("position_ids"))
    if missing:
        raise ValueError(
            f"the weights in {path} are incomplete ({', '.join(missing[:3])} missing): copy the model's folder again."
        )
    return network.float().requires_grad_(False).eval()


@contextmanager
def _no_bar() -> Iterator[None]:
    """transformers draws a bar while it reads what takes a second; for the rest of the process it stays as it was."""
    logs = transformers().utils.logging
    shown = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logs.enable_progress_bar()


def tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer, from its vocabulary in the folder."""
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
    """The error's first line without its full stop, for use inside a sentence."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:200]
