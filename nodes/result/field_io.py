"""7 Save field and Load field: the scene as a file, and back."""

from __future__ import annotations

from pathlib import Path

from ...a124core.export.checkpoint import load_field, save_field
from ...a124core.field.field4d import Field4D
from .. import sockets
from ..host import ui
from ..host.file_stamps import file_stamps
from ..host.folders import output_folder
from ..host.runtime import outside_inference
from . import names

SUFFIX = ".safetensors"


class A124SaveField:
    """Writes the scene to the host's output folder."""

    DESCRIPTION = "Saves the scene to output/animate124, to render or refine it again without optimizing."
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 save", "4D", "NeRF", "save scene", "checkpoint"]
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "save"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "field": (sockets.FIELD, {"tooltip": "The scene to save."}),
                "name": ("STRING", {"default": "field", "tooltip": (
                    "Name of the file in output/animate124; a number is appended, nothing is overwritten."
                )}),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None) -> bool | str:
        return names.usable_name(name)

    @outside_inference
    def save(self, field: Field4D, name: str, unique_id: str | None = None) -> dict:
        path = names.free_path(name, SUFFIX)
        save_field(path, field, {})
        text = f"{names.saved(path)} ({path.stat().st_size / 1e6:.1f} MB)"
        ui.show_text(unique_id, text)
        return {"ui": {"text": [text]}}


class A124LoadField:
    """Reads a scene that was saved."""

    DESCRIPTION = "Loads a scene from output/animate124."
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 load", "4D", "NeRF", "load scene", "checkpoint"]
    RETURN_TYPES = (sockets.FIELD,)
    RETURN_NAMES = ("field",)
    OUTPUT_TOOLTIPS = ("The scene, as it was saved.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"file": (saved_fields(), {"tooltip": "A file under output/animate124."})}}

    @classmethod
    def VALIDATE_INPUTS(cls, file: str) -> bool | str:
        return True if file in saved_fields() else _missing(file)

    @classmethod
    def IS_CHANGED(cls, file: str) -> str:
        return str(file_stamps(file))

    @outside_inference
    def load(self, file: str) -> tuple[Field4D]:
        if file not in saved_fields():
            raise ValueError(_missing(file))
        return (load_field(output_folder() / file),)


def saved_fields() -> list[str]:
    """List names under our output folder, snapshots left out; empty where nothing was saved yet."""
    root = output_folder()
    names = (path.relative_to(root) for path in root.rglob(f"*{SUFFIX}"))
    return sorted(Path(n).as_posix() for n in names if n.parts[0] != "snapshots" and not n.name.startswith("."))


def _missing(file: str) -> str:
    return f"{file!r} is not in {output_folder()}: save a field first, or choose another file."
