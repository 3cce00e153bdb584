"""Memory and speed of the stages with networks of the published sizes and random weights, built here:

    python -m benchmarks.full_size --stage static|coarse|fine [--memory full|low] [--steps 8] [--device cuda]

On a CPU it counts one step of small pictures, and says so. Text encoders are left out: they are gone before a step.
"""

from __future__ import annotations

import argparse
import platform
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from a124core.cli.machine import peak_memory_mb
from a124core.field.field4d import from_static, new_field
from a124core.priors import latents
from a124core.priors.builtin import example_image
from a124core.priors.diffusers.denoiser import Encoder, FolderPrior, Network
from a124core.priors.diffusers.offload import OffloadPolicy, offload_policy
from a124core.priors.diffusers.package import diffusers
from a124core.priors.diffusers.refine import TileControl
from a124core.priors.diffusers.roles import as_guidance
from a124core.priors.diffusers.text import ViewText
from a124core.priors.diffusers.view import Pose
from a124core.priors.noise import scaled_linear_sigmas
from a124core.priors.parameterization import EPS
from a124core.priors.released import BY_ROLE, MOVING_VIEW_WEIGHT
from a124core.priors.view_text import SIDES
from a124core.priors.zero123_pose import ZERO123
from a124core.protocols import Guidance
from a124core.reference.reference import make_reference
from a124core.stages import fine, gradients, loop
from a124core.stages.coarse import optimise_coarse
from a124core.stages.config import with_steps
from a124core.stages.fine import optimise_fine
from a124core.stages.presets import preset, with_memory
from a124core.stages.static import optimise_static
from a124core.utils.device import best_device, keep_freed_pages, synchronize

from .clock import Clock

# The config.json of the published models, where they differ from diffusers' defaults.
SD15 = {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64}
ZERO123_XL = SD15 | {"in_channels": 8, "sample_size": 32}
CONTROL = {"cross_attention_dim": 768, "attention_head_dim": 8}
MODELSCOPE = {"cross_attention_dim": 1024, "attention_head_dim": 64, "sample_size": 32}
VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
       "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}  # fmt: skip
NETWORKS = {
    "image": ("UNet2DConditionModel", SD15),
    "view": ("UNet2DConditionModel", ZERO123_XL),
    "video": ("UNet3DConditionModel", MODELSCOPE),
    "refine": ("UNet2DConditionModel", SD15),
}
ROLES = {"static": ("image", "view"), "coarse": ("view", "video"), "fine": ("view", "video", "refine")}
SMALL = 64  # pixels that the networks see on a CPU
WARM_UP = 1  # steps before those that are counted: what is loaded or compiled at first use is left out
PLACES = {
    "networks": [(Network, "denoise")],
    "VAE, forwards": [(Encoder, "unscaled")],
    "VAE, backwards": [(latents._ByParts, "backward")],
    "field and renderer, forwards": [(gradients, "_render"), (fine, "frozen_pictures")],
    "field and renderer, backwards": [(gradients, "_backward_pixels")],
    "occupancy": [(loop, "update_occupancy"), (loop, "occupancy_mask")],
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


def main() -> None:
    setup = _arguments()
    keep_freed_pages()
    place = offload_policy(setup.memory, setup.device)
    guidances = {role: _guidance(role, setup, place) for role in ROLES[setup.stage]}
    for role, guidance in guidances.items():
        count = sum(p.numel() for n in _networks(guidance.prior.network) for p in n.parameters())
        print(f"{role}: {count / 1e6:.0f} M weights, {place.dtype}, pictures of {guidance.prior.size} pixels")
    _show(setup, *_timed(setup, guidances))


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


def _made(kind: str, config: dict[str, Any], place: OffloadPolicy, dtype: torch.dtype) -> nn.Module:
    """A network of random weights, in the precision and on the device where it waits."""
    with torch.device("meta"):
        network = getattr(diffusers(), kind)(**config)
    network = network.to(dtype).to_empty(device=place.rest or place.device)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0.0, weight[0].numel() ** -0.5)
            else:
                weight.fill_(float("norm" in name and name.endswith("weight")))
    return network.requires_grad_(False).eval()


