"""2 Prior check: what each prior sees in the scene, before hours are spent."""

from __future__ import annotations

from typing import Any

from ...a124core.prior_check.check import check_priors
from ...a124core.prior_check.views import ProbeViews, render_views
from ...a124core.protocols import Guidance, Guidances
from .. import sockets
from ..host import ui
from ..host.images import to_image
from ..host.memory import host_device, loaded_models
from ..host.runtime import outside_inference


class A124PriorCheck:
    """Every connected guidance, asked about pictures of the scene."""

    DESCRIPTION = (
        "Shows front, side and back of the scene to each guidance at three noise levels: what goes in, what it sees in "
        "the noise. And says in plain words what looks wrongly wired, before an optimizer runs for hours."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 check", "debug guidance", "test priors", "score distillation", "what is wrong", "4D"]
    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("sheet", "report")
    OUTPUT_TOOLTIPS = (
        "For each guidance and view: the picture, and at three noise levels what went in and what was seen.",
        "A sentence for each suspicion with what to do, or that nothing is suspicious.",
    )
    FUNCTION = "check"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "size": ("INT", {"default": 128, "min": 32, "max": 512, "step": 8, "tooltip": (
                    "Width and height of the renders that are shown, pixels. 128 as released."
                )}),
                "embedding": ("STRING", {"default": "", "tooltip": (
                    "The learned word of your subject, if there is one (wire the name from Textual inversion): the "
                    "refine guidance's prompt must hold it."
                )}),
            },
            "optional": {
                "reference": (sockets.REFERENCE, {"tooltip": (
                    "The picture. Without a field its own view is all that is shown."
                )}),
                "field": (sockets.FIELD, {"tooltip": (
                    "The scene, from the static stage or later. Only with it are side, back and the pose of the view "
                    "guidance checked."
                )}),
                "image_guidance": (sockets.IMAGE_GUIDANCE, {"tooltip": "To be checked. It is shown single pictures."}),
                "view_guidance": (sockets.VIEW_GUIDANCE, {"tooltip": (
                    "To be checked, with its pose. It is shown single pictures."
                )}),
                "video_guidance": (sockets.VIDEO_GUIDANCE, {"tooltip": (
                    "To be checked. It is shown clips of 8 frames; the sheet has the middle one."
                )}),
                "refine_guidance": (sockets.REFINE_GUIDANCE, {"tooltip": (
                    "To be checked, with the picture that it repairs. It is shown single frames."
                )}),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }  # fmt: skip

    @outside_inference
    def check(
        self, size: int, embedding: str, reference: Any = None, field: Any = None,
        image_guidance: Guidance | None = None, view_guidance: Guidance | None = None,
        video_guidance: Guidance | None = None, refine_guidance: Guidance | None = None, unique_id: str | None = None,
    ) -> dict:  # fmt: skip
        guidances, device = Guidances(image_guidance, view_guidance, video_guidance, refine_guidance), host_device()
        views = ProbeViews(reference, None if field is None else render_views(field, device), size)
        on_progress = ui.progress_text_callback(unique_id)
        with loaded_models(guidances):
            result = check_priors(guidances, views, embedding, device=device, on_progress=on_progress)
        ui.show_text(unique_id, result.report)
        return {"ui": {"text": [result.report]}, "result": (to_image(result.sheet()), result.report)}
