"""DreamBooth (arXiv 2208.12242) with a LoRA (arXiv 2106.09685): a text-to-image model learns one subject.

The LoRA is a difference of the attention's weights, in a file that any program adds to the same model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from ..inversion.augment import over_random_colours
from ..inversion.steps import LearnRun, LearnStep, backward_eps, check_loss, preview_of
from ..priors.lora import UP
from ..priors.noise import draw_timesteps
from ..utils.progress import OnProgress
from ..utils.text import START_OVER
from .config import DreamBoothConfig
from .model import LoraModel
from .sample import LEVELS, class_latents, repaired
from .snapshot import CLASSES, MEAN, RANDOM, SQUARE, VIEWS, LoraSnapshot
from .subject import SubjectImages


@dataclass(frozen=True)
class _Batch:
    """Images of the subject, then latents of its class, with the weight of each in the loss."""

    images: Tensor  # (B, 3, S, S)
    classes: Tensor  # (B or 0, C, h, w)
    prompts: list[str]
    weight: Tensor


def learn_lora(
    subject: SubjectImages,
    model: LoraModel,
    config: DreamBoothConfig,
    run: LearnRun,
    on_progress: OnProgress | None = None,  # of the images that are made before the first step
) -> dict[str, Tensor]:  # by their names in a file, on the CPU
    """Return the LoRA with which the model predicts the noise of the subject's images best, and that of its class's
    images as before: eps-MSE over all timesteps (DreamBooth, eq. 2)."""
    if len(subject.images) > 1 and config.strength > 0:
        config.check_class_prompt("repairing renderings")
    state = _State(model, config, run.seed)
    if run.resume is None:
        done, subject = 0, repaired(subject, model, config, state.rng, on_progress)
        classes = class_latents(model, config, state.rng, on_progress) if config.class_weight > 0 else None
        state.keep(subject, classes)
    else:
        done, subject = state.restore(run.resume, subject)
    for step in range(done + 1, config.steps + 1):
        batch = _draw(subject, state.images.get(CLASSES), config, state.rng)
        sigma = model.sigmas[draw_timesteps(len(batch.prompts), 0.0, 1.0, model.sigmas, state.rng)]
        state.adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            x0 = model.encode(batch.images)
            x0 = torch.cat((x0, batch.classes.to(x0))) if len(batch.classes) else x0

        def denoise(x_t: Tensor, level: Tensor, part: slice, prompts: list[str] = batch.prompts) -> Tensor:
            return model.denoise(x_t, level, prompts[part])

        chunk = config.chunk or len(batch.prompts)
        loss, x0_hat = backward_eps(denoise, x0, sigma, state.rng, chunk, batch.weight)
        check_loss(loss, "DreamBooth", step)
        clip_grad_norm_(state.parameters.values(), config.max_norm)
        state.adam.step()
        if run.on_step is not None:
            preview = preview_of(model.decode, batch.images[:1], x0_hat)
            run.on_step(LearnStep(step, config.steps, loss, preview, state.snapshot(step)))
    return {name: parameter.detach().cpu().clone() for name, parameter in state.parameters.items()}


def _draw(
    subject: SubjectImages, classes: Tensor | None, config: DreamBoothConfig, rng: torch.Generator
) -> _Batch:
    """Draw images of the subject over new plain colours, and as many of its class."""
    count, drawn = len(subject.images), torch.rand(2, config.batch, generator=rng)
    if count > 1:
        picks = torch.randint(1, count, (config.batch,), generator=rng) * (drawn[0] >= config.reference_share)
    else:
        picks = torch.zeros(config.batch, dtype=torch.long)
    images = over_random_colours(subject.images[picks], rng)
    named = (drawn[1] < config.side_share).tolist() if count > 1 else [False] * config.batch
    prompts = [
        f"{config.instance_prompt}, {subject.sides[k]}" if side else config.instance_prompt
        for k, side in zip(picks.tolist(), named, strict=True)
    ]
    weight = torch.full((config.batch,), 1.0 / config.batch)
    if classes is None:
        return _Batch(images, torch.empty(0), prompts, weight)
    chosen = classes[torch.randint(len(classes), (config.batch,), generator=rng)]
    weight = torch.cat((weight, config.class_weight * weight))
    return _Batch(images, chosen, prompts + [config.class_prompt] * config.batch, weight)


class _State:
    """What changes while learning: the LoRA, its optimiser and the random generator; and the images made before."""

    def __init__(self, model: LoraModel, config: DreamBoothConfig, seed: int) -> None:
        self.parameters = model.lora_parameters()
        self.rng = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in sorted(self.parameters.items()):  # W + up down = W at first (LoRA, section 4.1)
                drawn = torch.randn(parameter.shape, generator=self.rng) / config.rank
                parameter.copy_(torch.zeros_like(parameter) if name.endswith(UP) else drawn)
        self.adam = torch.optim.AdamW(
            self.parameters.values(), config.lr, (config.beta1, config.beta2), config.eps, config.weight_decay
        )
        options = {name: value for name, value in asdict(config).items() if name != "chunk"}  # it may differ
        shapes = {name: list(parameter.shape) for name, parameter in sorted(self.parameters.items())}
        self.identity = {"config": options, "seed": seed, "shapes": shapes}  # of a run and its continuation
        self.images: dict[str, Tensor] = {}

    def keep(self, subject: SubjectImages, classes: Tensor | None) -> None:
        """Take the images that were made before the first step."""
        if classes is not None:
            self.images[CLASSES] = classes
        if len(subject.images) > 1:
            self.images[VIEWS] = (subject.images[1:] * LEVELS).round().to(torch.uint8)

    def snapshot(self, step: int) -> Callable[[], LoraSnapshot]:
        """Copy the state now, where it is: a later step that fails half-way has changed it already."""
        copies = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            copies[MEAN + name] = self.adam.state[parameter]["exp_avg"].clone()
            copies[SQUARE + name] = self.adam.state[parameter]["exp_avg_sq"].clone()
        random = self.rng.get_state()

        def made() -> LoraSnapshot:
            tensors = {name: copy.cpu() for name, copy in copies.items()}
            return LoraSnapshot({**tensors, RANDOM: random, **self.images}, {"step": step, **self.identity})

        return made

    def restore(self, snapshot: LoraSnapshot, subject: SubjectImages) -> tuple[int, SubjectImages]:
        """Continue from a snapshot; return its step, and the subject with the renderings that were repaired then."""
        if {name: snapshot.meta.get(name) for name in self.identity} != self.identity:
            raise ValueError(f"the snapshot was made with other settings: use those, or {START_OVER}.")
        saved = snapshot.tensors
        for name, parameter in self.parameters.items():
            with torch.no_grad():
                parameter.copy_(saved[name])
            self.adam.state[parameter] = {
                "step": torch.tensor(float(snapshot.step)),
                "exp_avg": saved[MEAN + name].to(parameter).clone(),
                "exp_avg_sq": saved[SQUARE + name].to(parameter).clone(),
            }
        self.rng.set_state(saved[RANDOM])
        self.images = {name: saved[name] for name in (CLASSES, VIEWS) if name in saved}
        views = saved[VIEWS].float() / LEVELS if VIEWS in saved else subject.images[:0]
        if len(views) + 1 != len(subject.images):
            raise ValueError(f"the snapshot was made with {len(views)} renderings: render as many, or {START_OVER}.")
        if len(views):
            subject = replace(subject, images=torch.cat((subject.images[:1], views)))
        return snapshot.step, subject
