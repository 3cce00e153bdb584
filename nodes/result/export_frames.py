"""7 Export film or frames: the scene as a film, as pictures with cameras, or as a data set."""

from __future__ import annotations

from pathlib import Path

from ...a124core.cameras.paths import CameraPath, Orbit, Playback
from ...a124core.export.images.capture import CaptureOptions, export_capture
from ...a124core.export.images.film import FilmOptions, export_film
from ...a124core.export.images.frames import export_frames
from ...a124core.field.field4d import Field4D
from .. import sockets
from ..host import ui
from ..host.folders import output_reference
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..host.types import to_video
from . import names
from .render import BACKGROUNDS
from .unused_options import unused_options

FILMS = {"MP4": ".mp4", "WebM": ".webm", "GIF": ".gif", "WebP": ".webp"}
FRAMES, DATA_SET = "PNG frames", "data set"
USELESS = {  # what a format has no use for; films have none for views
    FRAMES: ("background", "views"),
    DATA_SET: ("fps", "background", "plays", "ping_pong", "cameras"),
}
PLAYERS = (".mp4", ".webm", ".webp")  # what the host's pages show as something that plays; a GIF plays as a picture


class A124ExportFrames:
    """A film of any length and rate, or pictures that other programs go on with."""

    DESCRIPTION = (
        "Writes the scene to output/animate124 as a film, as pictures with alpha, depth, normals and cameras, or as a "
        "data set for NeRF and Gaussian-splat trainers."
    )
    CATEGORY = "Animate124/4 Result"
    SEARCH_ALIASES = ["animate124 export", "4D", "save video", "transparent video", "transforms.json", "nerfstudio",
                      "gaussian splatting", "depth"]  # fmt: skip
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
                    "WebM, GIF and WebP can be transparent. PNG frames: pictures with alpha, depth, normals, masks and "
                    "transforms.json along the cameras. data set: cameras all around, each at every moment."
                )}),
                "frames": ("INT", {"default": 48, "min": 1, "max": 100000, "tooltip": (
                    "Pictures of the film, whatever the scene was trained with. In a data set: moments."
                )}),
                "fps": ("FLOAT", {"default": 16.0, "min": 0.1, "max": 240.0, "step": 0.1, "tooltip": (
                    "Frames a second. frames / fps is the film's length. A GIF takes at most 50."
                )}),
                "width": ("INT", {"default": 512, "min": 16, "max": 4096, "step": 2, "tooltip": (
                    "Pixels. Two eyes make the picture twice as wide."
                )}),
                "height": ("INT", {"default": 512, "min": 16, "max": 4096, "step": 2, "tooltip": (
                    "Pixels. The field of view goes from top to bottom, so a wider picture shows more at the sides."
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
                    "From where it is seen. Without: once around. A data set has cameras of its own."
                )}),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }  # fmt: skip

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None) -> bool | str:
        return names.usable_name(name)

    @outside_inference
    def export(
        self, field: Field4D, format: str, frames: int, fps: float, width: int, height: int, background: str,
        plays: int, ping_pong: bool, views: int, name: str, cameras: CameraPath | None = None,
        unique_id: str | None = None,
    ) -> dict:  # fmt: skip
        size, where = (height, width), (host_device(),)
        path = names.free_path(name, FILMS.get(format, ""))
        if format == DATA_SET:
            options = CaptureOptions(views, frames, size)
            export_capture(field, path, options, ui.frame_callback(options.pictures, unique_id), *where)
        else:
            film = FilmOptions(frames, fps, size, BACKGROUNDS.get(background), Playback(plays, ping_pong))
            write = export_film if format in FILMS else export_frames
            write(field, path, cameras or Orbit(), film, ui.frame_callback(frames, unique_id), *where)
        chosen = {"fps": fps, "background": background, "plays": plays, "ping_pong": ping_pong, "views": views,
                  "cameras": cameras}  # fmt: skip
        note = unused_options(type(self), format, USELESS.get(format, ("views",)), chosen)
        ui.show_text(unique_id, f"{note} {names.saved(path)}".strip())
        return {"ui": _shown(path), "result": (str(path), to_video(path))}


def _shown(path: Path) -> dict:
    """What the host's pages show on the node, as its own Save Video and Save Image say it."""
    seen = min((path / "images").iterdir()) if path.is_dir() else path
    return {"images": [output_reference(seen)], "animated": (seen.suffix in PLAYERS,)}
