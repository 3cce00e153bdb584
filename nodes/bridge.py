"""Where our core meets the host: picture layouts, inference mode, progress, cancel, folders, device.

The host has loaded its own modules long before a node runs, so they are looked up, never imported: without a host
(tests, scripts) nothing is found and every function here falls back to something harmless.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ..a124core.device import best_device, is_out_of_memory  # noqa: F401 (nodes ask the bridge)

Report = Callable[[int, Any], None]  # steps done, a PIL picture or None
JOB_BYTES = 4 * 2**30  # asked for beside the models: field, its optimiser, renderer, one picture in the VAE encoder


def _host(name: str) -> ModuleType | None:
    return sys.modules.get(name)


def outside_inference(function: Callable) -> Callable:
    """The host runs nodes in inference mode, whose tensors can never be trained: leave it for the whole node."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode(False), torch.enable_grad():
            return function(*args, **kwargs)

    return wrapped


# Pictures. Host: IMAGE (B, H, W, 3 or 4), MASK (B, H, W). Core: (B, C, H, W). All in [0, 1].


def from_image(image: Tensor) -> tuple[Tensor, Tensor | None]:
    """First picture of an IMAGE -> (1, 3, H, W) and its alpha (1, 1, H, W), if it brings one. Always copies."""
    first = image[:1].detach().to("cpu", torch.float32).clone()
    if first.shape[-1] == 1:
        first = first.expand(-1, -1, -1, 3)
    planes = rearrange(first, "b h w c -> b c h w").contiguous()
    return planes[:, :3], planes[:, 3:4] if planes.shape[1] == 4 else None


def from_mask(mask: Tensor) -> Tensor:
    """First MASK -> (1, 1, H, W); a single (H, W) is taken too. Always copies."""
    planes = mask.detach().to("cpu", torch.float32).clone()
    return planes.reshape(-1, 1, *planes.shape[-2:])[:1]


def to_image(image: Tensor) -> Tensor:
    """(F, 3, H, W) or (F, 1, H, W) -> IMAGE."""
    return rearrange(image.expand(-1, 3, -1, -1), "f c h w -> f h w c").contiguous().float().cpu()


def to_mask(mask: Tensor) -> Tensor:
    """(F, 1, H, W) -> MASK, 1 where the mask is 1."""
    return mask[:, 0].contiguous().float().cpu()


def near_is_bright(depth: Tensor, mask: Tensor) -> Tensor:  # (F, 1, H, W) in [0, 1]
    """z-depth, opacity-weighted (F, 1, H, W) -> a depth picture of the whole clip, black where nothing is."""
    inside = mask > 0.5
    if not inside.any():
        return torch.zeros_like(depth)
    true = depth / mask.clamp(min=1e-3)
    near, far = true[inside].min(), true[inside].max()
    bright = 1.0 - 0.8 * (true - near) / (far - near).clamp(min=1e-6)  # the farthest part keeps 0.2, off the black
    return bright.clamp(0.0, 1.0) * mask


def to_picture(images: Tensor, side: int = 256) -> Any:
    """(N, 3, H, W) side by side as one PIL picture, each scaled to the given height."""
    from PIL import Image

    row = rearrange(images.detach().float().cpu().clamp(0, 1), "n c h w -> h (n w) c")
    picture = Image.fromarray((row * 255).round().to(torch.uint8).numpy())
    return picture.resize((side * images.shape[0], side), Image.Resampling.BICUBIC)


# Long jobs


def device() -> torch.device:
    """The device the host computes on."""
    management = _host("comfy.model_management")
    return best_device() if management is None else management.get_torch_device()


def make_room(models: list | None = None) -> None:
    """One request before a long job: the host loads the models that the job asks and keeps room for field and renderer.

    Without such models it takes all of its own off the accelerator. Of clones, which share weights, one is loaded.
    """
    management = _host("comfy.model_management")
    if management is None:
        return
    if models:
        with torch.inference_mode():
            management.load_models_gpu(list({id(m.model): m for m in models}.values()), memory_required=JOB_BYTES)
    elif device().type != "cpu":
        management.unload_all_models()
        management.soft_empty_cache()


def stop_if_cancelled() -> None:
    """Raises the host's own exception when the user pressed cancel. Called every step: its bar looks too rarely."""
    management = _host("comfy.model_management")
    if management is not None:
        management.throw_exception_if_processing_interrupted()


def progress(total: int, node_id: str | None = None) -> Report:
    """The node's progress bar: call it with the steps done and, now and then, a picture to show."""
    utils = _host("comfy.utils")
    if utils is None:
        return lambda done, picture=None: None
    bar = utils.ProgressBar(total, node_id=node_id)

    def report(done: int, picture: Any = None) -> None:
        bar.update_absolute(done, total, None if picture is None else ("JPEG", picture, max(picture.size)))

    return report


def say(node_id: str | None, text: str) -> None:
    """Show a line of text on the node."""
    server = getattr(getattr(_host("server"), "PromptServer", None), "instance", None)
    if server is not None and node_id is not None and hasattr(server, "send_progress_text"):
        server.send_progress_text(text, node_id, server.client_id)


def send(event: str, values: dict[str, Any]) -> None:
    """An event with a few figures, to the browser that queued the job."""
    server = getattr(getattr(_host("server"), "PromptServer", None), "instance", None)
    if server is not None:
        server.send_sync(event, values, server.client_id)


# Folders


def output_folder() -> Path:
    """Our part of the host's output folder; ./output/animate124 without a host. Not created here."""
    paths = _host("folder_paths")
    return Path(paths.get_output_directory() if paths is not None else "output") / "animate124"


def free_output_path(prefix: str, suffix: str) -> Path:
    """The next unused numbered file name under our output folder."""
    root = output_folder().resolve()
    start = (root / prefix).resolve()
    if not prefix.strip() or root not in start.parents:
        raise ValueError(f"the name {prefix!r} does not stay in {root}: use a plain name such as 'field'.")
    start.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while (path := start.with_name(f"{start.name}_{number:05}_{suffix}")).exists():
        number += 1
    return path


def file_stamp(text: str) -> tuple[int, int] | None:
    """Size and mtime of the input, output or model file that a widget's text names, if it names one."""
    if len(text) > 500 or "\n" in text or "." not in text:
        return None
    for path in _candidates(text):
        try:
            if path.is_file():
                return path.stat().st_size, path.stat().st_mtime_ns
        except (OSError, ValueError):
            continue
    return None


def _candidates(text: str) -> list[Path]:
    found = [output_folder() / text]
    paths = _host("folder_paths")
    if paths is not None:
        found.append(Path(paths.get_annotated_filepath(text)))
        for name in list(paths.folder_names_and_paths):
            found += [Path(folder) / text for folder in paths.get_folder_paths(name)]
    return found
