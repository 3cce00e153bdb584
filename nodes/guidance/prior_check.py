"""2 Prior check: what each prior predicts for the scene, before hours of optimisation."""

from __future__ import annotations

from typing import Any

from ...a124core.prior_check.check import check_any_guidance, check_priors
from ...a124core.prior_check.views import ProbeViews, check_any_view, render_views
from ...a124core.protocols import Guidance, Guidances
from .. import sockets
from ..declarations import NODE_ID, Node, field, flag, integer, outputs, socket, text
from ..host import ui
from ..host.images import to_image
from ..host.memory import host_device, loaded_models
from ..host.runtime import outside_inference
from ..queued import UNPLUGGED, when_queued


@outputs(
    ("sheet", "IMAGE", (
        "For each guidance and view: the render, and its noisy input and prediction at three noise levels."
    )),
    ("report", "STRING", "One sentence for each warning with what to do, or that there is none."),
    ("curve", "IMAGE", (
        "With 'curve' on: for each guidance, how much contrast it gives back of a scene that fades, at its own cfg and "
        "at the one that would keep all."
    )),
)
class A124PriorCheck(Node):
    """Every connected guidance on renders of the scene."""

    DESCRIPTION = (
        "Runs each guidance on front, side and back of the scene at three noise levels and shows its input and its "
        "prediction. Reports in plain words what looks wrongly wired, before an optimizer runs for hours."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 check", "debug guidance", "test priors", "score distillation", "what is wrong", "4D"]
    FUNCTION = "check"
    OUTPUT_NODE = True
    REQUIRED = {
        "size": integer(128, 32, 512, (
            "Width and height of the renders in pixels. The preset released renders 128."
        ), step=8),
        "embedding": text("", (
            "The learned embedding of your subject, if there is one (wire the name from Textual inversion): the refine "
            "guidance's prompt must contain it."
        )),
    }
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, "Your picture. Without a field only its own view is checked."),
        "field": field(
            "The scene, from the static stage or later. Only with it are side, back and the pose of the view guidance "
            "checked."
        ),
        "image_guidance": socket(sockets.IMAGE_GUIDANCE, "To be checked, on single renders."),
        "view_guidance": socket(sockets.VIEW_GUIDANCE, "To be checked with its pose, on single renders."),
        "video_guidance": socket(sockets.VIDEO_GUIDANCE, (
            "To be checked, on clips of 8 frames; the sheet has the middle one."
        )),
        "refine_guidance": socket(sockets.REFINE_GUIDANCE, (
            "To be checked with the image that it repairs, on single frames."
        )),
        "curve": flag(
            "Also measure how much contrast each guidance keeps of a scene that fades, and say which cfg keeps all of "
            "it. It takes 33 queries more to each guidance, more than twice the time."
        ),
    }
    HIDDEN = NODE_ID

    @classmethod
    def VALIDATE_INPUTS(
        cls, reference: Any = UNPLUGGED, field: Any = UNPLUGGED, image_guidance: Any = UNPLUGGED,
        view_guidance: Any = UNPLUGGED, video_guidance: Any = UNPLUGGED, refine_guidance: Any = UNPLUGGED,
    ) -> bool:
        guidances = (image_guidance, view_guidance, video_guidance, refine_guidance)
        with when_queued():
            check_any_guidance([guidance for guidance in guidances if guidance is not UNPLUGGED])
            check_any_view(reference is not UNPLUGGED, field is not UNPLUGGED)
        return True

    @outside_inference
    def check(
        self, size: int, embedding: str, reference: Any = None, field: Any = None,
        image_guidance: Guidance | None = None, view_guidance: Guidance | None = None,
        video_guidance: Guidance | None = None, refine_guidance: Guidance | None = None, unique_id: str | None = None,
        curve: bool = False,
    ) -> dict:
        guidances, device = Guidances(image_guidance, view_guidance, video_guidance, refine_guidance), host_device()
        views = ProbeViews(reference, None if field is None else render_views(field, device), size)
        on_progress = ui.progress_callback(unique_id)
        with loaded_models(guidances):
            result = check_priors(guidances, views, embedding, device=device, on_progress=on_progress, curve=curve)
        ui.show_text(unique_id, result.report)
        images = to_image(result.sheet()), result.report, to_image(result.curve_plot())
        return {"ui": {"text": [result.report]}, "result": images}
