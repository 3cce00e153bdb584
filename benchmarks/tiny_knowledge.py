"""How well the tiny set denoises pictures of a scene it never saw, with its condition and without.

python -m benchmarks.tiny_knowledge [--scenes "robot sway"] asks each role through its adapter, without guidance, at
three noise levels. The figure is the mean squared error of x0_hat over the variance of x0: 1 is no better than grey.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from a124core.cameras.rig import make_cameras, random_views, reference_camera
from a124core.priors.builtin import GroundTruth, example_image
from a124core.priors.builtin.appearance import Appearance, get_subject
from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.protocols import Cameras, View
from a124core.reference.reference import make_reference
from tools.tiny_set.words import COLOURS, prompt

from .tiny_priors import SIZE, guidances, tiny_prior

NOISE = (0.3, 0.5, 0.7)  # shares of the schedule
PICTURES, CLIPS, FRAMES = 24, 8, 8
GROUND = (0.55, 0.6, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiny_knowledge", description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("output/tiny_set"))
    parser.add_argument("--scenes", nargs="+", default=["robot sway"], help="subject and motion")
    options = parser.parse_args()
    heads = [f"t = {share:g}: {what}" for share in NOISE for what in ("without", "with")]
    print(f"| scene | role | {' | '.join(heads)} |\n{'|---' * (len(heads) + 2)}|")
    for name in options.scenes:
        for role, figures in knowledge(options.models, *name.split()).items():
            print(f"| {name} | {role} | {' | '.join(f'{value:.3f}' for value in figures)} |", flush=True)


def knowledge(models: Path, subject: str, motion: str) -> dict[str, list[float]]:
    """Role -> errors at NOISE, without and with the condition."""
    image, mask = example_image(subject)
    reference = make_reference(image, mask, mask_marks="subject")
    found = guidances(models, reference, subject, motion, torch.zeros(1, _width(models)))
    rng = torch.Generator().manual_seed(0)
    views = random_views(PICTURES, rng)
    still = _shown(subject, motion, "reference", views, torch.zeros(PICTURES))
    rows = {role: _errors(getattr(found, role).prior, *still, rng) for role in ("image", "view")}
    one = random_views(CLIPS, rng)
    clips = [_clip(subject, motion, one[k : k + 1]) for k in range(CLIPS)]
    rows["video"] = torch.tensor([_errors(found.video.prior, *clip, rng) for clip in clips]).mean(0).tolist()
    natural = prompt(f"{COLOURS[0]} {subject}", motion)
    refine = tiny_prior("refine", models / "image", natural, 1.0, control=models / "control")
    rows["refine"] = _errors(refine, *_to_repair(subject, motion, views, rng), rng)
    return rows


def _width(models: Path) -> int:
    return json.loads((models / "image" / "text_encoder" / "config.json").read_text(encoding="utf-8"))["hidden_size"]


def _shown(subject: str, motion: str, palette: str, cameras: Cameras, time: Tensor) -> tuple[Tensor, View]:
    """Pictures of the truth, and what a prior may know of them."""
    truth = GroundTruth(Appearance(get_subject(subject), palette, motion), 0.0)
    picture, _ = truth.render(cameras, time, SIZE, GROUND)
    return picture, View(cameras, reference_camera(), time, torch.tensor(GROUND))


def _clip(subject: str, motion: str, camera: Cameras) -> tuple[Tensor, View]:
    """In the drifted colours, which are all that the video model has seen."""
    still = make_cameras(*(c.expand(FRAMES) for c in vars(camera).values()))
    return _shown(subject, motion, "drifted", still, torch.arange(FRAMES) / FRAMES)


def _to_repair(subject: str, motion: str, views: Cameras, rng: torch.Generator) -> tuple[Tensor, View]:
    """The picture in the reference colours; the condition is a blurred one in the drifted colours."""
    time = torch.rand(PICTURES, generator=rng)
    picture, view = _shown(subject, motion, "reference", views, time)
    drifted, _ = _shown(subject, motion, "drifted", views, time)
    return picture, view.with_condition(blurred(drifted))


def blurred(image: Tensor) -> Tensor:  # (B, 3, S, S)
    """Reduce to half of the side and enlarge again."""
    return interpolate(interpolate(image, (SIZE // 2,) * 2, mode="area"), (SIZE,) * 2, mode="bilinear")


def _errors(prior: FolderPrior, picture: Tensor, view: View, rng: torch.Generator) -> list[float]:
    x0 = prior.encode(picture)
    found = []
    for share in NOISE:
        sigma = prior.sigmas[round(share * len(prior.sigmas))].expand(x0.shape[0])
        x_t = x0 + sigma.view(-1, *[1] * (x0.ndim - 1)) * torch.randn(x0.shape, generator=rng)
        for cfg in (0.0, 1.0):
            prior.cfg = cfg
            found.append(float((prior.denoise(x_t, sigma, view) - x0).square().mean() / x0.var()))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
