"""Memory and speed of the stages with networks of the published sizes and random weights, built here:

    python -m benchmarks.full_size --stage static|coarse|fine [--memory full|low] [--steps 8] [--device cuda]

On a CPU it counts one step of small pictures, and says so. Text encoders are left out: they are gone before a step.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from a124core.cli.machine import peak_memory_mb
from a124core.field.occupancy import Occupancy
from a124core.priors.builtin import example_image
from a124core.priors.defaults import MOVING_VIEW_WEIGHT, RELEASED
from a124core.priors.diffusers.denoiser import Denoiser, FolderPrior
from a124core.priors.diffusers.offload import OffloadPolicy, move, offload_policy
from a124core.priors.diffusers.package import diffusers
from a124core.priors.diffusers.refine import TileConditioner
from a124core.priors.diffusers.text import ViewText
from a124core.priors.diffusers.vae import VaeEncoder
from a124core.priors.diffusers.zero123 import PoseConditioner
from a124core.priors.noise import scaled_linear_sigmas
from a124core.priors.parameterization import EPS
from a124core.priors.view_text import SIDES
from a124core.priors.zero123_pose import ZERO123
from a124core.protocols import Guidance, Guidances, Run, Step
from a124core.reference.reference import make_reference
from a124core.stages import fine, gradients, loop
from a124core.stages.optimise import initial_field, optimise
from a124core.stages.presets import preset, with_memory
from a124core.utils.device import best_device, keep_freed_pages, synchronize

from .clock import Clock
from .measure import fresh_peak

# The config.json of the published models, where they differ from diffusers' defaults.
SD15 = {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64}
ZERO123_XL = SD15 | {"in_channels": 8, "sample_size": 32}
CONTROL = {"cross_attention_dim": 768, "attention_head_dim": 8}
MODELSCOPE = {"cross_attention_dim": 1024, "attention_head_dim": 64, "sample_size": 32}
VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
       "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
NETWORKS = {
    "image": ("UNet2DConditionModel", SD15),
    "view": ("UNet2DConditionModel", ZERO123_XL),
    "video": ("UNet3DConditionModel", MODELSCOPE),
    "refine": ("UNet2DConditionModel", SD15),
}
TINY = {"block_out_channels": (64,) * 4, "layers_per_block": 1, "norm_num_groups": 8}  # of every network: for tests
ROLES = {"static": ("image", "view"), "coarse": ("view", "video"), "fine": ("view", "video", "refine")}
SMALL = 64  # pixels that the networks see on a CPU
WARM_UP = 1  # steps before those that are counted: what is loaded or compiled at first use is left out
FIELD = ("field and renderer, forwards", "field and renderer, backwards")
PLACES = {
    "networks": [(Denoiser, "denoise")],
    "VAE, forwards and again in backwards": [(VaeEncoder, "unscaled")],
    FIELD[0]: [(gradients, "render_rays"), (fine, "frozen_images")],
    FIELD[1]: [(gradients, "_backward_pixels")],
    "occupancy": [(loop, "update_occupancy"), (Occupancy, "mask")],
    "optimiser": [(loop, "adam_step")],
}


@dataclass(frozen=True)
class Setup:
    """What is measured."""

    stage: str
    memory: str
    device: str
    steps: int
    full: bool  # pictures as large as released
    tiny: bool = False  # networks of few weights: for tests
    until: float = math.inf  # time.monotonic() after which no other step begins


class _Enough(Exception):
    """The time is over."""


def main() -> None:
    setup = _arguments()
    keep_freed_pages()
    show(setup, measured(setup))


def measured(setup: Setup) -> dict[str, Any]:
    """Return the counted steps, their seconds in all and by part, the peak of memory and the networks' weights."""
    policy = offload_policy(setup.memory, setup.device)
    guidances = {role: _guidance(role, setup, policy) for role in ROLES[setup.stage]}
    weights = {}
    for role, guidance in guidances.items():
        weights[role] = sum(p.numel() for n in guidance.prior.denoiser.networks for p in n.parameters())
        print(f"{role}: {weights[role] / 1e6:.0f} M weights, {policy.dtype}, pictures of {guidance.prior.size} pixels")
    fresh_peak(setup.device)
    steps, seconds, parts = _timed(setup, guidances)
    memory = peak_memory_mb(setup.device)
    return {"steps": steps, "seconds": seconds, "parts": parts, "peak_memory_mb": memory, "weights": weights}


def _arguments() -> Setup:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_size", description=__doc__)
    parser.add_argument("--stage", choices=list(ROLES), required=True)
    parser.add_argument("--memory", choices=("full", "balanced", "low"), default="full")
    parser.add_argument("--steps", type=int, default=8, help="steps that are counted on an accelerator, after one more")
    parser.add_argument("--device", default=str(best_device()))
    given = parser.parse_args()
    full = torch.device(given.device).type != "cpu"
    return Setup(given.stage, given.memory, given.device, given.steps if full else 1, full)


