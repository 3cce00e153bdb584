"""2 Priors: a text-to-video MODEL as the prior of clips."""

from __future__ import annotations

from typing import Any

from ...a124core.protocols import Guidance
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..host.prior import video_prior
from ..host.runtime import outside_inference
from . import widgets as guidance_widgets


class A124VideoGuidance:
    """ModelScope, or a native video MODEL, as the video prior of the moving stages."""

    DESCRIPTION = (
        "A text-to-video model guides whole clips by the prompt: it decides how the scene moves. ModelScope in the "
        "paper (its loader is in this pack); rewire it for a native MODEL such as Wan 2.1."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 video guidance", "ModelScope", "Wan", "text to video", "score distillation", "4D"]
    RETURN_TYPES = (sockets.VIDEO_GUIDANCE,)
    RETURN_NAMES = ("video guidance",)
    OUTPUT_TOOLTIPS = ("Matches the motion of clips to the prompt. For the coarse and the fine stage.",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                **guidance_widgets.models("ModelScope from this pack's loader, or a native text-to-video MODEL (Wan)."),
                "prompt": guidance_widgets.prompt("a panda is dancing", (
                    "What happens. ', high-resolution, 8k, good quality' is added, as released."
                )),
                "cfg": guidance_widgets.cfg(101.0),
                "weight": guidance_widgets.weight(1.0, "Weight of this guidance. 1 in the paper and as released."),
                **guidance_widgets.noise(0.02, 0.98),
                "size": guidance_widgets.size(256),
            }
        }

    @outside_inference
    def make(
        self, model: Any, clip: Any, vae: Any, prompt: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int,
    ) -> tuple[Guidance]:
        prior = video_prior(model, clip, vae, checked_prompt(prompt), cfg, size)
        return (Guidance(prior, weight, t_min, t_max, note=prompt.strip()),)
