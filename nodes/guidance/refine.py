"""2 Priors: a personalised text-to-image MODEL, with or without a tile ControlNet, as the prior of single frames."""

from __future__ import annotations

from typing import Any

from ...a124core.protocols import Guidance
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..host.prior import refine_prior
from ..host.runtime import outside_inference
from . import widgets as guidance_widgets


class A124RefineGuidance:
    """Any checkpoint, with a learned embedding and a tile ControlNet, as the refinement prior of the fine stage."""

    DESCRIPTION = (
        "Repairs the drift of the video model: a text-to-image model that knows your subject by a learned embedding, "
        "tied to the coarse result by a tile ControlNet. Without the ControlNet it is the paper's naive personalised "
        "prior."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 refine guidance", "ControlNet tile", "textual inversion", "score distillation", "4D"]
    RETURN_TYPES = (sockets.REFINE_GUIDANCE,)
    RETURN_NAMES = ("refine guidance",)
    OUTPUT_TOOLTIPS = ("Restores the details of your picture. For the fine stage.",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                **guidance_widgets.models("A text-to-image MODEL, with its LoRAs: SD 1.5 in the paper."),
                "prompt": guidance_widgets.prompt("a panda is dancing", (
                    "The prompt, best with your subject's embedding in it: 'a embedding:name is dancing'. "
                    "', high-resolution, 8k, good quality' is added, as released."
                )),
                "cfg": guidance_widgets.cfg(8.5, "The release's 7.5 is 8.5 in ComfyUI's form; the paper prints 7.5."),
                "weight": guidance_widgets.weight(1.0, "Weight of this guidance. 1 in the paper and as released."),
                **guidance_widgets.noise(0.2, 0.8),
                "size": guidance_widgets.size(1024),
            },
            "optional": {
                "control_net": ("CONTROL_NET", {"tooltip": (
                    "A tile ControlNet of the MODEL's family (control_v11f1e_sd15_tile). It gets renders of the frozen "
                    "coarse result. Leave it out for the paper's naive personalised prior."
                )}),
            },
        }

    @outside_inference
    def make(
        self, model: Any, clip: Any, vae: Any, prompt: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int, control_net: Any = None,
    ) -> tuple[Guidance]:
        prior = refine_prior(model, clip, vae, control_net, checked_prompt(prompt), cfg, size)
        return (Guidance(prior, weight, t_min, t_max, form="clean", note=prompt.strip()),)
