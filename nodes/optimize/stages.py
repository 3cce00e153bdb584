"""3 to 5: the optimizers of the three stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from ...a124core.field.config import FieldConfig
from ...a124core.field.field4d import Field4D
from ...a124core.protocols import Guidances
from ...a124core.stages.config import CONDITIONS, SAMPLINGS
from ...a124core.stages.optimise import resolve_config
from ...a124core.stages.supervision import check_supervised
from .. import sockets
from ..declarations import RUN_ID, Node, Spec, choice, field, outputs, socket
from ..host.runtime import outside_inference
from ..queued import UNPLUGGED, when_queued
from .field_config import AS_PRESET
from .run import NodeRun, chosen_preset, run, widgets


def sampling() -> Spec:
    """Return the choice of how a moving stage draws the times of its clips."""
    return choice([AS_PRESET, *SAMPLINGS], (
        "How the times of a clip are drawn, for comparison. balanced: many clips begin with the picture, as in the "
        "paper. random: clips begin anywhere. never-zero: none begins with the picture. stratified: all times alike."
    ), advanced=True)


class Optimizer(Node):
    """One stage, from the field of the stage before."""

    stage: ClassVar[str]
    CATEGORY = "Animate124/3 Optimize"
    FUNCTION = "optimise"
    HAS_INTERMEDIATE_OUTPUT = True
    HIDDEN = RUN_ID

    @classmethod
    def VALIDATE_INPUTS(
        cls, reference: Any = UNPLUGGED, image_guidance: Any = UNPLUGGED, view_guidance: Any = UNPLUGGED,
        video_guidance: Any = UNPLUGGED, refine_guidance: Any = UNPLUGGED,
    ) -> bool:
        wires = {"reference": reference, "image": image_guidance, "view": view_guidance, "video": video_guidance,
                 "refine": refine_guidance}
        with when_queued():
            check_supervised(cls.stage, (name for name, wire in wires.items() if wire is not UNPLUGGED))
        return True

    @outside_inference
    def optimise(
        self, preset: str, memory: str, steps: int, seed: int, resume: str, field: Field4D | None = None,
        condition: str | None = None, reference: Any = None, image_guidance: Any = None, view_guidance: Any = None,
        video_guidance: Any = None, refine_guidance: Any = None, field_config: dict[str, Any] | None = None,
        sampling: str = AS_PRESET, graph: Any = None, unique_id: str | None = None,
    ) -> dict[str, Any]:
        guidances = Guidances(image_guidance, view_guidance, video_guidance, refine_guidance)
        node = NodeRun(self.stage, preset, seed, resume, graph, unique_id)
        chosen = chosen_preset(preset, guidances)
        config = getattr(chosen, self.stage)
        config = config if condition is None else replace(config, condition=condition)
        config = config if sampling == AS_PRESET else replace(config, time=replace(config.time, sampling=sampling))
        grid = self.grid(chosen.field, field, field_config or {})
        return run(node, field, grid, reference, guidances, resolve_config(config, guidances, steps, memory))

    def grid(self, preset: FieldConfig, field: Field4D | None, chosen: dict[str, Any]) -> FieldConfig:
        """Return how the stage's field is stored: as its preset and the field config say."""
        return replace(preset, **chosen)


@outputs(("field", sockets.FIELD, "The scene at rest. Connect it to the coarse optimizer, or render it."))
class A124StaticOptimizer(Optimizer):
    """Stage 1."""

    DESCRIPTION = (
        "Builds the shape at rest: it fits your picture from the front and the priors guide all other views."
    )
    SEARCH_ALIASES = ["animate124 static", "4D", "image to 3D", "NeRF", "shape", "score distillation", "SDS"]
    stage = "static"
    REQUIRED = widgets()
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, "The picture that the front must match."),
        "image_guidance": socket(sockets.IMAGE_GUIDANCE, "Guides single images by the prompt."),
        "view_guidance": socket(sockets.VIEW_GUIDANCE, "Guides other views by the picture."),
        "field_config": socket(sockets.FIELD_CONFIG, "How the scene is stored. Not needed as a rule."),
    }


@outputs(("field", sockets.FIELD, "The moving scene. Connect it to the fine optimizer, or render it."))
class A124CoarseOptimizer(Optimizer):
    """Stage 2."""

    DESCRIPTION = (
        "Teaches the shape to move as the video prior says, while its first frame keeps looking like your picture."
    )
    SEARCH_ALIASES = ["animate124 coarse", "4D", "animate", "motion", "dynamic NeRF", "score distillation", "SDS"]
    stage = "coarse"
    REQUIRED = {
        "field": field("The scene at rest, from the static optimizer."),
        **widgets(),
    }
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, "The picture that the first frame must match."),
        "view_guidance": socket(sockets.VIEW_GUIDANCE, "Guides other views of the first frame."),
        "video_guidance": socket(sockets.VIDEO_GUIDANCE, "Guides clips: this wire decides how it moves."),
        "field_config": socket(sockets.FIELD_CONFIG, (
            "Of its choices the time grids and the loop count here. Not needed as a rule."
        )),
        "sampling": sampling(),
    }

    def grid(self, preset: FieldConfig, field: Field4D, chosen: dict[str, Any]) -> FieldConfig:
        """Return how the moving field is stored: as the one at rest, in time as preset and field config say; a loop
        stays one."""
        in_time = {"time_grids": preset.time_grids, **{k: chosen[k] for k in ("time_grids", "loop") if k in chosen}}
        return replace(field.config, **in_time)


@outputs(("field", sockets.FIELD, "The finished scene: render it, save it, export it."))
class A124FineOptimizer(Optimizer):
    """Stage 3."""

    DESCRIPTION = "Repairs colour and detail of the moving scene, so that every frame looks like your picture again."
    SEARCH_ALIASES = ["animate124 fine", "4D", "refine", "detail", "ControlNet tile", "score distillation", "SDS"]
    stage = "fine"
    REQUIRED = {
        "field": field("The moving scene, from the coarse optimizer."),
        **widgets(),
        "condition": choice(CONDITIONS, (
            "What the refine guidance repairs. frozen coarse: the scene as it came in (the method). current render: "
            "the scene as it is now (for comparison)."
        )),
    }
    OPTIONAL = {
        "reference": socket(sockets.REFERENCE, "The picture that the first frame must match."),
        "view_guidance": socket(sockets.VIEW_GUIDANCE, "Guides other views of the first frame."),
        "video_guidance": socket(sockets.VIDEO_GUIDANCE, "Keeps the motion while details change."),
        "refine_guidance": socket(sockets.REFINE_GUIDANCE, (
            "Guides detail towards the picture: this wire repairs the colours."
        )),
        "sampling": sampling(),
    }

    def grid(self, preset: FieldConfig, field: Field4D, chosen: dict[str, Any]) -> FieldConfig:
        """Return how the field is stored already."""
        return field.config
