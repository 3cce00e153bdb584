"""2 Priors: the built-in ones, exact denoisers of procedural scenes."""

from __future__ import annotations

from typing import Any

from ...a124core.models3d.placed import NotAlignedError
from ...a124core.priors.builtin import (
    AS_USUAL,
    FROM_PROMPT,
    MAX_SPEED,
    MAX_STRENGTH,
    MOTIONS,
    Manner,
    RequestedMotion,
    check_built_in,
    make_priors,
)
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..declarations import NODE_ID, Node, Spec, choice, integer, number, socket, text
from ..host import ui
from ..host.models3d import from_mesh, from_splat, has_type
from ..host.runtime import outside_inference
from ..queued import UNPLUGGED, check_declared, when_queued
from .widgets import in_unit, weight_unit

ADVICE = "connect a model of the subject that the picture shows, in the pose of the picture"


class A124BuiltInPriors(Node):
    """Five guidances that need no download and no GPU."""

    DESCRIPTION = (
        "The four priors of the method without any download, and the upscaler that it is compared with. They know a "
        "small vocabulary of subjects and motions and reproduce it exactly: good for learning the pack and for "
        "testing, but they generate nothing new."
    )
    SEARCH_ALIASES = ["animate124 priors", "4D", "image to 3D", "animate", "guidance", "no download", "offline"]
    CATEGORY = "Animate124/2 Priors"
    FUNCTION = "make"
    HAS_INTERMEDIATE_OUTPUT = True
    RETURN_TYPES = (*sockets.GUIDANCES, sockets.REFINE_GUIDANCE)
    RETURN_NAMES = (*sockets.GUIDANCE_NAMES, "upscale guidance")
    OUTPUT_TOOLTIPS = (
        "Matches single renders to the prompt. For the static stage.",
        "Matches other views to your picture. For all stages.",
        "Matches the motion of clips to the prompt. For the coarse and the fine stage.",
        "Restores the details of your picture. For the fine stage.",
        "In place of the refine guidance, for comparison: sharpens without your picture, so colours stay drifted.",
    )
    REQUIRED = {
        "prompt": text("a panda is dancing", "What happens, in plain words: a subject and its motion.", multiline=True),
        "motion": choice([FROM_PROMPT, *MOTIONS], (
            "The motion. Choose one to override the prompt."
        ), default=FROM_PROMPT),
    }
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, (
            "Your picture. An example picture is recognised; any other cut-out is inflated to a solid and moved. The "
            "prompt then only chooses the motion."
        )),
        "weight_unit": weight_unit("the usual weights are taken in either unit"),
        "strength": number(AS_USUAL.strength, 0.0, MAX_STRENGTH, 0.05, (
            "How far the motion goes. 0 stands still, 1 is the usual motion, 2 is twice as far, unless that would "
            "leave the image."
        ), advanced=True),
        "speed": integer(AS_USUAL.speed, 1, MAX_SPEED, (
            "How often the motion is done from the first frame to the last. Above 2 a preset of few time grids blurs "
            "it."
        ), advanced=True),
    }
    HIDDEN = NODE_ID

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict]:
        """Return the inputs in the host's groups; a socket whose type the host does not know is left out."""
        optional: dict[str, Spec] = {**cls.OPTIONAL, "mesh": socket("MESH", (
            "Your own 3D model of the subject, from Hunyuan3D, TRELLIS or another node: it is aligned to the picture "
            "and moved in place of the inflated picture."
        ))}
        if has_type("SPLAT"):
            optional["splat"] = socket("SPLAT", "The same as Gaussian splats, from TripoSplat or a file.")
        return {"required": dict(cls.REQUIRED), "optional": optional, "hidden": dict(cls.HIDDEN)}

    @classmethod
    def VALIDATE_INPUTS(
        cls,
        prompt: str | None = None,
        motion: str | None = None,
        reference: Any = UNPLUGGED,
        strength: float | None = None,
        speed: int | None = None,
        mesh: Any = UNPLUGGED,
        splat: Any = UNPLUGGED,
    ) -> bool:
        with when_queued():
            check_declared(cls, motion=motion, strength=strength, speed=speed)
            check_one_model(mesh is not UNPLUGGED, splat is not UNPLUGGED)
            if prompt is not None:
                has_subject = any(wire is not UNPLUGGED for wire in (reference, mesh, splat))
                check_built_in(prompt, motion or FROM_PROMPT, has_subject)
        return True

    @outside_inference
    def make(
        self,
        prompt: str,
        motion: str,
        reference: Any = None,
        weight_unit: str = "raw",
        strength: float = AS_USUAL.strength,
        speed: int = AS_USUAL.speed,
        mesh: Any = None,
        splat: Any = None,
        unique_id: str | None = None,
    ) -> dict:
        check_one_model(mesh is not None, splat is not None)
        model = from_splat(splat) if splat is not None else None
        model = from_mesh(mesh) if mesh is not None else model
        requested = RequestedMotion(motion, Manner(strength, speed))
        on_progress = ui.progress_callback(unique_id)
        try:
            priors = make_priors(reference, checked_prompt(prompt), requested, subject=model, on_progress=on_progress)
        except NotAlignedError as error:
            raise NotAlignedError(error.overlap, ADVICE) from None
        guidances = in_unit(weight_unit, {**vars(priors.guidances), "upscale": priors.upscale})
        ui.show_text(unique_id, priors.summary)
        return {"ui": {"text": [priors.summary]}, "result": tuple(guidances)}


def check_one_model(mesh: bool, splat: bool) -> None:
    """Refuse two models for one subject."""
    if mesh and splat:
        raise ValueError("mesh and splat are both connected, but one model is the subject: unplug one of them.")
