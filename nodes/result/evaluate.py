"""6 Evaluate: the metrics of the paper, and those that need no CLIP, of a finished scene."""

from __future__ import annotations

import json
from typing import Any

from ...a124core.cameras.rig import reference_camera
from ...a124core.evaluation.bank_scores import bank_of
from ...a124core.evaluation.captions import candidates_from, paper_candidates
from ...a124core.evaluation.evaluate import NOTE, field_renderer
from ...a124core.evaluation.film import FilmGrid
from ...a124core.evaluation.plot import draw_scores
from ...a124core.evaluation.scores import Geometry, Task, score_scene
from ...a124core.evaluation.table import markdown, to_dict
from ...a124core.field.field4d import Field4D
from ...a124core.protocols import Guidance
from ...a124core.reference.reference import Reference
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..declarations import NODE_ID, Node, choice, field, flag, integer, outputs, socket, text
from ..host import ui
from ..host.clip_scores import HostClip
from ..host.images import to_image
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..queued import UNPLUGGED, check_declared, when_queued

CANDIDATES = ("paper", "captions")


@outputs(
    ("table", "STRING", "All figures, and how they were measured."),
    ("curves", "IMAGE", "Each figure over scene time."),
    ("figures", "STRING", "The same as JSON, with the curves."),
)
class A124Evaluate(Node):
    """Films of a scene from around it, measured."""

    DESCRIPTION = (
        "Measures a scene: amount of motion, flicker and second faces; CLIP-R, CLIP-T, CLIP-I and CLIP-F as the paper "
        "does, if CLIP is connected; the difference to the truth, if Built-in priors are."
    )
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 evaluate", "metrics", "CLIP score", "PSNR", "SSIM", "Janus", "chamfer", "4D"]
    FUNCTION = "evaluate"
    OUTPUT_NODE = True
    REQUIRED = {
        "field": field("The scene, from any optimizer or from Load field."),
        "caption": text("", "What the scene is to show, for CLIP-R and CLIP-T.", multiline=True),
        "candidates": choice(CANDIDATES, (
            "Among which captions CLIP-R looks for the scene's own. paper: the 24 of its benchmark. captions: those of "
            "the box below."
        )),
        "captions": text("", "For candidates at captions: one caption a line.", multiline=True),
        "views": integer(FilmGrid.views, 2, 360, "How many views around the scene. The paper has 10."),
        "times": integer(FilmGrid.times, 3, 1024, "How many times of each view. The paper has 64."),
        "size": integer(FilmGrid.size, 16, 2048, "Width and height of the frames, pixels. The paper has 400.", step=8),
        "geometry": flag(
            "Also compare the surface with that of the built-in truth: CD-3D, CD-4D and CD-M. It takes minutes."
        ),
    }
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, "Your picture, for CLIP-I."),
        "clip": socket("CLIP", "The text half of a CLIP, such as clip_l.safetensors, for CLIP-R and CLIP-T."),
        "clip_vision": socket("CLIP_VISION", "The image half of the same CLIP. The paper has OpenAI's ViT-B/32."),
        "video_guidance": socket(sockets.VIDEO_GUIDANCE, (
            "Of Built-in priors, as the scene was made with: R, T, I and F under them, and the difference to the truth."
        )),
    }
    HIDDEN = NODE_ID

    @classmethod
    def VALIDATE_INPUTS(
        cls, candidates: str | None = None, captions: str | None = None, views: int | None = None,
        times: int | None = None, size: int | None = None, clip: Any = UNPLUGGED, clip_vision: Any = UNPLUGGED,
        geometry: bool | None = None, video_guidance: Any = UNPLUGGED,
    ) -> bool:
        with when_queued():
            check_declared(cls, candidates=candidates, views=views, times=times, size=size)
            _check_clip(clip is not UNPLUGGED, clip_vision is not UNPLUGGED)
            _check_truth(bool(geometry), video_guidance is not UNPLUGGED)
            if candidates == "captions" and captions is not None:
                candidates_from(_lines(captions), "of the box")
        return True

    @outside_inference
    def evaluate(
        self, field: Field4D, caption: str, candidates: str, captions: str, views: int, times: int, size: int,
        geometry: bool, reference: Reference | None = None, clip: Any = None, clip_vision: Any = None,
        video_guidance: Guidance | None = None, unique_id: str | None = None,
    ) -> dict[str, Any]:
        _check_clip(clip is not None, clip_vision is not None)
        _check_truth(geometry, video_guidance is not None)
        encoder = None if clip_vision is None else HostClip(clip, clip_vision)
        chosen = candidates_from(_lines(captions), "of the box") if candidates == "captions" else paper_candidates()
        task = Task(
            "scene", checked_prompt(caption) if caption.strip() else "", reference, encoder,
            None if clip is None else chosen, None if video_guidance is None else bank_of(video_guidance),
            Geometry() if geometry else None, FilmGrid(views, times, size),
            own_camera=reference_camera(azimuth=field.front),
        )
        device = host_device()
        scores = score_scene(field_renderer(field, device), field.to(device), task, ui.progress_callback(unique_id))
        scores.notes += [NOTE] if video_guidance is not None else []
        table = markdown([scores])
        ui.show_text(unique_id, table)
        return ui.output(table, table, to_image(draw_scores([scores])), json.dumps(to_dict([scores]), indent=2))


def _lines(captions: str) -> list[str]:
    return [line for line in captions.splitlines() if line.strip()]


def _check_clip(text_half: bool, image_half: bool) -> None:
    if text_half and not image_half:
        raise ValueError("clip is connected but clip_vision is not: wire CLIP's image half from Load CLIP Vision too.")


def _check_truth(geometry: bool, priors: bool) -> None:
    if geometry and not priors:
        raise ValueError(
            "geometry is on, but nothing says where the surface should be: connect the video guidance of Built-in "
            "priors, or switch geometry off."
        )
