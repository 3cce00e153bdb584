"""2 Priors: a personalised picture MODEL, with or without a tile ControlNet, repairs single frames."""

from __future__ import annotations

from typing import Any

from ...a124core.protocols import Guidance
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..host.prior import refine_prior
from ..host.runtime import outside_inference
from . import widgets as guidance_widgets


class A124RefineGuidance:
    """Any checkpoint, with its learned token and a tile ControlNet, as the refinement prior of the fine stage."""

    DESCRIPTION = (
        "Repairs what the video model drifted away: a picture model that knows your subject by a learned word, held to "
        "the coarse result by a tile ControlNet. Without the ControlNet it is the paper's naive personalised prior."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 refine guidance", "ControlNet tile", "textual inversion", "score distillation", "4D"]
    RETURN_TYPES = (sockets.REFINE_GUIDANCE,)
    RETURN_NAMES = ("refine guidance",)
    OUTPUT_TOOLTIPS = ("Do the details look like the picture again? For the fine stage.",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                **guidance_widgets.models("A text-to-picture MODEL, with its LoRAs: SD 1.5 in the paper."),
                "prompt": guidance_widgets.prompt("a panda is dancing", (
                    "The prompt, best with your subject's learned word in it: 'a embedding:name is dancing'. "
                    "', high-resolution, 8k, good quality' is added, as released."
                )),
                "cfg": guidance_widgets.cfg(8.5, "The release's 7.5 is 8.5 in ComfyUI's form; the paper prints 7.5."),
                "weight": guidance_widgets.weight(1.0, "How strongly it pulls. 1 in the paper and as released."),
                **guidance_widgets.noise(0.2, 0.8),
                "size": guidance_widgets.size(1024),
            },
            "optional": {
                "control_net": ("CONTROL_NET", {"tooltip": (
                    "A tile ControlNet of the MODEL's family (control_v11f1e_sd15_tile). It sees the frozen coarse "
                    "result. Leave it out for the paper's naive personalised prior."
                )}),
            },
        }  # fmt: skip

    @outside_inference
    def make(
        self, model: Any, clip: Any, vae: Any, prompt: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int, control_net: Any = None,
    ) -> tuple[Guidance]:  # fmt: skip
        prior = refine_prior(model, clip, vae, control_net, checked_prompt(prompt), cfg, size)
        return (Guidance(prior, weight, t_min, t_max, form="clean", note=prompt.strip()),)
