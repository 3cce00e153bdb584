"""7 Field to splat and Field to mesh: the scene as the host's own 3D types, at one time or over the whole scene."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...a124core.export.mesh.build import build, mesh_times
from ...a124core.export.mesh.options import MeshOptions
from ...a124core.export.mesh.quality import describe_errors
from ...a124core.export.splat.gaussians import SplatOptions, field_to_splat
from ...a124core.field.field4d import Field4D
from ...a124core.utils.device import check_memory
from ...a124core.utils.progress import OnProgress
from ..declarations import NODE_ID, Node, field, flag, integer, number, outputs
from ..host import ui
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..host.types import check_splats, to_mesh, to_splat
from ..queued import when_queued

GAUSSIAN_BYTES = 4 * (7 + 14)  # ours, and the five columns of the host's

FRAMES = integer(1, 1, 256, (
    "1: the time of 'moment'. More: that many times over the whole scene, the first one first, for nodes that take a "
    "batch."
))
STILL_TIME = number(0.0, 0.0, 1.0, 0.01, (
    "Scene time, with frames at 1: 0 is the time of the reference image, 1 the end."
))


@outputs(("splat", "SPLAT", "Gaussians, for Render Splat, Create 3D File and other nodes that take splats."))
class A124FieldToSplat(Node):
    """Turns the scene into the host's Gaussians."""

    DESCRIPTION = (
        "Turns the scene into Gaussian splats of ComfyUI's own type: render, merge, save them as PLY, SPZ or KSPLAT "
        "with its splat nodes."
    )
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 splat", "gaussian splatting", "3DGS", "PLY", "SPZ", "4D"]
    FUNCTION = "convert"
    REQUIRED = {
        "field": field("The scene to turn into Gaussians."),
        "gaussians": integer(200_000, 1000, 1_000_000, (
            "At most this many at each time. Fewer are softer, more take longer to render."
        ), step=1000),
        "frames": FRAMES,
        "moment": STILL_TIME,
    }
    HIDDEN = NODE_ID

    @classmethod
    def VALIDATE_INPUTS(cls) -> bool:
        with when_queued():
            check_splats()
        return True

    @outside_inference
    def convert(
        self, field: Field4D, gaussians: int, frames: int, moment: float, unique_id: str | None = None
    ) -> dict[str, Any]:
        check_splats()
        advice = "choose fewer Gaussians or frames"
        check_memory(frames * gaussians * GAUSSIAN_BYTES, f"a batch of {frames} splats", advice)
        times = mesh_times(field, MeshOptions(frames, time=moment if frames == 1 else None))
        on_progress, field = ui.progress_callback(unique_id), field.to(host_device())
        splats = []
        for k, time in enumerate(times.tolist()):
            options, report = SplatOptions(gaussians, time), partial(_report_item, on_progress, k, frames)
            splats.append(field_to_splat(field, options, report))
        sizes = sorted({len(splat.means) for splat in splats})
        total = f"{sizes[0]} Gaussians" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} Gaussians each"
        text = total if frames == 1 else f"{frames} times, {total}"
        ui.show_text(unique_id, text)
        return ui.output(text, to_splat(splats))


def _report_item(on_progress: OnProgress, item: int, items: int, done: int, total: int, text: str) -> None:
    """Report the progress of one of several items as that of them all."""
    on_progress(item * total + done, items * total, text)


@outputs(("mesh", "MESH", "Coloured meshes, for Save 3D Model and other nodes that take meshes."))
class A124FieldToMesh(Node):
    """Turns the scene into the host's meshes."""

    DESCRIPTION = (
        "Turns the scene into meshes of ComfyUI's own type, with a colour at each vertex, for its mesh nodes. For one "
        "animated file take Export mesh."
    )
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 mesh", "marching cubes", "MESH", "3D model", "4D"]
    FUNCTION = "convert"
    REQUIRED = {
        "field": field("The scene to turn into meshes."),
        "resolution": integer(96, 16, 512, (
            "Grid steps along the object's longest side for extracting the surface. Twice as many take eight times as "
            "long."
        ), step=8),
        "faces": integer(10000, 100, 2000000, "At most this many triangles of a mesh.", step=100),
        "frames": FRAMES,
        "moment": STILL_TIME,
        "same_faces": flag(
            "With several frames: one mesh that is moved, so that every item has the same faces and colours; slower. "
            "Off: a mesh of its own at each time."
        ),
    }
    HIDDEN = NODE_ID

    @outside_inference
    def convert(
        self, field: Field4D, resolution: int, faces: int, frames: int, moment: float, same_faces: bool,
        unique_id: str | None = None,
    ) -> dict[str, Any]:
        time = moment if frames == 1 else None
        options = MeshOptions(frames, resolution=resolution, faces=faces, time=time)
        built = build(field.to(host_device()), options, same_faces, ui.progress_callback(unique_id))
        sequence = built.sequence
        number_of = "A mesh" if sequence.n_frames == 1 else f"{sequence.n_frames} meshes"
        sentences = describe_errors(built.errors, built.error_between, sequence)
        text = " ".join([f"{number_of} of at most {sequence.n_faces} faces.", *sentences, *built.notes])
        ui.show_text(unique_id, text)
        return ui.output(text, to_mesh(*(sequence.mesh(k) for k in range(sequence.n_frames))))
