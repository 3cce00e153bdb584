"""2 Priors: Zero123 as the prior of other views, conditioned on your picture."""

from __future__ import annotations

from typing import Any

from ...a124core.priors.zero123_pose import STABLE_ZERO123, ZERO123
from ...a124core.protocols import Guidance
from .. import sockets
from ..host.runtime import outside_inference
from ..host.view import view_prior
from . import widgets as guidance_widgets


class A124ViewGuidance:
    """A Zero123 checkpoint as the view prior of all stages."""

    DESCRIPTION = (
        "Zero123 predicts an object from another side. It keeps the shape from growing a second face (the Janus "
        "problem). Load it with Image Only Checkpoint Loader (img2vid model)."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 view guidance", "zero123", "stable zero123", "novel view", "Janus", "4D"]
    RETURN_TYPES = (sockets.VIEW_GUIDANCE,)
    RETURN_NAMES = ("view guidance",)
    OUTPUT_TOOLTIPS = ("Matches other views to your picture. For all stages.",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "Zero123, Zero123-XL or Stable-Zero123."}),
                "clip_vision": ("CLIP_VISION", {"tooltip": "The CLIP_VISION of the same checkpoint."}),
                "vae": ("VAE", {"tooltip": "The VAE of the same checkpoint."}),
                "kind": ([ZERO123, STABLE_ZERO123], {"tooltip": (
                    "Which of the two the file is: they read the fourth number of the pose differently (Zero123 and "
                    "XL: the change of distance; Stable-Zero123: the picture's own elevation)."
                )}),
                "cfg": guidance_widgets.cfg(5.0, "5 in the paper and as released."),
                "weight": guidance_widgets.weight(1.0, (
                    "Weight of this guidance, times the angle to the picture's camera over 180 degrees. 1 goes with "
                    "draft and released in the static stage, 40 in the coarse and fine stage; 40 with paper."
                )),
                **guidance_widgets.noise(0.2, 0.6),
                "size": guidance_widgets.size(256),
            },
            "optional": {
                "reference": (sockets.REFERENCE, {"tooltip": "Your picture, from node 1. Required."}),
            },
        }

    @outside_inference
    def make(
        self, model: Any, clip_vision: Any, vae: Any, kind: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int, reference: Any = None,
    ) -> tuple[Guidance]:
        prior = view_prior(model, clip_vision, vae, reference, kind, cfg, size)
        return (Guidance(prior, weight, t_min, t_max, angle_weight=True, note=kind),)
