"""`evaluate`: figures, curves and a table of finished scenes, by the paper's metrics and by those without CLIP."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..evaluation.bank_scores import CaptionBank, bank_of
from ..evaluation.captions import Candidates, candidates_from, paper_candidates, read_captions, scene_captions
from ..evaluation.clip_encoder import PAPER_VARIANT, load_clip
from ..evaluation.evaluate import NOTE, SAMPLES, field_renderer
from ..evaluation.film import FilmGrid
from ..evaluation.plot import draw_scores
from ..evaluation.scores import Geometry, SceneScores, Task, score_scene
from ..evaluation.surfaces import FRAMES, read_surface
from ..evaluation.table import markdown, to_csv, to_dict
from ..export.checkpoint import load_field
from ..export.images.sheets import write_image
from ..priors.builtin import MOTIONS, SUBJECTS, Manner, RequestedMotion, example_image, make_priors
from ..reference.read_image import read_image, read_mask
from ..reference.reference import Reference, make_reference
from ..utils.device import is_out_of_memory
from ..utils.files import atomic_write, write_json
from ..utils.text import count_noun, first_line
from .camera_args import progress_bar
from .folder import refuse_overwriting, used_folder
from .machine import available_device, machine, versions
from .saved_scenes import SavedScene, find_scenes

TABLE, ROWS, EVERYTHING, PLOT = "evaluation.md", "evaluation.csv", "evaluation.json", "curves.png"
IMAGE_NAMES = ("rgba.png", "image.png", "image.jpg", "image.jpeg", "image.webp")  # in a scene's folder, by rank
MOST_SAMPLES, MOST_FRAMES = 4096, 1024  # along a ray; of a surface that is compared
BANK_SIZE = 48  # pixels a side of the built-in priors' images, as in the preset demo


def add_evaluate_args(p: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    p.add_argument("scenes", type=Path, nargs="*", help="saved fields, folders of finished runs, folders of such, or "
                   "the folder of a benchmark")
    p.add_argument("--out", type=Path, default=Path("output/evaluate"), help="folder for the table (%(default)s)")
    clip = p.add_argument_group("CLIP scores, which need a CLIP of yours; the paper's is OpenAI's ViT-B/32")
    clip.add_argument("--clip", type=Path, metavar="FOLDER", help="of transformers or OpenCLIP; another variant is "
                      "computed and labelled")
    clip.add_argument("--captions", type=Path, metavar="JSON", help='{"name of a scene": "its caption"}; else the '
                      "prompt saved with the field, of a benchmark's runs the caption of their picture")
    clip.add_argument("--candidates", choices=("paper", "captions"), help="among which captions CLIP-R looks for the "
                      "scene's own: the 24 of the paper, or those of --captions (those, if they came)")
    source = p.add_argument_group("pictures")
    source.add_argument("--image", type=Path, help="of the only scene: its picture, for CLIP-I and the truth")
    source.add_argument("--mask", type=Path, help="of this picture")
    source.add_argument("--images", type=Path, metavar="FOLDER", help="of several scenes, as NAME/rgba.png or "
                        "NAME/image.jpg")
    films = p.add_argument_group("films: the paper's by default; fewer are quicker and labelled")
    films.add_argument("--views", type=int, default=FilmGrid.views, help="around the object (%(default)s)")
    films.add_argument("--times", type=int, default=FilmGrid.times, help="of each view (%(default)s)")
    films.add_argument("--size", type=int, default=FilmGrid.size, help="pixels a side (%(default)s)")
    films.add_argument("--samples", type=int, help="along a ray; fewer are quicker and coarser")
    bank = p.add_argument_group("built-in priors: the truth of scenes that were made with them")
    bank.add_argument("--no-built-in", action="store_true", help="leave out what the built-in priors know; they do not "
                      "know a scene that a clip or another model drove")
    bank.add_argument("--strength", type=float, help="of the motion, as the scene was made (as saved with it)")
    bank.add_argument("--speed", type=int, help="of the motion, as the scene was made (as saved with it)")
    shape = p.add_argument_group("geometry against a known moving surface (ActionBench's CD-3D, CD-4D, CD-M)")
    shape.add_argument("--geometry", action="store_true", help="measure the scene's own mesh; minutes")
    shape.add_argument("--meshes", type=Path, metavar="PATH", help="of the only scene: an exported animated GLB, or "
                       "a folder with one mesh a frame, in place of its own")
    shape.add_argument("--true-meshes", type=Path, metavar="PATH", help="of the only scene: the known surface, also "
                       "with the same faces in each frame, in place of the built-in truth")
    shape.add_argument("--frames", type=int, default=FRAMES, help="compared (%(default)s)")
    shape.add_argument("--align", action="store_true", help="turn, move and scale the scene onto the known surface "
                       "first, as ActionBench does; needed where both have units of their own; minutes")
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu")


def evaluate_scenes(options: argparse.Namespace) -> None:
    """Measure every scene; what is finished is written at once, and one that fails does not stop the others."""
    scenes = find_scenes(options.scenes)
    _check_options(options, len(scenes))
    grid = FilmGrid(options.views, options.times, options.size)
    device, (captions, note), candidates = available_device(options.device), _captions(options, scenes), None
    clip = None
    if options.clip is not None:
        candidates, clip = _candidates(options), load_clip(options.clip, device)
        print(f"CLIP: {clip.label}." + ("" if clip.is_paper else f" The paper has OpenAI's {PAPER_VARIANT}."))
    elif options.candidates:
        raise ValueError("--candidates is for CLIP-R, which needs --clip FOLDER: add it, or leave --candidates out.")
    if note:
        print(note)
    targets = [options.out / name for name in (TABLE, ROWS, EVERYTHING, PLOT)]
    for scene in scenes:
        refuse_overwriting(scene.path, *targets)
    done: list[SceneScores] = []
    failed: list[str] = []
    with used_folder(options.out, lambda line: print(line, flush=True)):
        for scene in scenes:
            try:
                task = _task(scene, options, captions, grid, clip, candidates)
                done.append(_measure(scene, task, options, device))
            except KeyboardInterrupt:
                print(f"Stopped: {count_noun(len(done), 'finished scene')} in {options.out}.", file=sys.stderr)
                raise
            except (ValueError, RuntimeError, OSError) as error:
                if len(scenes) == 1 or is_out_of_memory(error):
                    raise
                failed.append(scene.name)
                print(f"{scene.name} was left out: {first_line(error)}.", file=sys.stderr, flush=True)
            if done:
                write_scores(options.out, done)
    if done:
        print(markdown(done))
        print("Written: " + ", ".join(map(str, targets)))
    if failed:
        others = "; the others are written" if done else ""
        raise ValueError(f"not evaluated, for the reasons above: {', '.join(failed)}{others}.")


def _check_options(options: argparse.Namespace, count: int) -> None:
    for option in ("image", "mask", "meshes", "true_meshes"):
        if getattr(options, option) is not None and count > 1:
            name = f"--{option.replace('_', '-')}"
            raise ValueError(f"{name} is for one scene, {count} came: evaluate them one by one, or use --images.")
    for name, most in (("samples", MOST_SAMPLES), ("frames", MOST_FRAMES)):
        value = getattr(options, name)
        if value is not None and not 1 <= value <= most:
            raise ValueError(f"--{name} is {value}: choose 1 to {most}.")
    if options.mask is not None and options.image is None:
        raise ValueError("--mask came without --image: name the picture that it belongs to.")


def _captions(options: argparse.Namespace, scenes: list[SavedScene]) -> tuple[dict[str, str], str]:
    """Return all captions by scene, and a note on those without a scene."""
    if options.captions is None:
        return {scene.name: scene.prompt for scene in scenes}, ""
    texts, note = scene_captions(read_captions(options.captions), [scene.reference_name for scene in scenes])
    return {scene.name: texts[scene.reference_name] for scene in scenes}, note


def _candidates(options: argparse.Namespace) -> Candidates:
    if (options.candidates or ("captions" if options.captions else "paper")) == "paper":
        return paper_candidates()
    if options.captions is None:
        raise ValueError("--candidates captions needs --captions JSON: add it, or take the paper's.")
    captions = dict.fromkeys(read_captions(options.captions).values())  # two pictures may show the same
    return candidates_from(captions, f"those of {options.captions.name}")


def _task(
    scene: SavedScene, options: argparse.Namespace, captions: dict[str, str], grid: FilmGrid, clip: Any,
    candidates: Candidates | None,
) -> Task:
    reference = _reference(scene, options)
    return Task(
        scene.name, captions[scene.name], reference, clip, candidates, _bank(scene, reference, options),
        _geometry(options), grid, own_camera=scene.camera,
    )


def _reference(scene: SavedScene, options: argparse.Namespace) -> Reference | None:
    """Return the picture that the scene was made from: the user's, or the example picture of a built-in subject."""
    image = options.image
    if image is None and options.images is not None:
        folder = options.images / scene.reference_name
        image = next((folder / name for name in IMAGE_NAMES if (folder / name).is_file()), None)
        if image is None:
            raise ValueError(f"{folder} has none of {', '.join(IMAGE_NAMES)}: add the picture.")
    if image is not None:
        pixels, alpha, _ = read_image(image)
        mask = read_mask(options.mask)[0] if options.mask else None
        return make_reference(pixels, mask, alpha, camera=scene.camera)
    if scene.subject in SUBJECTS:
        return make_reference(*example_image(scene.subject), mask_marks="subject", camera=scene.camera)
    return None


