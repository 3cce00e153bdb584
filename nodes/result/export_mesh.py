"""7 Export mesh: the scene as an animated 3D file."""

from __future__ import annotations

from ...a124core.export.mesh import FORMATS, MeshOptions, export_mesh
from ...a124core.field.field4d import Field4D
from ..declarations import choice, field, flag, integer, number, outputs, unused_options
from ..host import ui
from ..host.folders import output_relative_path, ui_3d
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..host.types import to_file_3d, to_mesh
from .saving import SavingNode, free_path, name_input, saved

GLB_ONLY = ("texture", "quantise")


@outputs(
    ("path", "STRING", "The file below the output folder: connect it to model_file of Preview 3D."),
    ("file", "FILE_3D", "The same file, for nodes that take 3D files."),
    ("mesh", "MESH", "The first frame, for nodes that take meshes."),
)
class A124ExportMesh(SavingNode):
    """Write moving meshes into the host's output folder."""

    DESCRIPTION = (
        "Turns the scene into a moving mesh with colours and saves it to output/animate124: an animated GLB for "
        "Blender, game engines and Preview 3D, or USD, or a file for each frame."
    )
    SEARCH_ALIASES = ["animate124 mesh", "export GLB", "save 3D", "USD", "PLY", "OBJ", "4D", "marching cubes"]
    FUNCTION = "export"
    REQUIRED = {
        "field": field("The scene to turn into a mesh."),
        "format": choice(FORMATS, (
            "animated GLB: one mesh that moves. flip-book GLB: a mesh for each frame, for scenes whose parts join and "
            "come apart. USD: needs usd-core. PLY and OBJ: a folder with a file for each frame."
        )),
        "frames": integer(16, 1, 1000, (
            "How many meshes over the whole scene. An animated GLB moves smoothly between them; 1: a still."
        )),
        "fps": number(8.0, 0.1, 120.0, 0.1, (
            "Frames a second when it plays. A loop or a flip-book of 16 frames at 8 lasts two seconds; an animated GLB "
            "that does not loop ends with its last frame, an eighth of a second earlier."
        )),
        "resolution": integer(96, 16, 512, (
            "Grid steps along the object's longest side for extracting the surface. Twice as many take eight times as "
            "long."
        ), step=8),
        "faces": integer(10000, 100, 2000000, "At most this many triangles.", step=100),
        "texture": integer(0, 0, 4096, (
            "Side of a texture image for the colours, pixels (GLB only). 0: a colour at each vertex, which every "
            "viewer shows."
        ), step=64),
        "quantise": flag(
            "A smaller GLB: positions in 16 bits, normals in 8. Blender, three.js and Preview 3D read it; some older "
            "programs do not."
        ),
        "name": name_input("mesh"),
        "moment": number(0.0, 0.0, 1.0, 0.01, (
            "Scene time of a still, with frames at 1: 0 is the time of the reference image, 1 the end."
        )),
    }

    @outside_inference
    def export(
        self, field: Field4D, format: str, frames: int, fps: float, resolution: int, faces: int, texture: int,
        quantise: bool, name: str, moment: float = 0.0, unique_id: str | None = None,
    ) -> dict:
        options = MeshOptions(frames, fps, resolution, faces, texture, quantise, moment if frames == 1 else None)
        path = free_path(name, FORMATS[format].suffix)
        report = export_mesh(field.to(host_device()), path, format, options, ui.progress_callback(unique_id))
        values = {"texture": texture, "quantise": quantise, "moment": moment}
        unused = (*(() if path.suffix == ".glb" else GLB_ONLY), *(() if frames == 1 else ("moment",)))
        kind = format if frames == 1 else f"{format} with {frames} frames"
        note = unused_options(type(self), kind, unused, values)
        text = f"{saved(path)}\n{' '.join(filter(None, (note, report.summary())))}"
        ui.show_text(unique_id, text)
        result = (output_relative_path(path), to_file_3d(path), to_mesh(report.mesh))
        return {"ui": {"text": [text], **ui_3d(path)}, "result": result}
