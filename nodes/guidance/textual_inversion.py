"""2 Priors: a new word for the picture's subject, for the prompt of the refine guidance."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from ...a124core.inversion.config import TokenConfig
from ...a124core.inversion.learn import TokenStep, learn_token
from ...a124core.protocols import Run
from ...a124core.utils.device import is_out_of_memory
from .. import sockets
from ..host import inversion as host_inversion
from ..host import ui
from ..host.folders import output_folder
from ..host.images import from_image, to_preview_image
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..optimize.cache_key import HIDDEN, cache_key
from .embedding_files import Progress, embedding_path, write_word

WHITE = (1.0, 1.0, 1.0)
SHOW_SECONDS, SAVE_SECONDS = 5.0, 120.0


class A124TextualInversion:
    """Learns an embedding from one picture."""

    DESCRIPTION = (
        "Learns a new word for exactly your subject, from the picture alone. Write it in the prompt of the refine "
        "guidance in place of the subject, and the fine stage gives the subject its own look back."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 token", "4D", "embedding", "textual inversion", "personalise", "train", "DreamBooth"]
    RETURN_TYPES = ("CLIP", "STRING")
    RETURN_NAMES = ("clip", "token")
    OUTPUT_TOOLTIPS = (
        "The CLIP, which knows the new word now.",
        "The word as prompts write it: embedding:name.",
    )
    FUNCTION = "learn"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "An SD 1.5 or SD 2 checkpoint, the one that refines later."}),
                "clip": ("CLIP", {"tooltip": "The CLIP of the same checkpoint."}),
                "vae": ("VAE", {"tooltip": "The VAE of the same checkpoint."}),
                "reference": (sockets.REFERENCE, {"tooltip": "The picture to learn; its cut-out, on white."}),
                "init_word": ("STRING", {"default": "toy", "tooltip": (
                    "The kind of thing it is, in one plain word: the new word begins as this one."
                )}),
                "name": ("STRING", {"default": "my_subject", "tooltip": (
                    "The new word's name: letters, digits, - and _. The file goes to models/embeddings."
                )}),
                "steps": ("INT", {"default": 3000, "min": 1, "max": 100_000, "tooltip": (
                    "Steps of learning. 3000 as released; 500 already help."
                )}),
                "batch": ("INT", {"default": 16, "min": 1, "max": 64, "advanced": True, "tooltip": (
                    "Crops of the picture that one step looks at. 16 as released."
                )}),
                "chunk": ("INT", {"default": 2, "min": 1, "max": 64, "advanced": True, "tooltip": (
                    "Crops that go through the model at once. Less needs less memory and takes longer."
                )}),
                "rate": ("FLOAT", {
                    "default": 1e-4, "min": 1e-6, "max": 1.0, "step": 1e-6, "round": False, "advanced": True,
                    "tooltip": "Learning rate. 0.0001 as released; 0.001 to 0.005 learns faster and drifts further.",
                }),
                "size": ("INT", {"default": 512, "min": 64, "max": 1024, "step": 64, "advanced": True, "tooltip": (
                    "Side of the pictures that are learned: 512 for SD 1.5."
                )}),
                "seed": ("INT", {
                    "default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": False,
                    "tooltip": "Same seed, same word.",
                }),
                "resume": (["auto", "restart"], {"default": "auto", "tooltip": (
                    "auto: go on where a run with the same inputs was interrupted, or take its finished word. "
                    "restart: begin again."
                )}),
            },
            "optional": {
                "picture": ("IMAGE", {"tooltip": (
                    "The raw picture, with its background, to be learned in place of the cut-out, as the release does."
                )}),
            },
            "hidden": HIDDEN,
        }  # fmt: skip

    @outside_inference
    def learn(
        self, model: Any, clip: Any, vae: Any, reference: Any, init_word: str, name: str, steps: int, batch: int,
        chunk: int, rate: float, size: int, seed: int, resume: str, picture: Tensor | None = None,
        graph: Any = None, unique_id: str | None = None,
    ) -> tuple[Any, str]:  # fmt: skip
        config = TokenConfig(steps=steps, batch=batch, chunk=chunk, lr=rate, size=size)
        image = reference.on(WHITE, reference.image.shape[-1]) if picture is None else from_image(picture)[0]
        inputs = {"config": replace(config, chunk=0), "seed": seed, "word": init_word, "picture": image}
        run = cache_key(graph, unique_id, "token", reference, {**inputs, "models": (model, clip, vae)})
        path = embedding_path(name, None if resume == "restart" else run)
        keep = Progress(output_folder() / "snapshots" / f"token-{run}", resume == "restart")
        word = keep.finished()
        if word is None:
            word = _learn(model, clip, vae, init_word.strip(), image, config, seed, keep, unique_id)
        try:
            write_word(path, word, {"init_word": init_word.strip(), "steps": str(steps), "run": run})
        finally:  # a word that could not be written there is found again here
            problem = keep.finish(word)
        said = f"embedding:{name} holds {len(word)} vector(s), learned from {init_word.strip()!r}."
        ui.show_text(unique_id, f"{said}\n{problem}" if problem else said)
        return clip.clone(), f"embedding:{name}"


def _learn(
    model: Any, clip: Any, vae: Any, init_word: str, image: Tensor, config: TokenConfig, seed: int, keep: Progress,
    unique_id: str | None,
) -> Tensor:  # fmt: skip
    start = keep.newest()
    watch = Watch(config.steps, 0 if start is None else start.step, keep, unique_id)
    made = host_inversion.word_model(model, clip, vae, init_word, host_device())
    try:
        made.begin()
        return learn_token(image, made, config, Run(seed, on_step=watch.on_step, resume=start))
    except BaseException as error:  # cancelled, out of memory: the last good step must survive
        watch.save()
        if is_out_of_memory(error):
            error.args = (f"{_less_memory(config)}\n{error}",)  # still of its kind, so that the host frees its models
        raise
    finally:
        made.rest()


def _less_memory(config: TokenConfig) -> str:
    advice = (
        "set 'chunk' to 1: it goes on from its last step"
        if config.chunk > 1
        else "'chunk' is 1 already: give it a smaller 'size', with which it begins anew"
    )
    return f"textual inversion is out of memory: {advice}."


class Watch:
    """Progress, preview, snapshots, cancel."""

    def __init__(self, steps: int, done_before: int, keep: Progress, node_id: str | None) -> None:
        self.report: Callable = ui.progress(steps, node_id)
        self.report(done_before, None)  # the bar is there while models are copied
        self.keep, self.node_id = keep, node_id
        self.last: TokenStep | None = None
        self.shown = self.saved = time.monotonic()

    def on_step(self, step: TokenStep) -> None:
        self.last = step
        ui.stop_if_cancelled()
        now = time.monotonic()
        picture = None
        if now - self.shown >= SHOW_SECONDS:
            picture, self.shown = to_preview_image(step.preview()), time.monotonic()
        self.report(step.step, picture)
        if now - self.saved >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """It never raises: the reason for being called must not be hidden, and learning goes on without it."""
        if self.last is not None and (problem := self.keep.save(self.last.snapshot())):
            ui.show_text(self.node_id, problem)
        self.saved = time.monotonic()
