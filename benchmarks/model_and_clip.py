"""A 3D model and a clip as all there is: built-in scenes whose truth at time 0 is the model and whose front view is the
clip, through all stages, against the built-in priors.

python -m benchmarks.model_and_clip [--scenes robot:sway ...] [--forms splat mesh pictures] prints a Markdown table and
keeps a contact sheet of each row in --out. With --bad the model is 20 degrees off, noisy, in other colours and blurred
behind.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from a124core.cameras.rig import make_cameras, to_pinholes
from a124core.cli.prepare import PreparedRun, RunOptions, prepare
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import evaluate, field_renderer, static_baseline
from a124core.field.field4d import Field4D
from a124core.models3d.gaussians import make_gaussians
from a124core.models3d.hull import visual_hull
from a124core.models3d.mesh import MeshModel
from a124core.models3d.posed import PosedImages
from a124core.models3d.read import LoadedModel
from a124core.priors.builtin import example_image
from a124core.priors.builtin.subject import Surfels
from a124core.priors.clip_frames import ClipFrames
from a124core.priors.followed import clip_guidances
from a124core.priors.model3d import model3d_guidances
from a124core.priors.owned import refine_guidance
from a124core.priors.posed_images import posed_guidances, posed_images
from a124core.priors.video_clip import film_clips
from a124core.protocols import Guidances
from a124core.reference.reference import make_reference
from a124core.stages.loop import STAGES
from a124core.utils.device import keep_freed_pages

from .drawings import TUNED_ON

SCENES = ("robot:sway", "cat:dance", "cactus:dance", "rocket:fly")  # the first was tuned on
FORMS = ("splat", "mesh", "pictures")
SPACING = 0.009  # of the model's points, world units
FRAMES, CLIP_SIZE = 17, 256
ORBIT = 24  # pictures, at two elevations
HEAD = "| scene | guided by | static | coarse, held-out / front | fine, held-out / object / front | colour | CPU s |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_and_clip", description=__doc__)
    parser.add_argument("--scenes", nargs="+", default=SCENES, metavar="SUBJECT:MOTION")
    parser.add_argument("--forms", nargs="+", default=("built-in", *FORMS), choices=("built-in", *FORMS))
    parser.add_argument("--steps-scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bad", action="store_true", help="a model that is wrong in four ways")
    parser.add_argument("--out", type=Path, default=Path("output/model_and_clip"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    keep_freed_pages()
    print(f"demo, {torch.get_num_threads()} threads, torch {torch.__version__}\n\n{HEAD}\n" + "|---" * 7 + "|")
    for name in args.scenes:
        for form in args.forms:
            print(row(name, form, args), flush=True)


def row(name: str, form: str, args: argparse.Namespace) -> str:
    """Run all stages of one scene, guided by what is owned in one form, and return its line."""
    began = time.process_time()
    scene = make_scene(name, args)
    truth_set = eval_set_of(scene)
    scene = scene if form == "built-in" else replace(scene, guidances=owned(scene, form, args.bad), static_view=None)
    cells, field, colour = [], None, 0.0
    for stage in STAGES:
        field = run_stage(scene, stage, field)
        result = field_renderer(field)
        figures = evaluate(static_baseline(result) if stage == "static" else result, truth_set)
        colour = figures["colour_error"]
        values = {
            "static": (figures["psnr_heldout"],),
            "coarse": (figures["psnr_heldout"], front_psnr(scene, field)),
            "fine": (figures["psnr_heldout"], figures["psnr_object"], front_psnr(scene, field)),
        }[stage]
        cells.append(" / ".join(f"{value:.1f}" for value in values))
    sheet(scene, field).save(args.out / f"{name.replace(':', '-')}-{form}{'-bad' if args.bad else ''}.png")
    seconds = time.process_time() - began
    return f"| {name.replace(':', ' ')} | {form} | {' | '.join(cells)} | {colour:.3f} | {seconds:.0f} |"


def make_scene(name: str, args: argparse.Namespace) -> PreparedRun:
    """Prepare a built-in scene, or an inflated picture of benchmarks/drawings, in the demo preset."""
    subject, motion = name.split(":")
    inflated = subject in TUNED_ON
    if inflated:
        reference = TUNED_ON[subject].reference()
    else:
        reference = make_reference(*example_image(subject), mask_marks="subject")
    own = None if inflated else subject
    return prepare(RunOptions(reference, f"a {subject}", motion, own, args.seed, "demo", args.steps_scale))


def owned(scene: PreparedRun, form: str, bad: bool) -> Guidances:
    """Return the guidances of the truth at time 0 in one form, and of its front view as a clip; of nothing else."""
    reference, truth, size = scene.options.reference, scene.priors.truth, scene.settings.coarse.render.size
    cameras = reference.camera[torch.zeros(FRAMES, dtype=torch.long)]
    image, mask = truth.render(cameras, torch.linspace(0, 1, FRAMES), CLIP_SIZE)
    clips = film_clips(ClipFrames(image, mask, None, "subject"), None, reference, size)
    if form == "pictures":
        placed = posed_guidances(orbit_pictures(scene), reference, None, size)
        made, models = placed.guidances, (visual_hull(placed.posed, reference.camera),)
    else:
        surfels = truth.appearance.subject.surfels(SPACING)
        model = (splat_of if form == "splat" else mesh_of)(spoilt(surfels) if bad else surfels)
        placed = model3d_guidances(LoadedModel((model,), f"A {form}."), reference, size=size)
        made, models = placed.guidances, placed.models
    video, refine = clip_guidances(clips, reference, size, refine=refine_guidance(models, (), size))
    return Guidances(made.image, made.view, video, refine)


def splat_of(surfels: Surfels) -> object:
    """Return flat Gaussians, whose middles lie as far below the surface as they reach beyond their outlines."""
    n, count = surfels.normals, len(surfels.points)
    turn = torch.stack((1.0 + n[:, 2], -n[:, 1], n[:, 0], torch.zeros(count)), 1)  # takes z to the normal
    turn[turn.norm(dim=1) < 1e-6] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    scales = torch.tensor([0.6, 0.6, 0.06]) * SPACING
    rgba = torch.cat((surfels.colours.clamp(0.0, 1.0), torch.full((count, 1), 0.95)), 1)
    return make_gaussians(surfels.points - 0.5 * SPACING * n, scales.expand(count, 3), turn, rgba)


def mesh_of(surfels: Surfels) -> MeshModel:
    """Return a hexagon for each point of the surface, which overlaps its neighbours."""
    n = surfels.normals
    other = torch.where(n[:, :1].abs() < 0.9, torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]]))
    u = normalize(torch.linalg.cross(n, other), dim=1)
    v = torch.linalg.cross(n, u)
    angle = torch.arange(6) * (torch.pi / 3)
    ring = (angle.cos()[:, None, None] * u + angle.sin()[:, None, None] * v) * (0.75 * SPACING)  # (6, N, 3)
    vertices = (surfels.points + ring).transpose(0, 1).reshape(-1, 3)
    fan = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
    faces = (torch.arange(len(n))[:, None, None] * 6 + fan).reshape(-1, 3)
    return MeshModel(vertices, faces, surfels.colours.clamp(0.0, 1.0).repeat_interleave(6, 0))


def spoilt(surfels: Surfels) -> Surfels:
    """Return the surface turned by 20 degrees, noisy, in other colours, and blurred behind."""
    rng = torch.Generator().manual_seed(0)
    angle = torch.deg2rad(torch.tensor(20.0))
    c, s = float(angle.cos()), float(angle.sin())
    turn = torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    noise = 0.02 * torch.randn(len(surfels.points), 1, generator=rng) * surfels.normals
    colours = surfels.colours * torch.tensor([1.1, 1.0, 0.9])
    behind = torch.nonzero(surfels.normals[:, 2] < 0)[:, 0]
    near = [torch.cdist(part, surfels.points[behind]).topk(64, largest=False)[1]
            for part in surfels.points[behind].split(1000)]
    colours = colours.index_copy(0, behind, colours[behind][torch.cat(near)].mean(1))
    return replace(surfels, points=(surfels.points + noise) @ turn.T, normals=surfels.normals @ turn.T, colours=colours)


def orbit_pictures(scene: PreparedRun) -> PosedImages:
    """Return what cameras all around see of the truth at time 0."""
    camera, count = scene.options.reference.camera, ORBIT // 2
    azimuth = [360.0 * k / count for k in range(count)]
    cameras = make_cameras(
        [0.0] * count + [30.0] * count, azimuth * 2, float(camera.radius), float(camera.fovy)
    )
    image, mask = scene.priors.truth.render(cameras, torch.zeros(ORBIT), CLIP_SIZE)
    return posed_images(image, mask, None, to_pinholes(cameras))


def front_psnr(scene: PreparedRun, field: Field4D) -> float:
    """Return the mean PSNR from the reference camera over eight times, in dB."""
    camera, times = scene.options.reference.camera, torch.linspace(0, 1, 8)
    cameras, size = camera[torch.zeros(8, dtype=torch.long)], eval_set_of(scene).heldout.size
    image, _ = field_renderer(field)(cameras, times, size)
    truth, _ = scene.priors.truth.render(cameras, times, size)
    return float((-10 * (image - truth).square().flatten(1).mean(1).log10()).mean())


def sheet(scene: PreparedRun, field: Field4D) -> Image.Image:
    """Draw the truth above the result from four sides at five times."""
    camera, times, rows = scene.options.reference.camera, torch.linspace(0, 1, 5), []
    for azimuth in (0.0, 90.0, 180.0, -60.0):
        cameras = make_cameras([float(camera.elevation)] * 5, [azimuth] * 5, float(camera.radius), float(camera.fovy))
        for images, _ in (scene.priors.truth.render(cameras, times, 160), field_renderer(field)(cameras, times, 160)):
            rows.append(torch.cat(list(images), 2))
    whole: Tensor = torch.cat(rows, 1).clamp(0.0, 1.0)
    return Image.fromarray((whole.permute(1, 2, 0) * 255).round().byte().numpy())


if __name__ == "__main__":
    main()
