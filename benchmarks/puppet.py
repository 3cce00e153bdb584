"""What an own picture looks like as a solid before anything is trained: python -m benchmarks.puppet [--sheet FILE]

Front: PSNR inside the subject against the picture itself. Back: contrast of its texture against the front's. Rim:
colour distance, seen from the side, of where front and back meet to what lies beside it. Depth: thickness over the
lesser of width and height. Along a fitting motion: PSNR of the front view, warped back, against the picture, and how
far the named part moves against the subject's height. The drawings are those of benchmarks/drawings that are tuned on;
the held-out ones are measured by --held-out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.evaluation.metrics import psnr_inside
from a124core.priors.builtin.appearance import STILL, Appearance, render_appearance
from a124core.priors.builtin.puppet.inflate import inflate
from a124core.priors.builtin.subject import Subject
from a124core.reference.reference import Reference

from .drawings import DRAWINGS, HELD_OUT, TUNED_ON
from .puppet_motion import along_motion

SIZE = 256  # pixels a side of the images that are measured
BLUR, ERODED = 4.0, 8  # pixels: what is finer than that blur is texture; the outline is left out
BAND, BESIDE = 0.15, (0.2, 0.6)  # from the side, shares of a row's reach: the rim, and what it is compared with
SHOWN = ((0, 0), (0, 45), (0, 90), (0, 180), (0, 225), (25, 30))  # elevation, azimuth of the contact sheet, degrees
MOMENTS = (0.15, 0.4, 0.65)  # of each motion, there
BEHIND = (0.75, 0.8, 0.9)  # colour behind the contact sheet
AIMS = "aims: front >= 27 dB, back >= 0.60, rim <= 0.05, along >= 24 dB, moved >= 8 % (jump, fly 10 %)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.puppet", description=__doc__)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--pictures", nargs="*", default=list(TUNED_ON), metavar="NAME", choices=DRAWINGS)
    chosen.add_argument("--held-out", dest="pictures", action="store_const", const=list(HELD_OUT))
    parser.add_argument("--motions", nargs="*", metavar="MOTION", help="of every picture, instead of one that fits it")
    parser.add_argument("--sheet", type=Path, metavar="FILE",
                        help="a PNG: the picture, six views of each solid, and its front at three times of each motion")
    parser.add_argument("--sheet-size", type=int, default=160, help="pixels a side of a view in the sheet")
    options = parser.parse_args()
    print(f"{AIMS}\n\n| picture | front, dB | back | rim | depth | motion | along, dB | moved, % |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name in options.pictures:
        reference = DRAWINGS[name].reference()
        subject = inflate(reference)
        front, back, rim, depth = figures(reference, subject)
        still = f"{front:.1f} | {back:.2f} | {rim:.3f} | {depth:.2f}"
        motions = options.motions or [DRAWINGS[name].motion]
        for motion in motions:
            along, moved = along_motion(reference, subject, motion, SIZE)
            print(f"| {name} | {still} | {motion} | {along:.1f} | {100 * moved:.0f} |", flush=True)
        if options.sheet:
            rows.append(_shown(reference, subject, motions, options.sheet_size))
            Image.fromarray(np.concatenate(rows)).save(options.sheet)


def figures(reference: Reference, subject: Subject) -> tuple[float, float, float, float]:
    """Return PSNR of the front (dB), contrast of the back, colour distance of the rim, and thickness."""
    front, back, right, left = views(subject, ((0, 0), (0, 180), (0, 90), (0, -90)), SIZE)[:, None]
    image, mask = reference.composite(SIZE), reference.mask_at(SIZE)
    psnr = float(psnr_inside(front[:, :3] + 1 - front[:, 3:], image, mask))
    contrast = texture_contrast(back[0, :3].mean(0), back[0, 3]) / texture_contrast(image[0].mean(0), mask[0, 0])
    rim = (rim_distance(right[0]) + rim_distance(left[0])) / 2
    low, high = subject.skeleton.low, subject.skeleton.high
    return psnr, contrast, rim, float((high - low)[2] / (high - low)[:2].min())


def views(subject: Subject, directions: tuple[tuple[float, float], ...], size: int) -> Tensor:  # (B, 4, size, size)
    """Render a still subject from elevations and azimuths."""
    cameras = make_cameras(*(list(angles) for angles in zip(*directions, strict=True)))
    return render_appearance(Appearance(subject, "reference", STILL), cameras, torch.zeros(len(cameras)), size)


def moments(subject: Subject, motion: str, times: tuple[float, ...], size: int) -> Tensor:  # (B, 4, size, size)
    """Render the front of a moving subject as its own camera sees it."""
    skeleton = subject.skeleton
    cameras = make_cameras([skeleton.elevation] * len(times), 0.0, skeleton.radius, skeleton.fovy)
    return render_appearance(Appearance(subject, "reference", motion), cameras, torch.tensor(times), size)


def texture_contrast(grey: Tensor, mask: Tensor) -> float:  # (S, S) twice
    """Return the standard deviation of what a blur takes away, inside the eroded mask."""
    inside = binary_erosion(mask.numpy() > 0.99, iterations=ERODED)
    fine = (grey - torch.from_numpy(gaussian_filter(grey.numpy(), BLUR))).numpy()
    return float(np.sqrt((fine[inside] ** 2).mean())) if inside.any() else float("nan")


def rim_distance(layers: Tensor) -> float:  # (4, S, S)
    """Return the mean over rows of the colour difference between a side view's middle and what lies beside it."""
    alpha = layers[3]
    colours, solid = layers[:3] / alpha.clamp_min(1e-3), alpha > 0.99
    across = torch.arange(alpha.shape[1]) + 0.5 - alpha.shape[1] / 2
    band, beside = torch.zeros_like(solid), torch.zeros_like(solid)
    for half in (across < 0, across > 0):
        reach = (solid & half) * across.abs()
        share = across.abs() / reach.amax(1, keepdim=True).clamp_min(1e-6)
        band |= solid & half & (share < BAND)
        beside |= solid & half & (share > BESIDE[0]) & (share < BESIDE[1])
    counted = band.any(1) & (beside.sum(1) > 2)
    means = [(colours * part).sum(2) / part.sum(1).clamp_min(1) for part in (band, beside)]
    return float((means[0] - means[1]).abs().mean(0)[counted].mean())


def _shown(reference: Reference, subject: Subject, motions: list[str], size: int) -> np.ndarray:
    """Return a row of the contact sheet, bytes (size, (7 + 3 motions) size, 3)."""
    moving = [moments(subject, motion, MOMENTS, size) for motion in motions]
    layers = torch.cat((views(subject, SHOWN, size), *moving))
    behind = torch.tensor(BEHIND).view(3, 1, 1)
    row = [*reference.composite(size, BEHIND), *(layers[:, :3] + (1 - layers[:, 3:]) * behind)]
    return (torch.cat(row, 2).clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()


if __name__ == "__main__":
    main()
