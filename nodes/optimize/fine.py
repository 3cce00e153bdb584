"""5 Fine: the detail and colour that the video prior drifted away from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...a124core.field.field4d import Field4D
from ...a124core.protocols import Guidances
from ...a124core.stages.config import CONDITIONS
from ...a124core.stages.optimise import resolve_config
from .. import sockets
from ..host.runtime import outside_inference
from .cache_key import HIDDEN
from .run import NodeRun, chosen_preset, run, widgets


class A124FineOptimizer:
    """Stage 3."""

    DESCRIPTION = "Repairs colour and detail of the moving scene, so that every frame looks like your picture again."
    CATEGORY = "Animate124/3 Optimize"
    SEARCH_ALIASES = ["animate124 fine", "4D", "refine", "detail", "ControlNet tile", "score distillation", "SDS"]
    RETURN_TYPES = (sockets.FIELD,)
    RETURN_NAMES = ("field",)
    OUTPUT_TOOLTIPS = ("The finished scene: render it, save it, export it.",)
    FUNCTION = "optimise"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "field": (sockets.FIELD, {"tooltip": "The moving scene, from the coarse optimizer."}),
                **widgets(),
                "condition": (list(CONDITIONS), {"tooltip": (
                    "What the refine guidance repairs. frozen coarse: the scene as it came in (the method). "
                    "current render: the scene as it is now (for comparison)."
                )}),
            },
            "optional": {
                "reference": (sockets.REFERENCE, {"tooltip": "The picture that the first frame must match."}),
                "view_guidance": (sockets.VIEW_GUIDANCE, {"tooltip": "Supervises other views of the first frame."}),
                "video_guidance": (sockets.VIDEO_GUIDANCE, {"tooltip": "Keeps the motion while details change."}),
                "refine_guidance": (sockets.REFINE_GUIDANCE, {"tooltip": (
                    "Supervises detail against the picture: this wire repairs the colours."
                )}),
            },
            "hidden": HIDDEN,
        }

    @outside_inference
    def optimise(
        self, field: Field4D, preset: str, memory: str, steps: int, seed: int, resume: str, condition: str,
        reference: Any = None, view_guidance: Any = None, video_guidance: Any = None, refine_guidance: Any = None,
        graph: Any = None, unique_id: str | None = None,
    ) -> tuple[Field4D]:
        guidances = Guidances(view=view_guidance, video=video_guidance, refine=refine_guidance)
        node = NodeRun("fine", preset, seed, resume, graph, unique_id)
        chosen = replace(chosen_preset(preset, guidances).fine, condition=condition)
        config = resolve_config(chosen, guidances, steps, memory)
        return (run(node, field, field.config, reference, guidances, config),)
