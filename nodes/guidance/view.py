"""2 Priors: Zero123 as the prior of other views, conditioned on your picture."""

from __future__ import annotations

from typing import Any

from ...a124core.priors.defaults import NORMALISED
from ...a124core.priors.zero123_pose import KINDS, check_reference
from ...a124core.protocols import Guidance
from .. import sockets
from ..declarations import Node, choice, outputs, socket
from ..host.runtime import outside_inference
from ..host.view import view_prior
from ..queued import UNPLUGGED, when_queued
from .widgets import calibrate, cfg, check_noise, noise, size, weight, weight_unit


@outputs(("view guidance", sockets.VIEW_GUIDANCE, "Matches other views to your picture. For all stages."))
class A124ViewGuidance(Node):
    """A Zero123 checkpoint as the view prior of all stages."""

    DESCRIPTION = (
        "Zero123 predicts an object from another side. It keeps the shape from growing a second face (the Janus "
        "problem). Load it with Image Only Checkpoint Loader (img2vid model)."
    )
    SEARCH_ALIASES = ["animate124 view guidance", "zero123", "stable zero123", "novel view", "Janus", "4D"]
    CATEGORY = "Animate124/2 Priors"
    FUNCTION = "make"
    REQUIRED = {
        "model": socket("MODEL", "Zero123, Zero123-XL or Stable-Zero123."),
        "clip_vision": socket("CLIP_VISION", "The CLIP_VISION of the same checkpoint."),
        "vae": socket("VAE", "The VAE of the same checkpoint."),
        "kind": choice(KINDS, (
            "Which of the two the file is: they read the fourth number of the pose differently (Zero123 and XL: the "
            "change of distance; Stable-Zero123: the picture's own elevation)."
        )),
        "cfg": cfg(5.0, "5 in the paper and in the authors' code."),
        "weight": weight(1.0, (
            "Weight of this guidance, times the angle to the picture's camera over 180 degrees. 1 goes with draft and "
            "released in the static stage, 40 in the coarse and fine stage; 40 with paper."
        )),
        **noise(0.2, 0.6),
        "size": size(256),
    }
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, "Your picture, from node 1. Required."),
        "weight_unit": weight_unit(f"{NORMALISED['view']} is usual"),
        "calibrate": calibrate(),
    }

    @classmethod
    def VALIDATE_INPUTS(
        cls, t_min: float | None = None, t_max: float | None = None, reference: Any = UNPLUGGED
    ) -> bool:
        with when_queued():
            check_reference(reference is not UNPLUGGED)
            check_noise(cls, t_min, t_max)
        return True

    @outside_inference
    def make(
        self, model: Any, clip_vision: Any, vae: Any, kind: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int, reference: Any = None,
        weight_unit: str = "raw", calibrate: bool = False,
    ) -> tuple[Guidance]:
        prior = view_prior(model, clip_vision, vae, reference, kind, cfg, size)
        options = {"angle_weight": True, "note": kind, "weight_unit": weight_unit, "calibrate": calibrate}
        return (Guidance(prior, weight, t_min, t_max, **options),)
