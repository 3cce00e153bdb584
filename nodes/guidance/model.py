"""2 Priors: a 3D model or pictures with known cameras, as the prior of the other views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from ...a124core.cameras.keyframes import image_cameras
from ...a124core.models3d.align import Placement
from ...a124core.models3d.hull import visual_hull
from ...a124core.models3d.placed import NotAlignedError
from ...a124core.models3d.preview import preview_image
from ...a124core.priors.model3d import ExactNumbers, Model3DGuidances, model3d_guidances
from ...a124core.priors.owned import refine_guidance
from ...a124core.priors.posed_images import PosedGuidances, posed_guidances, posed_images
from ...a124core.protocols import Guidances
from ...a124core.reference.reference import camera_of
from .. import sockets
from ..declarations import RUN_ID, Node, Spec, choice, integer, number, outputs, socket, unused_options
from ..host import ui
from ..host.graph import wired_outputs
from ..host.images import from_images, from_masks, to_image
from ..host.models3d import FILE_SOCKETS, from_file_3d, from_mesh, from_splat, has_type
from ..host.runtime import outside_inference
from ..queued import UNPLUGGED, check_declared, when_queued
from .widgets import check_noise, in_unit, weight_unit

SOURCES = ("splat", "mesh", "model_3d", "images")  # of which exactly one is connected
ALIGN = ("auto", "manual")
REFINE = 3  # the output that reads a model also of pictures
PLACEMENT = ("azimuth", "elevation", "scale", "x", "y")  # widgets that align manual reads
ADVICE = (
    "connect a model of the same subject, or set align to manual and turn azimuth (elevation, scale, x, y) until the "
    "preview shows it as the picture does"
)
MISSING = {  # sentences for outputs that a model does not have, when they are wired
    "video": (
        "what is connected stands still, so there is no video guidance: unplug it and use Clip as video guidance, or "
        "wire a batch of meshes or splats, one for each time."
    ),
}


@outputs(
    ("image guidance", sockets.IMAGE_GUIDANCE, "Matches single renders to the model. For the static stage."),
    ("view guidance", sockets.VIEW_GUIDANCE, "Matches other views to the model. For all stages."),
    ("video guidance", sockets.VIDEO_GUIDANCE, (
        "Matches the motion to a sequence of models, from all sides. Only a batch of several items has it."
    )),
    ("refine guidance", sockets.REFINE_GUIDANCE, "Restores the details of what is known. For the fine stage."),
    ("preview", "IMAGE", "The picture, and the aligned model from its camera, from the right and from behind."),
)
class A124ModelGuidance(Node):
    """The exact prior of a 3D model, of a sequence of them, or of pictures with known cameras."""

    DESCRIPTION = (
        "Your own 3D model shows the sides that the picture hides: a splat from TripoSplat, a mesh from Hunyuan3D or "
        "TRELLIS, a file, or pictures from known cameras. It is aligned to the picture by itself. No network runs."
    )
    SEARCH_ALIASES = [
        "animate124 model", "3D model as guidance", "mesh to 4D", "splat to 4D", "TripoSplat", "Hunyuan3D", "TRELLIS",
        "gaussian splat", "novel view", "orbit",
    ]
    CATEGORY = "Animate124/2 Priors"
    FUNCTION = "make"
    REQUIRED = {
        "align": choice(ALIGN, (
            "auto: turn, scale and shift the model until it covers the subject of the picture. manual: by the five "
            "numbers below."
        )),
        "azimuth": number(0.0, -360.0, 360.0, 1.0, (
            "For manual: degrees about the upright axis; more turns its front to the right."
        )),
        "elevation": number(0.0, -180.0, 180.0, 1.0, "For manual: degrees that its top is tilted towards the camera."),
        "scale": number(1.0, 0.05, 20.0, 0.01, "For manual: size; at 1 its longest side is half of the scene."),
        "x": number(0.0, -2.0, 2.0, 0.01, "For manual: how far to the right; the scene reaches from -1 to 1."),
        "y": number(0.0, -2.0, 2.0, 0.01, "For manual: how far up."),
        "size": integer(64, 16, 512, (
            "Side, in pixels, at which renders are compared with the model. Near the size that the preset renders "
            "(demo 48, good and draft 64, released 128)."
        ), step=8),
        "weight": number(1.0, 0.0, 1000.0, 0.01, (
            "Weight of the guidances, as a factor of the usual one. More: the scene follows the model more closely."
        )),
        "t_min": number(0.02, 0.0, 1.0, 0.01, (
            "Lowest noise level that is drawn, as a share of the schedule. A model is exact at any noise, so the range "
            "only scales the gradient."
        ), advanced=True),
        "t_max": number(0.98, 0.0, 1.0, 0.01, (
            "Highest noise level that is drawn, as a share of the schedule."
        ), advanced=True),
    }
    HIDDEN = RUN_ID

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict]:
        """Return the inputs in the host's groups; a socket whose type the host does not know is left out."""
        picture = socket(sockets.REFERENCE, "The picture that the model is aligned to.")
        optional: dict[str, Spec] = {"reference": picture}
        if has_type("SPLAT"):
            optional["splat"] = socket("SPLAT", (
                "The model as Gaussian splats, from TripoSplat or a file. Several items are a sequence in time."
            ))
        optional["mesh"] = socket("MESH", (
            "The model as a mesh, from Hunyuan3D, TRELLIS or another node. Several items are a sequence in time."
        ))
        if has_type("FILE_3D"):
            optional["model_3d"] = socket(",".join(FILE_SOCKETS), (
                "The model as a 3D file: .glb, .obj, .ply (mesh or splats), .splat or .spz."
            ))
        optional["images"] = socket("IMAGE", (
            "Pictures of the subject at rest from all around, each with its camera: an orbit, or photos."
        ))
        optional["mask"] = socket("MASK", (
            "For images: where the subject is, one mask for each picture. Without one, transparency or an even "
            "background is used."
        ))
        optional["cameras"] = socket(f"{sockets.CAMERAS},LOAD3D_CAMERA", (
            "For images: the cameras that took them, from 6 Cameras or a list of 3D cameras, one for each picture."
        ))
        optional["weight_unit"] = weight_unit("weight is a factor of the usual one in either unit")
        return {"required": dict(cls.REQUIRED), "optional": optional, "hidden": dict(cls.HIDDEN)}

    @classmethod
    def VALIDATE_INPUTS(
        cls, align: str | None = None, t_min: float | None = None, t_max: float | None = None, splat: Any = UNPLUGGED,
        mesh: Any = UNPLUGGED, model_3d: Any = UNPLUGGED, images: Any = UNPLUGGED, mask: Any = UNPLUGGED,
        cameras: Any = UNPLUGGED,
    ) -> bool:
        wires = dict(zip(SOURCES, (splat, mesh, model_3d, images), strict=True))
        with when_queued():
            check_declared(cls, align=align)
            check_noise(cls, t_min, t_max)
            extras = {"mask": mask is not UNPLUGGED, "cameras": cameras is not UNPLUGGED}
            check_sources([name for name, wire in wires.items() if wire is not UNPLUGGED], **extras)
        return True

    @outside_inference
    def make(
        self, align: str, azimuth: float, elevation: float, scale: float, x: float, y: float, size: int, weight: float,
        t_min: float, t_max: float, reference: Any = None, splat: Any = None, mesh: Any = None, model_3d: Any = None,
        images: Tensor | None = None, mask: Tensor | None = None, cameras: Any = None,
        weight_unit: str = "raw", graph: Any = None, unique_id: str | None = None,
    ) -> dict:
        sources = dict(zip(SOURCES, (splat, mesh, model_3d, images), strict=True))
        connected = [name for name, value in sources.items() if value is not None]
        check_sources(connected, mask is not None, cameras is not None)
        manual = Placement(azimuth, elevation, scale, x, y)
        placement, numbers = manual if align == "manual" else None, ExactNumbers(weight, t_min, t_max)
        on_progress, notes = ui.progress_callback(unique_id), []
        try:
            if images is not None:
                frames, alpha = from_images(images)
                masks = None if mask is None else from_masks(mask)
                own, interpolated = image_cameras(cameras, len(frames))
                notes = [interpolated]
                posed = posed_images(frames, masks, alpha, own, on_progress)
                made: PosedGuidances | Model3DGuidances = posed_guidances(posed, reference, placement, size, numbers)
            else:
                loaded = from_splat(splat) if splat is not None else None
                loaded = from_mesh(mesh) if mesh is not None else loaded
                loaded = from_file_3d(model_3d) if model_3d is not None else loaded
                made = model3d_guidances(loaded, reference, placement, size, numbers, on_progress)
        except NotAlignedError as error:
            raise NotAlignedError(error.overlap, ADVICE) from None
        guidances, wired, models = made.guidances, wired_outputs(graph, unique_id), ()
        if isinstance(made, Model3DGuidances):
            models = made.models
        elif REFINE in wired:  # it takes seconds
            models = (visual_hull(made.posed, camera_of(reference)),)
        if models:
            refine = refine_guidance(models, (), size)
            guidances = replace(guidances, refine=replace(refine, weight=refine.weight * weight))
        check_wired(guidances, wired)
        if align == "auto":
            notes.append(unused_options(type(self), "align auto", PLACEMENT, vars(manual)))
        note = " ".join(filter(None, (made.note, *notes)))
        ui.show_text(unique_id, note)
        first = made.posed if isinstance(made, PosedGuidances) else made.models[0]
        return ui.output(note, *in_unit(weight_unit, vars(guidances)), to_image(preview_image(first, reference)))


def check_sources(connected: list[str], mask: bool, cameras: bool) -> None:
    """Refuse anything but one model, pictures without their cameras, and what belongs to pictures beside a model."""
    if len(connected) != 1:
        actual = f"{' and '.join(connected)} are connected" if connected else "no model is connected"
        raise ValueError(f"{actual}: wire exactly one of splat, mesh, model_3d and images.")
    if connected == ["images"] and not cameras:
        raise ValueError("the images came without cameras: wire the cameras that took them, one for each picture.")
    unused = [name for name, is_connected in (("mask", mask), ("cameras", cameras)) if is_connected]
    if connected != ["images"] and unused:
        source = connected[0]
        raise ValueError(
            f"{' and '.join(unused)} came with {source}, but only images use {'them' if unused[1:] else 'it'}: unplug "
            f"{'them' if unused[1:] else 'it'}, or wire images in place of {source}."
        )


def check_wired(guidances: Guidances, wired: set[int]) -> None:
    """Refuse a wire from an output that this model does not have."""
    for k, (role, guidance) in enumerate(vars(guidances).items()):
        if guidance is None and k in wired:
            raise ValueError(MISSING[role])
