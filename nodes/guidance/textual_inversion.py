"""2 Priors: textual inversion, an embedding of the picture's subject for the prompt of the refine guidance."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...a124core.inversion.config import TokenConfig
from ...a124core.inversion.learn import learn_token
from ...a124core.inversion.steps import LearnRun
from ...a124core.priors.latents import check_image_size
from ...a124core.runs.advice import out_of_memory_advice
from ...a124core.runs.monitor import Intervals, RunMonitor
from ...a124core.runs.store import TOKEN_FORMAT, RunStore, save_elsewhere
from ...a124core.utils.device import is_out_of_memory
from .. import sockets
from ..declarations import RUN_ID
from ..host import inversion as host_inversion
from ..host import ui
from ..host.cache_key import cache_key
from ..host.images import from_images
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..optimize.progress import NodeProgress
from ..optimize.store import exclusive
from ..queued import check_declared, when_queued
from .embedding_files import RESULT, embedding_path, embedding_store, save_embedding

log = logging.getLogger(__name__)
INTERVALS = Intervals(preview=5.0)  # seconds


class A124TextualInversion:
    """Learns an embedding from one picture."""

    DESCRIPTION = (
        "Learns an embedding of exactly your subject, from the picture alone. Write it in the prompt of the refine "
        "guidance in place of the subject, and the fine stage restores the subject's own look."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 token", "4D", "embedding", "textual inversion", "personalise", "train", "DreamBooth"]
    RETURN_TYPES = ("CLIP", "STRING")
    RETURN_NAMES = ("clip", "token")
    OUTPUT_TOOLTIPS = (
        "The CLIP, which finds the new embedding now.",
        "The embedding as prompts name it: embedding:name.",
    )
    FUNCTION = "learn"
    HAS_INTERMEDIATE_OUTPUT = True

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "An SD 1.5 or SD 2 checkpoint, the one of the refine guidance."}),
                "clip": ("CLIP", {"tooltip": "The CLIP of the same checkpoint."}),
                "vae": ("VAE", {"tooltip": "The VAE of the same checkpoint."}),
                "reference": (sockets.REFERENCE, {"tooltip": "The picture to learn; its cut-out, on white."}),
                "init_word": ("STRING", {"default": "toy", "tooltip": (
                    "The kind of thing it is, in one plain word: the embedding starts as this one."
                )}),
                "name": ("STRING", {"default": "my_subject", "tooltip": (
                    "The embedding's name: letters, digits, - and _. The file goes to models/embeddings."
                )}),
                "steps": ("INT", {"default": 3000, "min": 1, "max": 100_000, "tooltip": (
                    "Training steps. 3000 of 16 crops in the authors' code; 1000 of 4 at rate 0.0005 are a short "
                    "recipe."
                )}),
                "batch": ("INT", {"default": 16, "min": 1, "max": 64, "advanced": True, "tooltip": (
                    "Crops of the picture in one step. 16 in the authors' code."
                )}),
                "chunk": ("INT", {"default": 2, "min": 1, "max": 64, "advanced": True, "tooltip": (
                    "Crops that run through the model at once. Fewer need less memory and take longer."
                )}),
                "rate": ("FLOAT", {
                    "default": 1e-4, "min": 1e-6, "max": 1.0, "step": 1e-6, "round": False, "advanced": True,
                    "tooltip": (
                        "Learning rate. 0.0001 in the authors' code; 0.001 to 0.005 learns faster and drifts further."
                    ),
                }),
                "size": ("INT", {"default": 512, "min": 64, "max": 1024, "step": 64, "advanced": True, "tooltip": (
                    "Side of the training images: 512 for SD 1.5."
                )}),
                "seed": ("INT", {
                    "default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": False,
                    "tooltip": "Same seed, threads and backend, same embedding.",
                }),
                "resume": (["auto", "restart"], {"default": "auto", "tooltip": (
                    "auto: resume an interrupted run with the same inputs, or take its finished embedding. restart: "
                    "begin again."
                )}),
            },
            "optional": {
                "picture": ("IMAGE", {"tooltip": (
                    "The raw picture, with its background, to learn from in place of the cut-out, as the release does."
                )}),
                "background": (["white", "random"], {"default": "white", "tooltip": (
                    "Behind the cut-out while it is learned. random: a new plain colour for each crop, as the fine "
                    "stage renders it, so that the embedding means no white background."
                )}),
            },
            "hidden": RUN_ID,
        }

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None = None, size: int | None = None) -> bool:
        with when_queued():
            check_declared(cls, size=size)
            if size is not None:
                check_image_size(size)
            if name is not None:
                embedding_path(name, None)
        return True

    @outside_inference
    def learn(
        self, model: Any, clip: Any, vae: Any, reference: Any, init_word: str, name: str, steps: int, batch: int,
        chunk: int, rate: float, size: int, seed: int, resume: str, picture: Tensor | None = None,
        background: str = "white", graph: Any = None, unique_id: str | None = None,
    ) -> dict[str, Any]:
        check_image_size(size)
        config = TokenConfig(steps=steps, batch=batch, chunk=chunk, lr=rate, size=size)
        image = _cut_out(reference, background) if picture is None else from_images(picture, 1)[0]
        inputs = {"config": replace(config, chunk=0), "seed": seed, "word": init_word, "picture": image}
        run = cache_key(graph, unique_id, "token", reference, {**inputs, "models": (model, clip, vae)})
        path, init_word = embedding_path(name, None if resume == "restart" else run), init_word.strip()
        store = embedding_store(run)
        with exclusive(store):
            if resume == "restart":
                shutil.rmtree(store.folder, ignore_errors=True)
            embedding = store.usable_result(RESULT)
            if embedding is None:
                build = partial(host_inversion.inversion_model, model, clip, vae, init_word, host_device())
                embedding = _learn(build, image, config, seed, store, unique_id)
            problem = _finish(store, embedding)  # first: the next run finds it there if the other file is not written
            _save(path, embedding, {"init_word": init_word, "steps": str(steps), "run": run}, problem is None)
        summary = f"embedding:{name} holds {len(embedding)} vector(s), learned from {init_word!r}."
        return ui.output(f"{summary}\n{problem}" if problem else summary, clip.clone(), f"embedding:{name}")


def _cut_out(reference: Any, background: str) -> Tensor:  # (1, 3, H, W), or with coverage (1, 4, H, W)
    if background == "random":
        return torch.cat((reference.image * reference.mask, reference.mask), dim=1)
    return reference.composite(reference.image.shape[-1])


def _learn(
    build: Callable[[], host_inversion.HostInversionModel], image: Tensor, config: TokenConfig, seed: int,
    store: RunStore, unique_id: str | None,
) -> Tensor:  # (n, d)
    snapshot = store.newest()
    progress = NodeProgress("token", config.steps, 0 if snapshot is None else snapshot.step, unique_id)
    progress.begin("")
    monitor = RunMonitor(progress, lambda step: store.save(step.snapshot()), INTERVALS)
    model = build()
    try:
        model.load()
        with progress.showing_stop(), monitor.saving_on_error():
            return learn_token(image, model, config, LearnRun(seed, monitor.on_step, snapshot))
    except BaseException as error:
        if is_out_of_memory(error):
            error.args = (f"{_memory_advice(config)}\n{error}",)  # still of its kind, so that the host frees its models
        raise
    finally:
        model.offload()


def _save(path: Path, embedding: Tensor, notes: dict[str, str], in_store: bool) -> None:
    """Write the embedding for the host; where it would be lost otherwise, elsewhere, and OSError names the place."""
    try:
        save_embedding(path, embedding, notes)
    except OSError as error:
        if in_store:
            raise
        place = save_elsewhere(TOKEN_FORMAT, path.name, embedding, notes)
        raise OSError(f"{str(error).rstrip('.')}; the embedding is learned and was saved in {place}.") from error


def _finish(store: RunStore, embedding: Tensor) -> str | None:
    """Keep the embedding in the store; return the reason if it cannot be kept, which ends no run."""
    try:
        store.finish(RESULT, embedding)
    except Exception as error:  # whatever it is, hours of work go on
        log.warning("Animate124: embedding not kept: %s", error)
        return f"result not kept on disk: {error}"
    return None


def _memory_advice(config: TokenConfig) -> str:
    if config.chunk > 1:
        return out_of_memory_advice("textual inversion", resuming=["set 'chunk' to 1"])
    return out_of_memory_advice("textual inversion", restarting=["'chunk' is 1 already: choose a smaller 'size'"])