# Networks


def _made(kind: str, config: dict[str, Any], policy: OffloadPolicy, dtype: torch.dtype) -> nn.Module:
    """A network of random weights, in the precision and on the device where it waits."""
    with torch.device("meta"):
        network = getattr(diffusers(), kind)(**config)
    network = network.to(dtype).to_empty(device=policy.device)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0.0, weight[0].numel() ** -0.5)
            else:
                weight.fill_(float("norm" in name and name.endswith("weight")))
    move(policy.offload_device or policy.device, network)
    return network.requires_grad_(False).eval()


def _guidance(role: str, setup: Setup, policy: OffloadPolicy) -> Guidance:
    numbers = RELEASED[role] if setup.full else replace(RELEASED[role], size=SMALL)
    if role == "view" and setup.stage != "static":
        numbers = replace(numbers, weight=MOVING_VIEW_WEIGHT)
    kind, config = NETWORKS[role]
    less = TINY if setup.tiny else {}
    control = _made("ControlNetModel", CONTROL | less, policy, policy.dtype) if role == "refine" else None
    network = _made(kind, config | less, policy, policy.dtype)
    denoiser = Denoiser(network, scaled_linear_sigmas(), EPS, policy, control)
    encoder = VaeEncoder(_made("AutoencoderKL", VAE | less, policy, torch.float32), policy)
    conditioner = _conditioner(role, config["cross_attention_dim"], numbers.size // encoder.factor, encoder.factor)
    prior = FolderPrior(denoiser, encoder, conditioner, numbers.cfg, numbers.size, role == "video")
    return numbers.guidance(prior, role)


def _conditioner(role: str, width: int, side: int, factor: int) -> Any:
    """Random words of the right width, a random picture."""
    if role == "view":
        weight = torch.randn(width, width + 4) / width**0.5
        image = torch.randn(1, 1, width), torch.randn(1, 4, side, side)
        return PoseConditioner(*image, weight, torch.zeros(width), ZERO123)
    words: dict[str, Tensor] = {name: torch.randn(1, 77, width) for name in ("plain", "negative", *SIDES)}
    text = ViewText(words)
    return TileConditioner(text, torch.randn(1, 77, width), factor) if role == "refine" else text


# Steps


def _timed(setup: Setup, guidances: dict[str, Guidance]) -> tuple[int, float, dict[str, float]]:
    """Return how many steps were counted, their seconds, and those of their parts."""
    clock = Clock(setup.device)
    began, ended, counted = clock.now(), math.inf, 0

    def watch(step: Step) -> None:
        nonlocal began, ended, counted
        synchronize(setup.device)
        if step.step == WARM_UP:
            clock.seconds.clear()
            began = clock.now()
        ended, counted = clock.now(), step.step - WARM_UP
        if counted and time.monotonic() > setup.until:
            raise _Enough

    with clock.watching(PLACES), suppress(_Enough):
        _run(setup, guidances, WARM_UP + setup.steps, watch)
    return counted, ended - began, dict(clock.seconds)


def _run(setup: Setup, guidances: dict[str, Guidance], steps: int, watch: Any) -> None:
    """The stage from a fresh field. Its opening reference steps, which ask no network, are left out."""
    settings = preset("released" if setup.full else "draft")
    picture, mask = example_image("panda")
    reference = make_reference(picture, mask, mask_marks="subject")
    config = replace(with_memory(getattr(settings, setup.stage), setup.memory), steps=steps, reference_first=0)
    still = initial_field("static", None, settings.field, settings.static, 0)
    start = still if setup.stage == "static" else initial_field(setup.stage, still, settings.field, config, 0)
    optimise(setup.stage, start, reference, Guidances(**guidances), config, Run(0, setup.device, watch))


def show(setup: Setup, numbers: dict[str, Any]) -> None:
    """Print the seconds of a step by part."""
    where = f"{setup.device}, {platform.machine()}, torch {torch.__version__}, memory {setup.memory}"
    reduced = "" if setup.full else f" REDUCED: pictures of {SMALL} pixels, preset draft, one step"
    steps, total, parts = (numbers[name] for name in ("steps", "seconds", "parts"))
    print(f"\n{setup.stage}, {where}.{reduced}")
    print(f"{steps / total:.3f} steps/s, peak memory {numbers['peak_memory_mb'] or 0:.0f} MB, random weights of the "
          "true sizes")
    rest = total - sum(parts.values())
    for part, seconds in sorted({**parts, "everything else": rest}.items(), key=lambda item: -item[1]):
        print(f"  {part:<32}{seconds / steps:>9.3f} s {100 * seconds / total:5.1f} %")


if __name__ == "__main__":
    main()
