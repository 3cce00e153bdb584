"""2 Priors: finished clips, from any video model or camera, as the prior of motion and of what they show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from ...a124core.cameras.keyframes import image_cameras
from ...a124core.priors.clip_frames import ClipFrames
from ...a124core.priors.followed import clip_guidances
from ...a124core.priors.video_clip import VIDEO_CLIP, film_clips
from ...a124core.reference.segment import MASK_MARKS
from .. import sockets
from ..declarations import NODE_ID, Node, choice, integer, number, outputs, socket
from ..host import ui
from ..host.images import from_images, from_masks, marks_nothing
from ..host.runtime import outside_inference
from ..queued import when_queued
from .widgets import check_noise, in_unit, weight_unit


@outputs(("video guidance", sockets.VIDEO_GUIDANCE, (
    "Matches the motion to the clip. Connect it to the coarse (and the fine) optimizer."
)), ("refine guidance", sockets.REFINE_GUIDANCE, (
    "Restores the details that the clip shows, without any model. Connect it to the fine optimizer."
)))
class A124ClipGuidance(Node):
    """The exact prior of a clip, or of several from several cameras."""

    DESCRIPTION = (
        "Your own clip drives the motion: frames from Wan, LTX, AnimateDiff, a phone or any other node, from the "
        "camera of your picture or from cameras that you connect. It guides the sides that it shows, so connect a view "
        "guidance or a 3D model for the others."
    )
    SEARCH_ALIASES = ["animate124 clip", "4D", "video to 4D", "animate", "Wan", "LTX", "AnimateDiff", "guidance"]
    CATEGORY = "Animate124/2 Priors"
    FUNCTION = "make"
    HAS_INTERMEDIATE_OUTPUT = True
    REQUIRED = {
        "images": socket("IMAGE", (
            "The clip's frames in order. The first is the beginning of the scene and should look like your picture, "
            "the last is its end. A camera that moves needs 'cameras'. A batch of views holds one clip after another."
        )),
        "mask_marks": choice(MASK_MARKS, (
            "What white in the masks means. auto: whatever touches the edges of the picture is the background."
        )),
        "size": integer(64, 16, 512, (
            "Side, in pixels, at which renders are compared with the clip. Near the size that the preset renders (demo "
            "48, good and draft 64, released 128)."
        ), step=8),
        "weight": number(VIDEO_CLIP.weight, 0.0, 1.0, 1e-6, (
            "Weight of this guidance. More: the motion follows the clip more closely."
        ), round=False),
        "t_min": number(VIDEO_CLIP.t_min, 0.0, 1.0, 0.01, (
            "Lowest noise level that is drawn, as a share of the schedule. A clip is exact at any noise, so the range "
            "only scales the gradient."
        ), advanced=True),
        "t_max": number(VIDEO_CLIP.t_max, 0.0, 1.0, 0.01, (
            "Highest noise level that is drawn, as a share of the schedule."
        ), advanced=True),
    }
    OPTIONAL = {
        "mask": socket("MASK", (
            "Where the subject is, one mask for each frame. Without one, transparency or a plain background is used."
        )),
        "reference": socket(sockets.REFERENCE, (
            "The picture the clip begins with: its camera is the clip's, and the node warns if the two do not look "
            "alike."
        )),
        "cameras": socket(f"{sockets.CAMERAS},LOAD3D_CAMERA", (
            "Where the clip was filmed from, if not from the picture's camera: one camera, or one for each frame of a "
            "camera that moves, or one for each clip of a batch of views."
        )),
        "video_guidance": socket(sockets.VIDEO_GUIDANCE, (
            "Of another Clip as video guidance: a clip of the same scene over the same time from another camera. Both "
            "then guide the motion."
        )),
        "refine_guidance": socket(sockets.REFINE_GUIDANCE, (
            "Of a 3D model as guidance or of another clip: the refine guidance then knows both, and a 3D model that "
            "stands still follows the clip, so that the sides that nobody filmed move too."
        )),
        "weight_unit": weight_unit(f"weight {VIDEO_CLIP.weight:g} stays the usual one in either unit"),
    }
    HIDDEN = NODE_ID

    @classmethod
    def VALIDATE_INPUTS(cls, t_min: float | None = None, t_max: float | None = None) -> bool:
        with when_queued():
            check_noise(cls, t_min, t_max)
        return True

    @outside_inference
    def make(
        self, images: Tensor, mask_marks: str, size: int, weight: float, t_min: float, t_max: float,
        mask: Tensor | None = None, reference: Any = None, unique_id: str | None = None, cameras: Any = None,
        video_guidance: Any = None, refine_guidance: Any = None, weight_unit: str = "raw",
    ) -> dict:
        frames, alpha = from_images(images)
        masks = None if mask is None else from_masks(mask)
        masks = None if masks is None or marks_nothing(masks, mask_marks) else masks
        numbers = replace(VIDEO_CLIP, weight=weight, t_min=t_min, t_max=t_max)
        own, interpolated = (None, "") if cameras is None else image_cameras(cameras, len(frames))
        on_progress = ui.progress_callback(unique_id)
        clips = film_clips(ClipFrames(frames, masks, alpha, mask_marks), own, reference, size, on_progress)
        video, refine = clip_guidances(clips, reference, size, numbers, video_guidance, refine_guidance, on_progress)
        note = f"{video.note} {interpolated}".strip()
        ui.show_text(unique_id, note)
        video, refine = in_unit(weight_unit, {"video": video, "refine": refine})
        return ui.output(note, video, refine)
