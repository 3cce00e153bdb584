"""3 Static: the shape, from the picture and the image and view priors."""

from __future__ import annotations

from typing import Any

from ...a124core.field.field4d import Field4D
from ...a124core.protocols import Guidances
from ...a124core.stages.optimise import resolve_config
from .. import sockets
from ..host.runtime import outside_inference
from .cache_key import HIDDEN
from .field_config import with_choices
from .run import NodeRun, chosen_preset, run, widgets


class A124StaticOptimizer:
    """Stage 1."""

    DESCRIPTION = (
        "Builds the shape at rest: it fits your picture from the front and the priors supervise all other views."
    )
    CATEGORY = "Animate124/3 Optimize"
    SEARCH_ALIASES = ["animate124 static", "4D", "image to 3D", "NeRF", "shape", "score distillation", "SDS"]
    RETURN_TYPES = (sockets.FIELD,)
    RETURN_NAMES = ("field",)
    OUTPUT_TOOLTIPS = ("The scene at rest. Connect it to the coarse optimizer, or render it.",)
    FUNCTION = "optimise"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": widgets(),
            "optional": {
                "reference": (sockets.REFERENCE, {"tooltip": "The picture that the front must match."}),
                "image_guidance": (sockets.IMAGE_GUIDANCE, {"tooltip": "Supervises single images by the prompt."}),
                "view_guidance": (sockets.VIEW_GUIDANCE, {"tooltip": "Supervises other views by the picture."}),
                "field_config": (sockets.FIELD_CONFIG, {"tooltip": "How the scene is stored. Not needed as a rule."}),
            },
            "hidden": HIDDEN,
        }

    @outside_inference
    def optimise(
        self, preset: str, memory: str, steps: int, seed: int, resume: str, reference: Any = None,
        image_guidance: Any = None, view_guidance: Any = None, field_config: Any = None,
        graph: Any = None, unique_id: str | None = None,
    ) -> tuple[Field4D]:
        guidances = Guidances(image=image_guidance, view=view_guidance)
        node = NodeRun("static", preset, seed, resume, graph, unique_id)
        chosen = chosen_preset(preset, guidances)
        config = resolve_config(chosen.static, guidances, steps, memory)
        return (run(node, None, with_choices(chosen.field, field_config), reference, guidances, config),)
