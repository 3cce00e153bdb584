"""Score distillation without a field: the pixels of one clip, which stand still and should move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from a124core.cli.prepare import PreparedRun
from a124core.evaluation import metrics
from a124core.priors.noise import draw_timesteps
from a124core.priors.sds import sds_weight
from a124core.protocols import Guidance, View
from a124core.stages.config import CoarseConfig
from a124core.stages.render_batch import sds_loss
from a124core.stages.schedules import t_high

from .echo_scene import FRAMES, VARIANTS, Setting, at_bench_size, parse_setting
from .scores import SCORES, Query

STEPS, RATE = 300, 0.02
Score = Callable[[Query], Tensor]
COLUMNS = ("scene", "numbers of", "priors", "variant", "PSNR before", "PSNR", "contrast", "share of the motion")
HEAD = f"| {' | '.join(COLUMNS)} |\n" + "|---" * len(COLUMNS) + "|"


def bare_rows(scene: PreparedRun, presets: list[str], settings: list[Setting], variants: list[str]) -> Iterator[str]:
    """Print what each kind of video prior makes of a still clip, in dB against the moving one. A variant may be one of
    SCORES too; what they change, an exact prior does not have."""
    about = f"{scene.priors.truth.subject} {scene.priors.truth.motion}"
    for preset in presets:
        for setting in settings:
            for variant in (v for v in variants if setting.gain is not None or v not in SCORES):
                sized = at_bench_size(scene, preset, setting, STEPS)
                video = VARIANTS.get(variant, VARIANTS["-"])(sized).guidances.video
                exact = at_bench_size(scene, preset, parse_setting("exact"), STEPS).guidances.video
                cells = " | ".join(f"{value:.2f}" for value in distil(sized, video, exact, SCORES.get(variant)))
                yield f"| {about} | {preset} | {setting.name} | {variant} | {cells} |"


def distil(
    scene: PreparedRun, video: Guidance, exact: Guidance, score: Score | None = None
) -> tuple[float, float, float, float]:
    """Move the pixels by Adam -> PSNR before and after, contrast and share of the true motion."""
    camera = scene.camera[torch.zeros(FRAMES, dtype=torch.long)]
    times = torch.arange(FRAMES) * 8 / 64
    view = View(camera, scene.camera, times, torch.ones(3))
    goal, start = _clip(exact, view), _clip(exact, View(camera, scene.camera, 0 * times, torch.ones(3)))
    subject = ((goal < 0.99) | (start < 0.99)).amax(1, keepdim=True)  # the background is held
    pixels = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([pixels], lr=RATE, betas=(0.9, 0.99))
    rng, config = torch.Generator().manual_seed(0), replace(scene.settings.coarse, steps=STEPS)
    for step in range(1, STEPS + 1):
        optimiser.zero_grad()
        still = None if video.source is None else start
        if score is None:
            sds_loss(video, pixels, view, step, config, rng, still).backward()
        else:
            score_loss(score, video, pixels, view, step, config, rng).backward()
        pixels.grad.mul_(subject)
        optimiser.step()
        with torch.no_grad():
            pixels.clamp_(0.0, 1.0)
    end = pixels.detach()
    share = ((end - start) * (goal - start)).sum() / (goal - start).square().sum()
    contrast = (1 - end).square().mean().sqrt() / (1 - goal).square().mean().sqrt()
    before, after = (float(metrics.psnr(clip[None].flatten(1, 2), goal[None].flatten(1, 2))) for clip in (start, end))
    return before, after, float(contrast), float(share)


def score_loss(
    score: Score, video: Guidance, pixels: Tensor, view: View, step: int, config: CoarseConfig, rng: torch.Generator
) -> Tensor:  # scalar
    """Return a loss with the gradient w(sigma) / sigma times the score, at noise as a stage draws it."""
    sigmas = video.prior.sigmas
    timestep = draw_timesteps(1, video.t_min, t_high(video, step, config.steps), sigmas, rng)
    x0 = video.prior.encode(pixels)
    eps = torch.randn(x0.shape, generator=rng)
    weight = float(sds_weight(sigmas[timestep], video.form) / sigmas[timestep])
    with torch.no_grad():
        residual = score(Query(video.prior, x0.detach(), view, int(timestep), eps))
    return (weight * residual * x0).sum()


@torch.no_grad()
def _clip(exact: Guidance, view: View) -> Tensor:  # (F, 3, S, S)
    """Return the clip that an exact video prior answers with."""
    prior = exact.prior
    noise = prior.encode(torch.ones(FRAMES, 3, prior.size, prior.size))
    x0 = prior.denoise(noise, prior.sigmas[-1:], view)
    black, white = (prior.encode(torch.full((FRAMES, 3, prior.size, prior.size), v)) for v in (0.0, 1.0))
    return ((x0 - black) / (white - black))[0].transpose(0, 1)
