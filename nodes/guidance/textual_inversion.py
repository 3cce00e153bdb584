"""2 Priors: textual inversion, an embedding of the picture's subject for the prompt of the refine guidance."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from ...a124core.dreambooth.subject import cut_out
from ...a124core.inversion.config import TokenConfig
from ...a124core.inversion.learn import learn_token
from ...a124core.inversion.steps import LearnRun
from ...a124core.priors.latents import check_image_size
from .. import sockets
from ..declarations import RUN_ID
from ..host import inversion as host_inversion
from ..host import ui
from ..host.cache_key import cache_key
from ..host.images import from_images
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..optimize.progress import NodeProgress
from ..queued import check_declared, when_queued
from .learned_files import EMBEDDING, learned_path
from .learning import learned, memory_advice


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
                learned_path(EMBEDDING, name, None)
        return True

    @outside_inference
    def learn(
        self, model: Any, clip: Any, vae: Any, reference: Any, init_word: str, name: str, steps: int, batch: int,
        chunk: int, rate: float, size: int, seed: int, resume: str, picture: Tensor | None = None,
        background: str = "white", graph: Any = None, unique_id: str | None = None,
    ) -> dict[str, Any]:
        check_image_size(size)
        config = TokenConfig(steps=steps, batch=batch, chunk=chunk, lr=rate, size=size)
        image = _image(reference, background) if picture is None else from_images(picture, 1)[0]
        inputs = {"config": replace(config, chunk=0), "seed": seed, "word": init_word, "picture": image}
        run = cache_key(graph, unique_id, "token", reference, {**inputs, "models": (model, clip, vae)})
        restart, init_word = resume == "restart", init_word.strip()
        path = learned_path(EMBEDDING, name, None if restart else run)

        def learn(model: Any, how: LearnRun) -> Tensor:
            return learn_token(image, model, config, how)

        build = partial(host_inversion.inversion_model, model, clip, vae, init_word, host_device())
        notes = {"init_word": init_word, "steps": str(steps)}
        begin = partial(NodeProgress, "token", steps, node_id=unique_id)
        advice = memory_advice("textual inversion", chunk)
        embedding, problem = learned(EMBEDDING, run, restart, build, learn, path, notes, begin, seed, advice)
        summary = f"embedding:{name} holds {len(embedding)} vector(s), learned from {init_word!r}."
        return ui.output(f"{summary}\n{problem}" if problem else summary, clip.clone(), f"embedding:{name}")


def _image(reference: Any, background: str) -> Tensor:  # (1, 3, H, W), or with coverage (1, 4, H, W)
    return cut_out(reference) if background == "random" else reference.composite(reference.image.shape[-1])
