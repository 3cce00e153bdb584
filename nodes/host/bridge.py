"""Where our core meets the host: picture layouts, inference mode, progress, cancel, folders, device.

The host has loaded its own modules long before a node runs, so they are looked up, never imported: without a host
(tests, scripts) nothing is found and every function here falls back to something harmless.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ...a124core.export.mesh.colour import linear
from ...a124core.export.mesh.mesh import Mesh
from ...a124core.utils.device import best_device, is_out_of_memory  # noqa: F401 (nodes ask the bridge)

VIDEOS = (".mp4", ".webm")  # what the host's VIDEO takes
Report = Callable[[int, Any], None]  # steps done, a PIL picture or None
JOB_BYTES = 3 * 2**30  # kept free beside the models for field, its optimiser and renderer; encoders want more


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


def to_preview_image(images: Tensor, side: int = 256) -> Any:
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


def free_vram(models: list | None = None, room: int = JOB_BYTES) -> None:
    """One request before a long job: the host loads the models that the job asks and keeps so many bytes beside them.

    Without such models it takes all of its own off the accelerator. Of clones, which share weights, one is loaded.
    """
    management = _host("comfy.model_management")
    if management is None:
        return
    if models:
        with torch.inference_mode():
            management.load_models_gpu(list({id(m.model): m for m in models}.values()), memory_required=room)
    elif device().type != "cpu":
        management.unload_all_models()
        management.soft_empty_cache()


@contextmanager
def reserve_vram(room: int) -> Iterator[None]:
    """So many bytes stay free whatever the host loads meanwhile: each of its own requests, one for every question to a
    MODEL, knows only what that MODEL needs."""
    management = _host("comfy.model_management")
    if not hasattr(management, "EXTRA_RESERVED_VRAM"):
        yield
        return
    management.EXTRA_RESERVED_VRAM += room
    try:
        yield
    finally:
        management.EXTRA_RESERVED_VRAM -= room


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
    bar, told = utils.ProgressBar(total, node_id=node_id), -1

    def report(done: int, picture: Any = None) -> None:
        nonlocal told
        if done == told and picture is None:
            return  # work that only listens for a cancel: nothing has moved
        told = done
        bar.update_absolute(done, total, None if picture is None else ("JPEG", picture, max(picture.size)))

    return report


def frame_callback(total: int, node_id: str | None = None) -> Callable[..., None]:
    """For work that tells the frames done (and maybe more): moves the node's bar and hears a cancel."""
    report = progress(total, node_id)

    def on_frame(done: int, *_: Any) -> None:
        stop_if_cancelled()
        report(done, None)

    return on_frame


def progress_text_callback(node_id: str | None = None) -> Callable[[int, int, str], None]:
    """For work that tells (done, total, what): moves the node's bar, shows what on the node and hears a cancel."""
    report: Report | None = None
    told: tuple[int, str] | None = None

    def on_progress(done: int, total: int, what: str) -> None:
        nonlocal report, told
        stop_if_cancelled()
        report = report or progress(total, node_id)
        if (done, what) != told:
            report(done, None)
            show_text(node_id, f"{done} of {total}: {what}")
        told = (done, what)

    return on_progress


def show_text(node_id: str | None, text: str) -> None:
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


def output_reference(path: Path) -> dict[str, str]:
    """How the host's /view names a file below our output folder."""
    below = path.relative_to(output_folder().resolve().parent)
    return {"filename": below.name, "subfolder": below.parent.as_posix(), "type": "output"}


def resolve_user_file(text: str) -> Path:
    """A file that a widget names, in the host's input folder or in our output folder; nowhere else is looked."""
    paths = _host("folder_paths")
    roots = [output_folder()] if paths is None else [Path(paths.get_input_directory()), output_folder()]
    for root in (root.resolve() for root in roots):
        path = (root / text).resolve()
        if root in path.parents and path.is_file():
            return path
    raise ValueError(f"{text!r} is neither in the input folder nor in {roots[-1]}: put the file there.")


def output_relative_path(path: Path) -> str:
    """The path as the host's own nodes want it: below its output folder, with forward slashes."""
    return path.relative_to(output_folder().resolve().parent).as_posix()


# 3D files and meshes: socket types that newer hosts have


def shown_3d(path: Path) -> dict[str, list[dict[str, str]]]:
    """What the host shows as a 3D result; nothing for a folder."""
    if path.is_dir():
        return {}
    return {"3d": [output_reference(path)]}


def to_file_3d(path: Path) -> Any:
    """The host's File3D where it has one, else the path below its output folder."""
    types = getattr(_host("comfy_api.latest"), "Types", None)
    if hasattr(types, "File3D") and path.is_file():
        return types.File3D(str(path), path.suffix[1:])
    return output_relative_path(path)


def to_video(path: Path) -> Any:
    """The host's VIDEO of an MP4 or WebM file; None where the host has no such type, or for anything else."""
    inputs = getattr(_host("comfy_api.latest"), "InputImpl", None)
    if path.suffix in VIDEOS and hasattr(inputs, "VideoFromFile"):
        return inputs.VideoFromFile(str(path))
    return None


@dataclass(frozen=True)
class PlainMesh:
    """MESH as every host since 0.3 reads it."""

    vertices: Tensor  # (1, V, 3)
    faces: Tensor  # (1, F, 3)


def to_mesh(mesh: Mesh) -> Any:
    """A MESH of one item, with colours where the host's has them: in linear light, as its own nodes give them and its
    Save GLB writes them into COLOR_0 (nodes_gaussian_splat.py of ComfyUI 0.28.1 says why)."""
    vertices, faces = torch.from_numpy(mesh.points)[None], torch.from_numpy(mesh.faces).long()[None]
    types = getattr(_host("comfy_api.latest"), "Types", None)
    try:
        return types.MESH(vertices, faces, vertex_colors=torch.from_numpy(linear(mesh.colours))[None], unlit=True)
    except (AttributeError, TypeError):
        return PlainMesh(vertices, faces)
