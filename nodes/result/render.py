"""6 Render: the scene as images."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...a124core.cameras.camera_info import to_camera_infos
from ...a124core.cameras.paths import CameraPath, sample_path
from ...a124core.cameras.rig import to_pinholes
from ...a124core.export.images.film import BACKGROUND_COLOURS
from ...a124core.field.field4d import Field4D
from ...a124core.render.clip import ImageOptions, render_clip
from ...a124core.utils.device import check_memory
from .. import sockets
from ..declarations import NODE_ID, Node, choice, field, integer, outputs, socket
from ..host import ui
from ..host.images import to_depth_image, to_image, to_mask
from ..host.memory import host_device
from ..host.runtime import outside_inference

PIXEL_BYTES = 4 * (8 + 10)  # colour, mask, depth and normal as they are rendered, then as the four outputs


@outputs(
    ("image", "IMAGE", "One image a frame."),
    ("mask", "MASK", "1 where the subject is."),
    ("depth", "IMAGE", "Near = bright, over the whole clip; black where nothing is."),
    ("normal", "IMAGE", "Surface directions as colours, in the scene's axes."),
    ("camera_info", "LOAD3D_CAMERA", "The image's camera, or of several images the list of theirs, for 3D nodes."),
)
class A124Render(Node):
    """Renders images, masks, depth and normals of a scene from any cameras."""

    DESCRIPTION = (
        "Renders the scene from the given cameras: images, masks, depth and normals, for a video or a ControlNet."
    )
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 render", "4D", "NeRF", "orbit video", "depth map", "normal map"]
    FUNCTION = "render"
    REQUIRED = {
        "field": field(),
        "cameras": socket(sockets.CAMERAS, "From where it is rendered."),
        "frames": integer(32, 1, 1024, (
            "How many images. They cover the whole scene, so more frames play slower and smoother."
        )),
        "size": integer(256, 16, 2048, "Width and height of an image, pixels. Two eyes make it twice as wide.", step=8),
        "background": choice(BACKGROUND_COLOURS, "The colour behind the subject."),
    }
    HIDDEN = NODE_ID

    @outside_inference
    def render(
        self, field: Field4D, cameras: CameraPath, frames: int, size: int, background: str,
        unique_id: str | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Any]:
        views, time = sample_path(cameras, frames, field.config.loop)
        needed = frames * size * size * to_pinholes(views[:1]).eyes * PIXEL_BYTES
        advice = "render fewer or smaller ones, or use Export video or frames"
        check_memory(needed, f"a batch of {frames} images", advice)
        options = ImageOptions(size, background=BACKGROUND_COLOURS[background])
        # Normals are rendered though often nobody takes them (a third of the time): a node sees the workflow's wires
        # when it runs, but they are not in the host's cache key, and IS_CHANGED gets no workflow: a wire added later
        # would get the cached output, without normals.
        clip = render_clip(field.to(host_device()), views, time, options, ui.progress_callback(unique_id))
        depth = to_depth_image(clip.depth, clip.mask)
        image, depth, normal = (to_image(planes) for planes in (clip.image, depth, clip.normal))
        infos = to_camera_infos(views)
        return image, to_mask(clip.mask), depth, normal, infos[0] if frames == 1 else infos
