"""7 Save field and Load field: the scene as a file, and back."""

from __future__ import annotations

from ...a124core.export.checkpoint import load_field, save_field
from ...a124core.field.field4d import Field4D
from ...a124core.utils.text import quote_value
from .. import sockets
from ..declarations import choice, field, outputs
from ..host import ui
from ..host.file_stamps import NEVER_SAME, file_stamps
from ..host.folders import output_folder
from ..host.runtime import outside_inference
from ..queued import panel_text
from .saving import SavingNode, free_path, name_input, saved

SUFFIX = ".safetensors"


class A124SaveField(SavingNode):
    """Writes the scene to the host's output folder."""

    DESCRIPTION = "Saves the scene to output/animate124, to render or refine it again without optimizing."
    SEARCH_ALIASES = ["animate124 save", "4D", "NeRF", "save scene", "checkpoint"]
    RETURN_TYPES = ()
    FUNCTION = "save"
    REQUIRED = {
        "field": field("The scene to save."),
        "name": name_input("field"),
    }

    @outside_inference
    def save(self, field: Field4D, name: str, unique_id: str | None = None) -> dict:
        path = free_path(name, SUFFIX)
        save_field(path, field, {})
        text = f"{saved(path)} ({path.stat().st_size / 1e6:.1f} MB)"
        ui.show_text(unique_id, text)
        return {"ui": {"text": [text]}}


@outputs(("field", sockets.FIELD, "The scene, as it was saved."))
class A124LoadField:
    """Reads a scene that was saved."""

    DESCRIPTION = "Loads a scene from output/animate124."
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 load", "4D", "NeRF", "load scene", "checkpoint"]
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"file": choice(saved_fields(), "A file under output/animate124.")}}

    @classmethod
    def VALIDATE_INPUTS(cls, file: str | None = None) -> bool | str:
        return file is None or file in saved_fields() or panel_text(_missing(file))

    @classmethod
    def IS_CHANGED(cls, file: str | None = None) -> str | float:
        return NEVER_SAME if file is None else str(file_stamps(file))

    @outside_inference
    def load(self, file: str) -> tuple[Field4D]:
        if file not in saved_fields():
            raise ValueError(_missing(file))
        return (load_field(output_folder() / file),)


def saved_fields() -> list[str]:
    """List names under our output folder, snapshots and hidden ones left out; empty where nothing was saved yet."""
    root = output_folder()
    names = (path.relative_to(root) for path in root.rglob(f"*{SUFFIX}"))
    listed = (n for n in names if n.parts[0] != "snapshots" and not any(part.startswith(".") for part in n.parts))
    return sorted(n.as_posix() for n in listed)


def _missing(file: str) -> str:
    return f"{quote_value(file)} is not in {output_folder()}: save a field first, or choose another file."