def _bank(scene: SavedScene, reference: Reference | None, options: argparse.Namespace) -> CaptionBank | None:
    """Return the built-in priors' bank, which knows the truth; None of a scene that they cannot have made."""
    own = options.image is not None or options.images is not None
    known = scene.subject in SUBJECTS or (own and scene.prompt)
    if options.no_built_in or not known or scene.motion not in MOTIONS or not scene.answer_known:
        return None
    manner = Manner(
        scene.manner.strength if options.strength is None else options.strength,
        scene.manner.speed if options.speed is None else options.speed,
    )
    motion = RequestedMotion(scene.motion, manner)
    subject = scene.subject if scene.subject in SUBJECTS and not own else None
    return bank_of(make_priors(reference, scene.prompt or scene.subject, motion, BANK_SIZE, subject).video)


def _geometry(options: argparse.Namespace) -> Geometry | None:
    if not (options.geometry or options.meshes or options.true_meshes):
        return None
    truth = read_surface(options.true_meshes) if options.true_meshes else None
    frames = options.frames if truth is None else len(truth.frames)
    result = read_surface(options.meshes, frames) if options.meshes else None
    return Geometry(result, truth, options.align, frames)


def _measure(scene: SavedScene, task: Task, options: argparse.Namespace, device: str) -> SceneScores:
    field = load_field(scene.path).to(device)
    with progress_bar("evaluate", task.grid.times, "time") as on_progress:
        scores = score_scene(field_renderer(field, device, options.samples), field, task, on_progress)
    scores.variant = scene.variant
    if task.bank is not None:
        scores.notes.append(NOTE)
    if options.samples is not None and options.samples != SAMPLES:
        scores.notes.append(f"Rays had {options.samples} samples; {SAMPLES} are usual.")
    return scores


def write_scores(out: Path, scores: list[SceneScores]) -> None:
    """Write table, rows, everything and plot."""
    for name, text in ((TABLE, markdown(scores)), (ROWS, to_csv(scores))):
        with atomic_write(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    write_json(out / EVERYTHING, {**to_dict(scores), "machine": machine(), "versions": versions()})
    write_image(out / PLOT, draw_scores(scores))
