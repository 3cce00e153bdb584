"""Textual inversion (arXiv 2208.01618) with the release's recipe: an embedding for the image's subject.

Images are in [0, 1] up to the model: in the release augmented ones reached the VAE in a wrong range, at half contrast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..priors.noise import draw_timesteps
from ..utils.text import START_OVER
from .augment import training_canvas, training_images
from .config import TokenConfig
from .steps import LearnRun, LearnStep, backward_eps, check_loss, preview_of

# Object templates of textual inversion; {} is the learned embedding.
TEMPLATES = tuple(
    f"{text} {{}}"
    for text in (
        "a photo of a", "a rendering of a", "a cropped photo of the", "the photo of a", "a photo of a clean",
        "a photo of a dirty", "a dark photo of the", "a photo of my", "a photo of the cool", "a close-up photo of a",
        "a bright photo of the", "a cropped photo of a", "a photo of the", "a good photo of the", "a photo of one",
        "a close-up photo of the", "a rendition of the", "a photo of the clean", "a rendition of a",
        "a photo of a nice", "a good photo of a", "a photo of the nice", "a photo of the small", "a photo of the weird",
        "a photo of the large", "a photo of a cool", "a photo of a small",
    )
)


class InversionModel(Protocol):
    """A frozen text-to-image model, differentiable in the embedding of one token sequence."""

    sigmas: Tensor  # (T,) ascending

    def initial_embedding(self) -> Tensor:
        """Return (n, d): the vocabulary's embedding of the word that the new one starts as."""

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, S, S) in [0, 1] -> x0 (B, ...), no gradient."""

    def denoise(self, x_t: Tensor, sigma: Tensor, embedding: Tensor, templates: list[str]) -> Tensor:
        """x_t, sigma (B,), embedding (n, d) in the place of each template's {} -> x0_hat."""

    def decode(self, x0: Tensor) -> Tensor:
        """x0 -> image (B, 3, S, S) in [0, 1], for previews."""


@dataclass(frozen=True)
class TokenSnapshot:
    """What learning continues from, to the same result."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    def __post_init__(self) -> None:
        """Refuse what a file may hold in the place of a snapshot."""
        shape, step = self.meta.get("shape"), self.meta.get("step")
        actual = [list(self.tensors[name].shape) for name in ("token", "mean", "square") if name in self.tensors]
        floats = all(t.dtype == torch.float32 for name, t in self.tensors.items() if name != "random")
        if type(step) is not int or step < 0 or actual != [shape] * 3 or len(shape) != 2 or not floats:
            raise ValueError(f"the snapshot of a textual inversion is not whole: {START_OVER}.")
        try:
            torch.Generator().set_state(self.tensors["random"])
        except (KeyError, TypeError, RuntimeError):
            raise ValueError(f"the snapshot's random numbers are none: {START_OVER}.") from None

    @property
    def step(self) -> int:
        return self.meta["step"]


def learn_token(
    image: Tensor,  # (1, 3, H, W) in [0, 1], or a cut-out (1, 4, H, W): colours times coverage, and the coverage
    model: InversionModel,
    config: TokenConfig,
    run: LearnRun,
) -> Tensor:  # (n, d) on the CPU
    """Return the embedding with which the model predicts the image's noise best: eps-MSE over all timesteps.

    Only the new rows are trained, so the rest of the vocabulary need not be restored after a step (release).
    """
    state = _State(model.initial_embedding(), config, run.seed)
    done = 0 if run.resume is None else state.restore(run.resume)
    canvas, sigmas, rng = training_canvas(image, config), model.sigmas, state.rng
    for step in range(done + 1, config.steps + 1):
        images = training_images(canvas, config, rng)
        templates = [TEMPLATES[i] for i in torch.randint(len(TEMPLATES), (config.batch,), generator=rng).tolist()]
        sigma = sigmas[draw_timesteps(config.batch, 0.0, 1.0, sigmas, rng)]
        state.adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            x0 = model.encode(images)

        def denoise(x_t: Tensor, level: Tensor, part: slice, texts: list[str] = templates) -> Tensor:
            return model.denoise(x_t, level, state.embedding, texts[part])

        loss, x0_hat = backward_eps(denoise, x0, sigma, rng, state.chunk)
        check_loss(loss, "textual inversion", step)
        state.adam.step()
        if run.on_step is not None:
            preview = preview_of(model.decode, images[:1], x0_hat)
            run.on_step(LearnStep(step, config.steps, loss, preview, state.snapshot(step)))
    return state.embedding.detach().cpu()


class _State:
    """What changes while learning: the embedding, its optimiser and the random generator."""

    def __init__(self, initial: Tensor, config: TokenConfig, seed: int) -> None:
        self.embedding = initial.detach().float().clone().requires_grad_(True)
        betas = (config.beta1, config.beta2)
        self.adam = torch.optim.AdamW(
            [self.embedding], config.lr, betas, eps=config.eps, weight_decay=config.weight_decay
        )
        self.rng = torch.Generator().manual_seed(seed)
        self.chunk = config.chunk or config.batch
        options = {name: value for name, value in asdict(config).items() if name != "chunk"}  # it may differ
        self.identity = {"config": options, "seed": seed, "shape": list(initial.shape)}  # of a run and its continuation

    def snapshot(self, step: int) -> Callable[[], TokenSnapshot]:
        """Copy the state now, a few kilobytes: a later step that fails half-way has changed the generator already."""
        adam = self.adam.state[self.embedding]
        tensors = {"token": self.embedding.detach(), "mean": adam["exp_avg"], "square": adam["exp_avg_sq"]}
        tensors = {name: t.cpu().clone() for name, t in tensors.items()} | {"random": self.rng.get_state()}
        return lambda: TokenSnapshot(tensors, {"step": step, **self.identity})

    def restore(self, snapshot: TokenSnapshot) -> int:
        """Continue from a snapshot; return its step."""
        if {name: snapshot.meta.get(name) for name in self.identity} != self.identity:
            raise ValueError(
                f"the snapshot was made with other settings: use those, or {START_OVER}."
            )
        saved = snapshot.tensors
        with torch.no_grad():
            self.embedding.copy_(saved["token"])
        self.adam.state[self.embedding] = {
            "step": torch.tensor(float(snapshot.step)),
            "exp_avg": saved["mean"].to(self.embedding).clone(),
            "exp_avg_sq": saved["square"].to(self.embedding).clone(),
        }
        self.rng.set_state(saved["random"])
        return snapshot.step
