"""7 Export film or frames: the scene as a film, as images with cameras, or as a data set."""

from __future__ import annotations

from pathlib import Path

from ...a124core.cameras.paths import CameraPath, Orbit, Playback
from ...a124core.export.images.capture import CaptureOptions, export_capture
from ...a124core.export.images.film import BACKGROUNDS, FilmOptions, export_film
from ...a124core.export.images.frames import export_frames
from ...a124core.field.field4d import Field4D
from .. import sockets
from ..host import ui
from ..host.folders import output_reference
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..host.types import to_video
from . import names
from .unused_options import unused_options

FILMS = {"MP4": ".mp4", "WebM": ".webm", "GIF": ".gif", "WebP": ".webp"}
FRAMES, DATA_SET = "PNG frames", "data set"
UNUSED = {  # inputs without effect on a format; on films: views
    FRAMES: ("background", "views"),
    DATA_SET: ("fps", "background", "plays", "ping_pong", "cameras"),
}
ANIMATED = (".mp4", ".webm", ".webp")  # what the host's pages play as a video; a GIF plays as an image


class A124ExportFrames:
    """Writes a film of any length and rate, or image files for other programs."""

    DESCRIPTION = (
        "Writes the scene to output/animate124 as a film, as images with alpha, depth, normals and cameras, or as a "
        "data set for NeRF and Gaussian-splat trainers."
    )
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 export", "4D", "save video", "transparent video", "transforms.json", "nerfstudio",
                      "gaussian splatting", "depth"]
    RETURN_TYPES = ("STRING", "VIDEO")
    RETURN_NAMES = ("path", "video")
    OUTPUT_TOOLTIPS = ("The film, or the folder.", "The film, for nodes that take videos: of MP4 and WebM.")
    OUTPUT_NODE = True
    FUNCTION = "export"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "field": (sockets.FIELD, {"tooltip": "The scene, from any optimizer or from Load field."}),
                "format": ([*FILMS, FRAMES, DATA_SET], {"tooltip": (
                    "WebM, GIF and WebP can be transparent. PNG frames: images with alpha, depth, normals, masks and "
                    "transforms.json along the cameras. data set: cameras all around, each at every time."
                )}),
                "frames": ("INT", {"default": 48, "min": 1, "max": 100000, "tooltip": (
                    "Frames of the film, whatever the scene was trained with. In a data set: times."
                )}),
                "fps": ("FLOAT", {"default": 16.0, "min": 0.1, "max": 240.0, "step": 0.1, "tooltip": (
                    "Frames a second. frames / fps is the film's length. A GIF takes at most 50."
                )}),
                "width": ("INT", {"default": 512, "min": 16, "max": 4096, "step": 2, "tooltip": (
                    "Pixels. Two eyes make the image twice as wide."
                )}),
                "height": ("INT", {"default": 512, "min": 16, "max": 4096, "step": 2, "tooltip": (
                    "Pixels. The field of view goes from top to bottom, so a wider image shows more at the sides."
                )}),
                "background": (["transparent", *BACKGROUNDS], {"tooltip": (
                    "Behind the subject. MP4 cannot be transparent: it is white then. PNG always is."
                )}),
                "plays": ("INT", {"default": 1, "min": 1, "max": 100, "tooltip": (
                    "How many times the scene plays during the film."
                )}),
                "ping_pong": ("BOOLEAN", {"default": False, "tooltip": (
                    "Play there and back, so that the film repeats without a jump. A looped scene does so anyway."
                )}),
                "views": ("INT", {"default": 24, "min": 2, "max": 2000, "tooltip": (
                    "For data set: cameras around the scene. Every eighth is kept for testing."
                )}),
                "name": ("STRING", {"default": "film", "tooltip": (
                    "Name of the file or folder in output/animate124; a number is appended, nothing is overwritten."
                )}),
            },
            "optional": {
                "cameras": (sockets.CAMERAS, {"tooltip": (
                    "From where it is rendered. Without: once around. A data set has cameras of its own."
                )}),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None) -> bool | str:
        return names.usable_name(name)

    @outside_inference
    def export(
        self, field: Field4D, format: str, frames: int, fps: float, width: int, height: int, background: str,
        plays: int, ping_pong: bool, views: int, name: str, cameras: CameraPath | None = None,
        unique_id: str | None = None,
    ) -> dict:
        path = names.free_path(name, FILMS.get(format, ""))
        on_progress, device = ui.progress_callback(unique_id), host_device()
        if format == DATA_SET:
            export_capture(field, path, CaptureOptions(views, frames, (height, width)), on_progress, device)
        else:
            film = FilmOptions(frames, fps, (height, width), BACKGROUNDS.get(background), Playback(plays, ping_pong))
            write = export_film if format in FILMS else export_frames
            write(field, path, cameras or Orbit(), film, on_progress, device)
        chosen = {"fps": fps, "background": background, "plays": plays, "ping_pong": ping_pong, "views": views,
                  "cameras": cameras}
        note = unused_options(type(self), format, UNUSED.get(format, ("views",)), chosen)
        ui.show_text(unique_id, f"{note} {names.saved(path)}".strip())
        return {"ui": _preview(path), "result": (str(path), to_video(path))}


def _preview(path: Path) -> dict:
    """Return what the host's pages show on the node, in the form of its own Save Video and Save Image."""
    file = min((path / "images").iterdir()) if path.is_dir() else path
    return {"images": [output_reference(file)], "animated": (file.suffix in ANIMATED,)}
