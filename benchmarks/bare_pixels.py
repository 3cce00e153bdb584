"""Score distillation without a field: the pixels of one clip, which stand still and should move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from a124core.cli.prepare import PreparedRun
from a124core.evaluation import metrics
from a124core.protocols import Guidance, View
from a124core.stages.render_batch import sds_loss

from .echo_scene import FRAMES, VARIANTS, Setting, at_bench_size, parse_setting

STEPS, RATE = 300, 0.02
HEAD = "| scene | numbers of | priors | variant | PSNR before | PSNR | contrast | share of the motion |"


def bare_rows(scene: PreparedRun, presets: list[str], settings: list[Setting], variants: list[str]) -> Iterator[str]:
    """Print what each kind of video prior makes of a still clip, in dB against the moving one."""
    yield HEAD + "\n" + "|---" * 8 + "|"
    about = f"{scene.priors.truth.subject} {scene.priors.truth.motion}"
    for preset in presets:
        for setting in settings:
            for variant in variants:
                sized = at_bench_size(scene, preset, setting, STEPS)
                video = VARIANTS[variant](sized).guidances.video
                exact = at_bench_size(scene, preset, parse_setting("exact"), STEPS).guidances.video
                cells = " | ".join(f"{value:.2f}" for value in distil(sized, video, exact))
                yield f"| {about} | {preset} | {setting.name} | {variant} | {cells} |"


def distil(scene: PreparedRun, video: Guidance, exact: Guidance) -> tuple[float, float, float, float]:
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
        sds_loss(video, pixels, view, step, config, rng, still).backward()
        pixels.grad.mul_(subject)
        optimiser.step()
        with torch.no_grad():
            pixels.clamp_(0.0, 1.0)
    end = pixels.detach()
    share = ((end - start) * (goal - start)).sum() / (goal - start).square().sum()
    contrast = (1 - end).square().mean().sqrt() / (1 - goal).square().mean().sqrt()
    before, after = (float(metrics.psnr(clip[None].flatten(1, 2), goal[None].flatten(1, 2))) for clip in (start, end))
    return before, after, float(contrast), float(share)


@torch.no_grad()
def _clip(exact: Guidance, view: View) -> Tensor:  # (F, 3, S, S)
    """Return the clip that an exact video prior answers with."""
    prior = exact.prior
    noise = prior.encode(torch.ones(FRAMES, 3, prior.size, prior.size))
    x0 = prior.denoise(noise, prior.sigmas[-1:], view)
    black, white = (prior.encode(torch.full((FRAMES, 3, prior.size, prior.size), v)) for v in (0.0, 1.0))
    return ((x0 - black) / (white - black))[0].transpose(0, 1)
