"""The grid of the scene, for those who want to change it."""

from __future__ import annotations

from typing import Any

from ...a124core.field.config import BACKBONES, INDEX_MODES
from .. import sockets
from ..declarations import Node, choice, flag, integer, outputs

AS_PRESET = "as the preset"


@outputs(("field config", sockets.FIELD_CONFIG, "Connect it to the static and to the coarse optimizer."))
class A124FieldConfig(Node):
    """How the scene is stored: only what differs from the preset."""

    DESCRIPTION = "Changes how the scene is stored. Leave it out unless you know why you want it: presets choose well."
    CATEGORY = "Animate124/3 Optimize"
    SEARCH_ALIASES = ["animate124 field", "4D grid", "hash grid", "NeRF", "loop"]
    FUNCTION = "make"
    REQUIRED = {
        "backbone": choice(BACKBONES, (
            "The kind of field. 4D grid: the paper's. For comparison, HexPlane: six planes of space and time; set the "
            "picture's azimuth to 45. tiny-cuda-nn: the grid of that package, by it where it is installed."
        )),
        "index_mode": choice([AS_PRESET, *INDEX_MODES], (
            "How grid corners find their row. hash: good for everything; tiled: without a hash, as the paper says; "
            "tiled_full: the same as files before had it, its finest level sheared; tiled_legacy: the release's, which "
            "drops one axis at fine levels. Other backbones have an index of their own."
        )),
        "levels": integer(0, 0, 24, "Resolution levels. 0: as the preset. More levels, finer detail, more memory."),
        "time_grids": integer(0, 0, 256, (
            "Grids along time. 0: as the preset. Used where motion begins, by the coarse optimizer."
        )),
        "loop": flag("The end of the scene joins its start, so that the clip loops."),
    }

    def make(self, backbone: str, index_mode: str, levels: int, time_grids: int, loop: bool) -> tuple[dict[str, Any]]:
        chosen = {"index_mode": index_mode, "levels": levels, "time_grids": time_grids, "loop": loop}
        chosen = {name: value for name, value in chosen.items() if value and value != AS_PRESET}
        own = {} if backbone == BACKBONES[0] else {"backbone": backbone, "index_mode": "hash"}
        return (own | chosen,)
