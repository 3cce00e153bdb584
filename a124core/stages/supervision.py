"""What supervises each stage: the roles of guidances that it uses, and that at least one thing is connected."""

from __future__ import annotations

from collections.abc import Iterable

from ..protocols import Guidances
from ..reference.reference import Reference

USED = {"static": ("image", "view"), "coarse": ("view", "video"), "fine": ("view", "video", "refine")}  # Eq. 4 to 6
UNSUPERVISED = {
    "static": "nothing tells the static stage what to make: connect a reference, an image guidance or a view guidance.",
    "coarse": (
        "nothing tells the coarse stage how to move: connect a video guidance (or a reference or view guidance)."
    ),
    "fine": (
        "nothing tells the fine stage what to repair: connect a refine guidance (or a reference, view or video "
        "guidance)."
    ),
}


def check_supervised(stage: str, connected: Iterable[str]) -> None:
    """Refuse a stage to which neither "reference" nor one of its own roles is connected."""
    if not {"reference", *USED[stage]} & {*connected}:
        raise ValueError(UNSUPERVISED[stage])


def connected_roles(reference: Reference | None, guidances: Guidances) -> list[str]:
    """Name what is connected: "reference" and roles."""
    named = {"reference": reference, **vars(guidances)}
    return [name for name, value in named.items() if value is not None]
