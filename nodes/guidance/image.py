"""2 Priors: a text-to-image MODEL as the prior of single renders."""

from __future__ import annotations

from typing import Any

from ...a124core.protocols import Guidance
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..host.prior import image_prior
from ..host.runtime import outside_inference
from . import widgets as guidance_widgets


class A124ImageGuidance:
    """Any checkpoint as the image prior of the static stage."""

    DESCRIPTION = (
        "A text-to-image model (SD 1.5 in the paper) guides each new view by the prompt. LoRAs and patches of the "
        "wired MODEL take effect."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 image guidance", "score distillation", "SDS", "DreamFusion", "stable diffusion", "4D"]
    RETURN_TYPES = (sockets.IMAGE_GUIDANCE,)
    RETURN_NAMES = ("image guidance",)
    OUTPUT_TOOLTIPS = ("Matches single renders to the prompt. For the static stage.",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                **guidance_widgets.models("A text-to-image MODEL, with its LoRAs: SD 1.5, SD 2, SDXL ..."),
                "prompt": guidance_widgets.prompt("a high-resolution DSLR image of a panda", (
                    "What is in the image, standing still. ', 8k, good quality' and the side of the view (front, side "
                    "or back view) are added, as released."
                )),
                "cfg": guidance_widgets.cfg(101.0),
                "weight": guidance_widgets.weight(0.025, (
                    "Weight of this guidance. 0.025 goes with the presets draft and released, 1 with paper."
                )),
                **guidance_widgets.noise(0.2, 0.6),
                "size": guidance_widgets.size(512),
            }
        }

    @outside_inference
    def make(
        self, model: Any, clip: Any, vae: Any, prompt: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int,
    ) -> tuple[Guidance]:
        prior = image_prior(model, clip, vae, checked_prompt(prompt), cfg, size)
        return (Guidance(prior, weight, t_min, t_max, note=f"{prompt.strip()} (any MODEL)"),)
