"""2 Priors: textual inversion, an embedding of the picture's subject for the prompt of the refine guidance."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from ...a124core.inversion.learn import TokenConfig, TokenStep, learn_token
from ...a124core.utils.device import is_out_of_memory
from .. import sockets
from ..host import inversion as host_inversion
from ..host import ui
from ..host.folders import output_folder
from ..host.images import from_images, to_preview_image
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..optimize.cache_key import HIDDEN, cache_key
from .embedding_files import EmbeddingStore, embedding_path, save_embedding

WHITE = (1.0, 1.0, 1.0)
PREVIEW_SECONDS, SAVE_SECONDS = 5.0, 120.0


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
                    "Training steps. 3000 as released; 500 already help."
                )}),
                "batch": ("INT", {"default": 16, "min": 1, "max": 64, "advanced": True, "tooltip": (
                    "Crops of the picture in one step. 16 as released."
                )}),
                "chunk": ("INT", {"default": 2, "min": 1, "max": 64, "advanced": True, "tooltip": (
                    "Crops that run through the model at once. Fewer need less memory and take longer."
                )}),
                "rate": ("FLOAT", {
                    "default": 1e-4, "min": 1e-6, "max": 1.0, "step": 1e-6, "round": False, "advanced": True,
                    "tooltip": "Learning rate. 0.0001 as released; 0.001 to 0.005 learns faster and drifts further.",
                }),
                "size": ("INT", {"default": 512, "min": 64, "max": 1024, "step": 64, "advanced": True, "tooltip": (
                    "Side of the training images: 512 for SD 1.5."
                )}),
                "seed": ("INT", {
                    "default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": False,
                    "tooltip": "Same seed, same embedding.",
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
            },
            "hidden": HIDDEN,
        }

    @outside_inference
    def learn(
        self, model: Any, clip: Any, vae: Any, reference: Any, init_word: str, name: str, steps: int, batch: int,
        chunk: int, rate: float, size: int, seed: int, resume: str, picture: Tensor | None = None,
        graph: Any = None, unique_id: str | None = None,
    ) -> tuple[Any, str]:
        config = TokenConfig(steps=steps, batch=batch, chunk=chunk, lr=rate, size=size)
        image = reference.on(WHITE, reference.image.shape[-1]) if picture is None else from_images(picture[:1])[0]
        inputs = {"config": replace(config, chunk=0), "seed": seed, "word": init_word, "picture": image}
        run = cache_key(graph, unique_id, "token", reference, {**inputs, "models": (model, clip, vae)})
        path, init_word = embedding_path(name, None if resume == "restart" else run), init_word.strip()
        store = EmbeddingStore(output_folder() / "snapshots" / f"token-{run}", resume == "restart")
        embedding = store.finished()
        if embedding is None:
            build = partial(host_inversion.inversion_model, model, clip, vae, init_word, host_device())
            embedding = _learn(build, image, config, seed, store, unique_id)
        try:
            save_embedding(path, embedding, {"init_word": init_word, "steps": str(steps), "run": run})
        finally:  # an embedding that could not be written is found in the store by the next run
            problem = store.finish(embedding)
        summary = f"embedding:{name} holds {len(embedding)} vector(s), learned from {init_word!r}."
        ui.show_text(unique_id, f"{summary}\n{problem}" if problem else summary)
        return clip.clone(), f"embedding:{name}"


def _learn(
    build: Callable[[], host_inversion.InversionModel], image: Tensor, config: TokenConfig, seed: int,
    store: EmbeddingStore, unique_id: str | None,
) -> Tensor:  # (n, d)
    start = store.newest()
    monitor = InversionMonitor(config.steps, 0 if start is None else start.step, store, unique_id)
    model = build()
    try:
        model.load()
        return learn_token(
            image, model.encode, model.denoise, model.sigmas, model.start(), config, seed, monitor.on_step, start,
            model.decode,
        )
    except BaseException as error:  # cancelled, out of memory: the last good step must survive
        monitor.save()
        if is_out_of_memory(error):
            error.args = (f"{_memory_advice(config)}\n{error}",)  # still of its kind, so that the host frees its models
        raise
    finally:
        model.offload()


def _memory_advice(config: TokenConfig) -> str:
    advice = (
        "set 'chunk' to 1: it resumes from its last step"
        if config.chunk > 1
        else "'chunk' is 1 already: choose a smaller 'size', with which it begins again"
    )
    return f"textual inversion is out of memory: {advice}."


class InversionMonitor:
    """Progress, preview, snapshots and cancel of one run."""

    def __init__(self, steps: int, done: int, store: EmbeddingStore, node_id: str | None) -> None:
        self.update = ui.progress(steps, node_id)
        self.update(done, None)  # the bar is there while models are copied
        self.store, self.node_id = store, node_id
        self.last: TokenStep | None = None
        self.previewed = self.saved = time.monotonic()

    def on_step(self, step: TokenStep) -> None:
        self.last = step
        ui.stop_if_cancelled()
        now, preview = time.monotonic(), None
        if now - self.previewed >= PREVIEW_SECONDS:
            preview, self.previewed = to_preview_image(step.preview()), time.monotonic()
        self.update(step.step, preview)
        if now - self.saved >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Save the last step and never raise: the caller's own error must not be hidden."""
        if self.last is not None and (problem := self.store.save(self.last.snapshot())):
            ui.show_text(self.node_id, problem)
        self.saved = time.monotonic()