def _guidance(role: str, setup: Setup, place: OffloadPolicy) -> Guidance:
    numbers = BY_ROLE[role] if setup.full else replace(BY_ROLE[role], size=SMALL)
    if role == "view" and setup.stage != "static":
        numbers = replace(numbers, weight=MOVING_VIEW_WEIGHT)
    kind, config = NETWORKS[role]
    control = _made("ControlNetModel", CONTROL, place, place.dtype) if role == "refine" else None
    network = Network(_made(kind, config, place, place.dtype), scaled_linear_sigmas(), EPS, place, control)
    encoder = Encoder(_made("AutoencoderKL", VAE, place, torch.float32), place)
    told = _conditions(role, config["cross_attention_dim"], numbers.size // encoder.factor, encoder.factor)
    return as_guidance(FolderPrior(network, encoder, told, numbers.cfg, numbers.size, role == "video"), numbers, role)


def _conditions(role: str, width: int, side: int, factor: int) -> Any:
    """Random words of the right width, a random picture."""
    if role == "view":
        weight = torch.randn(width, width + 4) / width**0.5
        return Pose(torch.randn(1, 1, width), torch.randn(1, 4, side, side), weight, torch.zeros(width), ZERO123)
    words: dict[str, Tensor] = {name: torch.randn(1, 77, width) for name in ("plain", "negative", *SIDES)}
    text = ViewText(words)
    return TileControl(text, torch.randn(1, 77, width), factor) if role == "refine" else text


def _networks(network: Network) -> list[nn.Module]:
    return [n for n in (network.unet, network.control) if n is not None]


# Steps


def _timed(setup: Setup, guidances: dict[str, Guidance]) -> tuple[float, dict[str, float]]:
    """Seconds of the counted steps, and of their parts."""
    clock = Clock(setup.device)
    began = [clock.now()]

    def watch(step: Any) -> None:
        if step.step == WARM_UP:
            synchronize(setup.device)
            clock.seconds.clear()
            began[0] = clock.now()

    with clock.watching(PLACES):
        _run(setup, guidances, WARM_UP + setup.steps, watch)
    synchronize(setup.device)
    return clock.now() - began[0], dict(clock.seconds)


def _run(setup: Setup, guidances: dict[str, Guidance], steps: int, watch: Any) -> None:
    """The stage from a fresh field. Its opening reference steps, which ask no network, are left out."""
    settings = preset("released" if setup.full else "draft")
    picture, mask = example_image("panda")
    reference = make_reference(picture, mask, mask_marks="subject")
    config = replace(with_memory(with_steps(getattr(settings, setup.stage), steps), setup.memory), reference_first=0)
    common = {"seed": 0, "on_step": watch, "device": setup.device}
    if setup.stage == "static":
        static = (reference, guidances["image"], guidances["view"], config, settings.field)
        optimise_static(*static, **common)
        return
    still = new_field(replace(settings.field, time_grids=1), torch.Generator().manual_seed(0))
    moving = from_static(still, settings.field.time_grids, config.render.occupancy_slices)
    wires = (reference, guidances["view"], guidances["video"])
    if setup.stage == "coarse":
        optimise_coarse(moving, *wires, config, **common)
    else:
        optimise_fine(moving, *wires, guidances["refine"], config, **common)


def _show(setup: Setup, total: float, parts: dict[str, float]) -> None:
    where = f"{setup.device}, {platform.machine()}, torch {torch.__version__}, memory {setup.memory}"
    reduced = "" if setup.full else f" REDUCED: pictures of {SMALL} pixels, preset draft, one step"
    print(f"\n{setup.stage}, {where}.{reduced}")
    memory = peak_memory_mb(setup.device)
    print(f"{setup.steps / total:.3f} steps/s, peak memory {memory or 0:.0f} MB, random weights of the true sizes")
    rest = total - sum(parts.values())
    for part, seconds in sorted({**parts, "everything else": rest}.items(), key=lambda item: -item[1]):
        print(f"  {part:<32}{seconds / setup.steps:>9.3f} s {100 * seconds / total:5.1f} %")


if __name__ == "__main__":
    main()
