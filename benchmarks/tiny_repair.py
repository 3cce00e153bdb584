"""What share of its condition the trained tile prior keeps: python -m benchmarks.tiny_repair

Score distillation on bare pixels, from the condition on: a blurred picture in the drifted colours, which the prior
should turn into a sharp one in the colours of the reference. Where it comes to rest is put on the line from the truth
(share 0) to the condition (share 1), the axis of docs/results.md, "Priors that echo".
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from a124core.cameras.rig import random_views, reference_camera
from a124core.priors.builtin import GroundTruth
from a124core.priors.builtin.appearance import Appearance, get_subject
from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.protocols import Cameras, View
from tools.tiny_set.words import COLOURS, prompt

from .tiny_knowledge import blurred
from .tiny_priors import NUMBERS, SIZE, tiny_prior

SCENES = ("robot jump", "panda squash", "snowman sway")  # of the training
IMAGES, STEPS, RATE = 16, 150, 0.1
GROUND = (0.55, 0.6, 0.7)
BANDS = ("all", "colour", "detail")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiny_repair", description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("output/tiny_set"))
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), help="subject and motion")
    parser.add_argument("--cfg", nargs="+", type=float, default=[1.0, 2.0, 4.0, 8.0])
    options = parser.parse_args()
    print(f"| scene | cfg | {' | '.join(BANDS)} |\n{'|---' * (len(BANDS) + 2)}|")
    for name in options.scenes:
        subject, motion = name.split()
        text = prompt(f"{COLOURS[0]} {subject}", motion)
        for cfg in options.cfg:
            prior = tiny_prior("refine", options.models / "image", text, cfg, control=options.models / "control")
            shares = " | ".join(f"{value:.2f}" for value in condition_share(prior, subject, motion))
            print(f"| {name} | {cfg:g} | {shares} |", flush=True)


def condition_share(prior: FolderPrior, subject: str, motion: str) -> tuple[float, float, float]:
    """Return the shares of the whole latents, of their means over the subject, and of what is left without them."""
    rng = torch.Generator().manual_seed(0)
    cameras, time = random_views(IMAGES, rng), torch.rand(IMAGES, generator=rng)
    truth, coverage = _drawn(subject, motion, "reference", cameras, time)
    condition = blurred(_drawn(subject, motion, "drifted", cameras, time)[0])
    view = View(cameras, reference_camera(), time, torch.tensor(GROUND)).with_condition(condition)
    goal, start = prior.encode(truth), prior.encode(condition)
    rest = rested(prior, start, view, rng)
    inside = adaptive_avg_pool2d(coverage, goal.shape[-2:])
    means = [_mean(x, inside) for x in (goal, start, rest)]
    details = [x - mean for x, mean in zip((goal, start, rest), means, strict=True)]
    return share(goal, start, rest), share(*means), share(*details)


def _drawn(subject: str, motion: str, palette: str, cameras: Cameras, time: Tensor) -> tuple[Tensor, Tensor]:
    return GroundTruth(Appearance(get_subject(subject), palette, motion), 0.0).render(cameras, time, SIZE, GROUND)


@torch.no_grad()
def rested(prior: FolderPrior, x: Tensor, view: View, rng: torch.Generator) -> Tensor:
    """Follow score distillation with w(t) = 1 over the fine stage's noise, which falls as it does there."""
    numbers, last = NUMBERS["refine"], len(prior.sigmas) - 1
    for step in range(STEPS):
        highest = numbers.t_max + (numbers.t_max_end - numbers.t_max) * step / STEPS
        shares = numbers.t_min + (highest - numbers.t_min) * torch.rand(len(x), generator=rng)
        sigma = prior.sigmas[(shares * last).round().long()]
        noise = torch.randn(x.shape, generator=rng)
        x = x + RATE * (prior.denoise(x + sigma.view(-1, 1, 1, 1) * noise, sigma, view) - x)
    return x


def share(goal: Tensor, start: Tensor, rest: Tensor) -> float:
    """Where rest lies on the line from goal (0) to start (1)."""
    line = start - goal
    return float(((rest - goal) * line).sum() / line.square().sum())


def _mean(x: Tensor, inside: Tensor) -> Tensor:  # (B, 4, h, w), (B, 1, h, w) -> (B, 4, h, w)
    """The mean over the subject, where the subject is."""
    return inside * ((x * inside).sum((2, 3), True) / inside.sum((2, 3), True).clamp(min=1e-6))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
