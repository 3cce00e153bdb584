"""7 Export video or frames: the scene as a video, as images with cameras, or as a data set."""

from __future__ import annotations

from pathlib import Path

from ...a124core.cameras.paths import CameraPath, Orbit, Playback
from ...a124core.export.images.capture import CaptureOptions, export_capture
from ...a124core.export.images.film import BACKGROUND_COLOURS, FilmOptions, export_film
from ...a124core.export.images.frames import export_frames
from ...a124core.export.images.video import check_fps
from ...a124core.field.field4d import Field4D
from .. import sockets
from ..declarations import choice, field, flag, integer, number, outputs, socket, unused_options
from ..host import ui
from ..host.folders import output_reference
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..host.types import to_video
from ..queued import check_declared, when_queued
from .saving import SavingNode, check_name, free_path, name_input, saved

FILMS = {"MP4": ".mp4", "WebM": ".webm", "GIF": ".gif", "WebP": ".webp"}
FRAMES, DATA_SET = "PNG frames", "data set"
UNUSED = {  # inputs without effect on a format; on films: views
    FRAMES: ("background", "views"),
    DATA_SET: ("fps", "background", "plays", "ping_pong", "cameras"),
}
ANIMATED = (".mp4", ".webm", ".webp")  # what the host's pages play as a video; a GIF plays as an image


@outputs(
    ("path", "STRING", "The video, or the folder."),
    ("video", "VIDEO", "The video, for nodes that take videos: of MP4 and WebM."),
)
class A124ExportFrames(SavingNode):
    """Writes a video of any length and rate, or image files for other programs."""

    DESCRIPTION = (
        "Writes the scene to output/animate124 as a video, as images with alpha, depth, normals and cameras, or as a "
        "data set for NeRF and Gaussian-splat trainers."
    )
    SEARCH_ALIASES = ["animate124 export", "4D", "save video", "transparent video", "transforms.json", "nerfstudio",
                      "gaussian splatting", "depth"]
    FUNCTION = "export"
    REQUIRED = {
        "field": field(),
        "format": choice([*FILMS, FRAMES, DATA_SET], (
            "WebM, GIF and WebP can be transparent. PNG frames: images with alpha, depth, normals, masks and "
            "transforms.json along the cameras. data set: cameras all around, each at every time."
        )),
        "frames": integer(48, 1, 100000, (
            "Frames of the video, whatever the scene was trained with. In a data set: times."
        )),
        "fps": number(16.0, 0.1, 240.0, 0.1, (
            "Frames a second. frames / fps is the film's length. A GIF takes at most 50."
        )),
        "width": integer(512, 16, 4096, "Pixels. Two eyes make the image twice as wide.", step=2),
        "height": integer(512, 16, 4096, (
            "Pixels. The field of view goes from top to bottom, so a wider image shows more at the sides."
        ), step=2),
        "background": choice(["transparent", *BACKGROUND_COLOURS], (
            "Behind the subject. MP4 cannot be transparent: it is white then. PNG always is."
        )),
        "plays": integer(1, 1, 100, "How many times the scene plays during the film."),
        "ping_pong": flag(
            "Play forwards and backwards, so that it repeats without a jump. A looped scene does so anyway."
        ),
        "views": integer(24, 2, 2000, "For data set: cameras around the scene. Every eighth is kept for testing."),
        "name": name_input("film", "file or folder"),
    }
    OPTIONAL = {
        "cameras": socket(sockets.CAMERAS, (
            "From where it is rendered. Without: once around. A data set has cameras of its own."
        )),
    }

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None = None, format: str | None = None, fps: float | None = None) -> bool:
        with when_queued():
            check_name(name)
            check_declared(cls, format=format, fps=fps)
            if format in FILMS and fps is not None:
                check_fps(FILMS[format], fps)
        return True

    @outside_inference
    def export(
        self, field: Field4D, format: str, frames: int, fps: float, width: int, height: int, background: str,
        plays: int, ping_pong: bool, views: int, name: str, cameras: CameraPath | None = None,
        unique_id: str | None = None,
    ) -> dict:
        path = free_path(name, FILMS.get(format, ""), (width, height))
        on_progress, field = ui.progress_callback(unique_id), field.to(host_device())
        if format == DATA_SET:
            export_capture(field, path, CaptureOptions(views, frames, (height, width)), on_progress)
        else:
            colour = BACKGROUND_COLOURS.get(background)  # None: transparent
            film = FilmOptions(frames, fps, (height, width), colour, Playback(plays, ping_pong))
            write = export_film if format in FILMS else export_frames
            write(field, path, cameras or Orbit(azimuth=field.front), film, on_progress)
        chosen = {"fps": fps, "background": background, "plays": plays, "ping_pong": ping_pong, "views": views,
                  "cameras": cameras}
        note = unused_options(type(self), format, UNUSED.get(format, ("views",)), chosen)
        return ui.output(f"{saved(path)}\n{note}".strip(), str(path), to_video(path), **_preview(path))


def _preview(path: Path) -> dict:
    """Return what the host's pages show on the node, in the form of its own Save Video and Save Image."""
    file = min((path / "images").iterdir()) if path.is_dir() else path
    return {"images": [output_reference(file)], "animated": (file.suffix in ANIMATED,)}
