"""The training loop: resumable at every snapshot, with an estimate of the time that is left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from a124core.utils.files import atomic_write

from .config import Config, Course
from .lessons import Lesson

WARM_UP = 50  # steps
CLIP = 1.0  # norm of the gradient
SAY_EVERY = 25  # steps

Say = Callable[[str], None]


def learn(
    role: str,
    models: dict[str, nn.Module],  # those that learn
    lesson: Lesson,
    config: Config,
    folder: Path,  # role.pt: weights, their average, Adam's moments and the step
    say: Say,
) -> None:
    """Train in place, to the average of the last weights; continue from the folder's snapshot if there is one.

    Dropout stays off: networks as small as these do not overfit, and it would draw from numbers that no snapshot keeps.
    """
    course, place = config.courses[role], [*config.courses].index(role)
    for model in models.values():
        model.to(config.device).eval()
    weights = [p for model in models.values() for p in model.parameters()]
    adam = torch.optim.AdamW(weights, course.rate, (0.9, 0.99), weight_decay=1e-3, fused=True)
    snapshot = folder / f"{role}.pt"
    average = {name: {k: v.clone() for k, v in model.state_dict().items()} for name, model in models.items()}
    done = _restore(snapshot, models, adam, average) if snapshot.is_file() else 0
    start, begun, mean = time.monotonic(), done, math.nan
    for step in range(done + 1, course.steps + 1):
        rng = torch.Generator().manual_seed((config.seed * len(config.courses) + place) * 1_000_000 + step)
        loss = _one_step(lesson, rng, weights, adam, course, role, step)
        _follow(average, models, min(config.average, (step + 1) / (step + 10)))
        mean = loss if math.isnan(mean) else 0.97 * mean + 0.03 * loss
        if step % SAY_EVERY == 0 or step == course.steps:
            left = (time.monotonic() - start) / (step - begun) * (course.steps - step) / 60
            say(f"{role}: step {step} of {course.steps}, loss {mean:.4f}, {left:.1f} minutes left")
        if step % config.snapshot_every == 0 or step == course.steps:
            state = {"step": step, "models": {n: m.state_dict() for n, m in models.items()}, "average": average,
                     "adam": adam.state_dict()}
            with atomic_write(snapshot) as temporary:
                torch.save(state, temporary)
    for name, model in models.items():
        model.load_state_dict(average[name])
        model.requires_grad_(False)


@torch.no_grad()
def _follow(average: dict[str, dict[str, Tensor]], models: dict[str, nn.Module], decay: float) -> None:
    """Move the average of all weights by 1 - decay of the way."""
    for name, model in models.items():
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                average[name][key].lerp_(value, 1.0 - decay)
            else:
                average[name][key].copy_(value)


@contextmanager
def _precision(course: Course, device: str) -> Iterator[None]:
    """bfloat16 where the course says so; attention written out, whose fused backward is slow in it on a CPU."""
    if not course.bf16:
        yield
        return
    with torch.autocast(device, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        yield


def rate_at(step: int, course: Course) -> float:
    """Linear up, then linear down to 0 after the last step."""
    return course.rate * min(step / WARM_UP, (course.steps - step + 1) / course.steps)


def _one_step(
    lesson: Lesson, rng: torch.Generator, weights: list[nn.Parameter], adam: torch.optim.Optimizer, course: Course,
    role: str, step: int,
) -> float:
    adam.zero_grad(set_to_none=True)
    with _precision(course, weights[0].device.type):
        loss = lesson(rng)
    if not loss.isfinite():
        raise RuntimeError(f"{role} step {step}: the loss is not a number any more. Train with a lower rate.")
    loss.backward()
    nn.utils.clip_grad_norm_(weights, CLIP)
    for group in adam.param_groups:
        group["lr"] = rate_at(step, course)
    adam.step()
    return float(loss.detach())


def _restore(
    snapshot: Path, models: dict[str, nn.Module], adam: torch.optim.Optimizer, average: dict[str, dict[str, Tensor]]
) -> int:
    state = torch.load(snapshot, weights_only=True, map_location="cpu")
    for name, model in models.items():
        model.load_state_dict(state["models"][name])
    adam.load_state_dict(state["adam"])
    for name, weights in average.items():
        for key, value in weights.items():
            value.copy_(state["average"][name][key])
    return state["step"]
