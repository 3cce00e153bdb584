"""Over how large an area a pixel of the built-in priors' pictures averages: python -m benchmarks.pixels

Points of the truth, one at each pixel's centre and taken from a render nine times as large, are averaged with their
neighbours (`losses.pixel_kernel`) and compared with the truth's own picture: PSNR in and beside the subject, dB, for
each variance of the average. The best one is what `render.pixel_variance` of *demo* is."""

from __future__ import annotations

import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.cli.prepare import RunOptions, prepare
from a124core.evaluation.evaluate import Renderer
from a124core.evaluation.metrics import psnr_inside
from a124core.losses import blur, pixel_kernel

from .drawings import TUNED_ON
from .sharpness import SCENES, scene_reference

SIZES = (48, 96)  # pixels
VARIANCES = (0.0, 1 / 12, 1 / 6, 0.2, 0.22, 0.25, 0.3)  # pixels squared
FACTOR = 9  # odd, so that a point of the large render lies at each pixel's centre
ELEVATIONS, AZIMUTHS, TIMES = [0.0, 20.0, 10.0, -10.0], [0.0, 60.0, 150.0, 250.0], (0.0, 0.3, 0.6, 0.9)


def main() -> None:
    heads = ["scene", "pixels", *(f"{v:.3g}" for v in VARIANCES)]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for scene in SCENES:
        subject, motion = scene.split(":")
        own = subject in TUNED_ON
        options = RunOptions(scene_reference(subject), f"a {subject}", motion, None if own else subject, 0, "demo")
        truth = prepare(options).priors.truth
        for size in SIZES:
            figures = " | ".join(f"{value:.1f}" for value in agreement(truth.render, size))
            print(f"| {scene.replace(':', ' ')} | {size} | {figures} |", flush=True)


def agreement(render: Renderer, size: int) -> list[float]:  # dB, one for each variance
    """Compare averaged points with pictures of `size` pixels."""
    cameras, times = make_cameras(ELEVATIONS, AZIMUTHS), torch.tensor(TIMES)
    points: Tensor = render(cameras, times, FACTOR * size)[0][..., FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]
    image, mask = render(cameras, times, size)
    near = torch.nn.functional.max_pool2d(mask, 3, 1, 1)
    return [float(psnr_inside(blur(points, pixel_kernel(v)), image, near).mean()) for v in VARIANCES]


if __name__ == "__main__":
    main()
