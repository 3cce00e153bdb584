"""2 Priors: a new word for the picture's subject, for the prompt of the refine guidance."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from ..a124core.export.embedding import load_progress, read_embedding, save_progress, write_embedding
from ..a124core.personalise import TokenConfig, TokenSnapshot, TokenStep, learn_token
from . import bridge, host_inversion, sockets
from .identity import HIDDEN, identity

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

    @bridge.outside_inference
    def learn(
        self, model: Any, clip: Any, vae: Any, reference: Any, init_word: str, name: str, steps: int, batch: int,
        chunk: int, rate: float, size: int, seed: int, resume: str, picture: Tensor | None = None,
        graph: Any = None, unique_id: str | None = None,
    ) -> tuple[Any, str]:  # fmt: skip
        path = embedding_path(name)
        config = TokenConfig(steps=steps, batch=batch, chunk=chunk, lr=rate, size=size)
        image = reference.on(WHITE, reference.image.shape[-1]) if picture is None else bridge.from_image(picture)[0]
        inputs = {"config": config, "seed": seed, "word": init_word, "picture": image}
        folder = f"token-{identity(graph, unique_id, 'token', reference, inputs)}"
        keep = Progress(bridge.output_folder() / "snapshots" / folder, resume == "restart")
        word = keep.finished()
        if word is None:
            word = _learn(model, clip, vae, init_word.strip(), image, config, seed, keep, unique_id)
            keep.finish(word)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_embedding(path, word, {"made_by": "animate124", "init_word": init_word.strip(), "steps": str(steps)})
        bridge.say(unique_id, f"embedding:{name} holds {len(word)} vector(s), learned from {init_word.strip()!r}.")
        return clip.clone(), f"embedding:{name}"


def _learn(
    model: Any, clip: Any, vae: Any, init_word: str, image: Tensor, config: TokenConfig, seed: int, keep: Progress,
    unique_id: str | None,
) -> Tensor:  # fmt: skip
    made = host_inversion.word_model(model, clip, vae, init_word, bridge.device())
    watch = Watch(config.steps, keep, unique_id)
    try:
        made.begin()
        return learn_token(
            image, made.encode, made.denoise, made.sigmas, made.start(), config, seed, watch.on_step, keep.newest(),
            made.decode,
        )  # fmt: skip
    except BaseException:  # cancelled, out of memory: the last good step must survive
        watch.save()
        raise
    finally:
        made.rest()


class Watch:
    """Progress, preview, snapshots, cancel."""

    def __init__(self, steps: int, keep: Progress, node_id: str | None) -> None:
        self.report: Callable = bridge.progress(steps, node_id)
        self.keep, self.last = keep, None
        self.shown = self.saved = time.monotonic()

    def on_step(self, step: TokenStep) -> None:
        self.last = step
        bridge.stop_if_cancelled()
        now = time.monotonic()
        picture = None
        if now - self.shown >= SHOW_SECONDS:
            picture, self.shown = bridge.to_picture(step.preview()), time.monotonic()
        self.report(step.step, picture)
        if now - self.saved >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        if self.last is not None:
            self.keep.save(self.last.snapshot())
        self.saved = time.monotonic()


class Progress:
    """What is kept on disk of one run: where it stands, then the word."""

    def __init__(self, folder: Path, restart: bool) -> None:
        self.state, self.word = folder / "progress.safetensors", folder / "word.safetensors"
        if restart:
            self.state.unlink(missing_ok=True)
            self.word.unlink(missing_ok=True)

    def newest(self) -> TokenSnapshot | None:
        try:
            return TokenSnapshot(*load_progress(self.state)) if self.state.is_file() else None
        except ValueError:  # a damaged file counts as absent
            return None

    def finished(self) -> Tensor | None:
        try:
            return read_embedding(self.word)[""] if self.word.is_file() else None
        except ValueError:
            return None

    def save(self, snapshot: TokenSnapshot) -> None:
        self.state.parent.mkdir(parents=True, exist_ok=True)
        save_progress(self.state, snapshot.tensors, snapshot.meta)

    def finish(self, word: Tensor) -> None:
        self.word.parent.mkdir(parents=True, exist_ok=True)
        write_embedding(self.word, word)
        self.state.unlink(missing_ok=True)


def embedding_path(name: str) -> Path:
    """Where the host looks for `embedding:name`. A file that somebody else made is never written over."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValueError(f"the name {name!r} cannot be a word: use letters, digits, - and _, such as my_panda.")
    folder = host_inversion.embeddings_folder()
    path = folder / f"{name}.safetensors"
    taken = [p for p in folder.glob(f"{name}.*") if p != path and p.suffix in (".pt", ".bin")]
    if taken or (path.is_file() and not _ours(path)):
        raise ValueError(f"an embedding {name} that was not learned here is in {folder}: choose another name.")
    return path


def _ours(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as opened:
            return (opened.metadata() or {}).get("made_by") == "animate124"
    except Exception:  # noqa: BLE001 (whatever it is, it is not ours)
        return False
