"""1 Picture: from IMAGE and MASK to the reference of every optimizer."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..a124core.cameras.rig import reference_camera
from ..a124core.priors.builtin import SUBJECTS, example_image
from ..a124core.reference.border import NoSubjectError
from ..a124core.reference.reference import Reference, make_reference
from ..a124core.reference.segment import MASK_MARKS
from . import sockets
from .declarations import NODE_ID, Node, choice, flag, number, outputs, socket
from .host import ui
from .host.images import from_images, from_masks, marks_nothing, to_image, to_mask
from .host.other_nodes import mask_advice
from .host.runtime import outside_inference

CUTOUT_SIZE = 512  # pixels a side of the cut-out image


@outputs(
    ("image", "IMAGE", "The picture, on white where nothing is."),
    ("mask", "MASK", "1 where the picture is transparent, as Load Image gives it."),
)
class A124ExamplePicture(Node):
    """Provide an example image, as Load Image would."""

    DESCRIPTION = "A ready-made picture with its mask, to try the pack before you use your own."
    CATEGORY = "Animate124/1 Picture"
    SEARCH_ALIASES = ["animate124 example", "4D", "image to 3D", "sample picture", "demo image"]
    FUNCTION = "make"
    REQUIRED = {"subject": choice(SUBJECTS, "What the picture shows.")}

    @outside_inference
    def make(self, subject: str) -> tuple[Tensor, Tensor]:
        image, mask = example_image(subject)
        return to_image(image), 1.0 - to_mask(mask)


@outputs(
    ("reference", sockets.REFERENCE, (
        "The subject, its mask and its camera. Connect it to every optimizer and to the built-in priors."
    )),
    ("cut-out", "IMAGE", "The subject on white: look at it before you wait for a result."),
)
class A124Reference(Node):
    """Cut the subject out and set the camera the image was taken from."""

    DESCRIPTION = (
        "Turns a picture into the reference of the scene: finds the subject by its mask, its transparency or an even "
        "background, and reports on the node what it found."
    )
    CATEGORY = "Animate124/1 Picture"
    SEARCH_ALIASES = ["animate124 picture", "4D", "image to 3D", "NeRF", "animate", "cut out", "subject"]
    FUNCTION = "make"
    HAS_INTERMEDIATE_OUTPUT = True
    REQUIRED = {
        "image": socket("IMAGE", "The picture. Of a batch or an animation the first one is taken."),
        "mask_marks": choice(MASK_MARKS, (
            "What white in the mask means. Load Image marks the background, removal nodes the subject. auto: "
            "whatever touches the edges of the picture is the background."
        )),
        "recentre": flag((
            "Frame the subject in the middle. Use it when the subject is small or off to one side."
        ), advanced=True),
        "elevation": number(0.0, -80.0, 80.0, 1.0, (
            "Degrees that the camera looked down from. 0: from straight ahead."
        ), advanced=True),
        "azimuth": number(0.0, -180.0, 180.0, 1.0, (
            "Degrees that the camera stood to the side. 0: the subject faces the camera."
        ), advanced=True),
        "radius": number(1.8, 1.0, 6.0, 0.05, "Distance of the camera. The scene reaches from -1 to 1.", advanced=True),
        "fovy": number(40.0, 10.0, 90.0, 1.0, "Field of view from top to bottom, degrees.", advanced=True),
    }
    OPTIONAL = {
        "mask": socket("MASK", "Where the subject is. Without one, transparency or an even background is used."),
        "depth": socket("IMAGE", "A depth map of the picture, near = bright. It improves the shape."),
    }
    HIDDEN = NODE_ID

    @outside_inference
    def make(
        self, image: Tensor, mask_marks: str, recentre: bool, elevation: float, azimuth: float, radius: float,
        fovy: float, mask: Tensor | None = None, depth: Tensor | None = None, unique_id: str | None = None,
    ) -> dict:
        count = image.shape[0] if isinstance(image, Tensor) and image.ndim == 4 else 1
        image, alpha = from_images(image, 1)
        mask = None if mask is None else from_masks(mask)[:1]
        mask = None if mask is None or marks_nothing(mask, mask_marks) else mask
        depth = None if depth is None else from_images(depth, 1)[0]
        camera = reference_camera(elevation, azimuth, radius, fovy)
        try:
            reference = make_reference(image, mask, alpha, depth, mask_marks, recentre, camera)
        except NoSubjectError:
            raise NoSubjectError(mask_advice()) from None
        reference = _with_count(reference, count)
        ui.show_text(unique_id, reference.note)
        return {"ui": {"text": [reference.note]}, "result": (reference, to_image(reference.composite(CUTOUT_SIZE)))}


def _with_count(reference: Reference, count: int) -> Reference:
    """Note that of several images one is used."""
    if count <= 1:
        return reference
    return replace(reference, note=f"{reference.note} Of {count} images the first was taken.")
