"""2 Priors: the SD x4 upscaler as the prior of single frames, the paper's alternative to a ControlNet."""

from __future__ import annotations

from typing import Any

from ...a124core.protocols import Guidance
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..host.runtime import outside_inference
from ..host.upscale import upscale_prior
from . import widgets as guidance_widgets


class A124UpscaleGuidance:
    """The x4 upscaler as the refinement prior of the fine stage."""

    DESCRIPTION = (
        "Sharpens frames with the SD x4 upscaler. It does not use your picture, so it also sharpens what is wrong; the "
        "paper shows it as the weaker choice beside the tile ControlNet."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 upscale guidance", "x4 upscaler", "super resolution", "score distillation", "4D"]
    RETURN_TYPES = (sockets.REFINE_GUIDANCE,)
    RETURN_NAMES = ("refine guidance",)
    OUTPUT_TOOLTIPS = ("Sharpens the frames. For the fine stage.",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                **guidance_widgets.models("The SD x4 upscaler (x4-upscaler-ema)."),
                "prompt": guidance_widgets.prompt("a panda is dancing", (
                    "What is in the frames. ', high-resolution, 8k, good quality' is added."
                )),
                "cfg": guidance_widgets.cfg(9.0, "The upscaler's own default; the paper prints none."),
                "weight": guidance_widgets.weight(1.0, "Weight of this guidance. 1, as the tile ControlNet's."),
                **guidance_widgets.noise(0.2, 0.8, "as for the tile ControlNet, for the paper prints none"),
                "size": guidance_widgets.size(512, "is four times the released render"),
                "noise_level": ("INT", {"default": 20, "min": 0, "max": 350, "tooltip": (
                    "Noise level of the low-resolution image that it enlarges: more leaves it more freedom. 20 is the "
                    "upscaler's own default."
                )}),
            }
        }

    @outside_inference
    def make(
        self, model: Any, clip: Any, vae: Any, prompt: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int, noise_level: int,
    ) -> tuple[Guidance]:
        prior = upscale_prior(model, clip, vae, checked_prompt(prompt), cfg, size, noise_level)
        return (Guidance(prior, weight, t_min, t_max, form="clean", note=prompt.strip()),)
