"""4 Coarse: the motion, from the video prior."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...a124core.field.field4d import Field4D
from ...a124core.protocols import Guidances
from ...a124core.stages.optimise import resolve_config
from .. import sockets
from ..host.runtime import outside_inference
from .cache_key import HIDDEN
from .field_config import with_choices
from .run import NodeRun, chosen_preset, run, widgets


class A124CoarseOptimizer:
    """Stage 2."""

    DESCRIPTION = (
        "Teaches the shape to move as the video prior says, while its first frame keeps looking like your picture."
    )
    CATEGORY = "Animate124/3 Optimize"
    SEARCH_ALIASES = ["animate124 coarse", "4D", "animate", "motion", "dynamic NeRF", "score distillation", "SDS"]
    RETURN_TYPES = (sockets.FIELD,)
    RETURN_NAMES = ("field",)
    OUTPUT_TOOLTIPS = ("The moving scene. Connect it to the fine optimizer, or render it.",)
    FUNCTION = "optimise"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "field": (sockets.FIELD, {"tooltip": "The scene at rest, from the static optimizer."}),
                **widgets(),
            },
            "optional": {
                "reference": (sockets.REFERENCE, {"tooltip": "The picture that the first frame must match."}),
                "view_guidance": (sockets.VIEW_GUIDANCE, {"tooltip": "Supervises other views of the first frame."}),
                "video_guidance": (sockets.VIDEO_GUIDANCE, {"tooltip": (
                    "Judges clips: this wire decides how it moves."
                )}),
                "field_config": (sockets.FIELD_CONFIG, {"tooltip": (
                    "Of its choices the time grids and the loop count here. Not needed as a rule."
                )}),
            },
            "hidden": HIDDEN,
        }

    @outside_inference
    def optimise(
        self, field: Field4D, preset: str, memory: str, steps: int, seed: int, resume: str, reference: Any = None,
        view_guidance: Any = None, video_guidance: Any = None, field_config: Any = None,
        graph: Any = None, unique_id: str | None = None,
    ) -> tuple[Field4D]:
        guidances = Guidances(view=view_guidance, video=video_guidance)
        node = NodeRun("coarse", preset, seed, resume, graph, unique_id)
        chosen = chosen_preset(preset, guidances)
        config = resolve_config(chosen.coarse, guidances, steps, memory)
        grid = with_choices(replace(chosen.field, loop=field.config.loop), field_config)
        return (run(node, field, grid, reference, guidances, config),)
