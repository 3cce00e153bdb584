"""The template browser's pictures of the compared systems: name, views of a run, and the graph in small.

    python -m tools.make_thumbnails --fields FOLDER              all of them
    python -m tools.make_thumbnails --fields FOLDER 22_hexplane  one

Writes workflows/NAME.jpg, 512 x 512. Which guidance goes to which stage is read in the workflow. FOLDER holds scenes
that the systems made, NAME.safetensors (`animate`, `benchmark`, or Save field in ComfyUI); where one is missing, the
picture and the prompt that the graph begins with take its place.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from a124core.cameras.paths import Orbit, sample_path
from a124core.export.checkpoint import load_field
from a124core.priors.builtin import example_image
from a124core.render.clip import ImageOptions, render_clip

ROOT = Path(__file__).resolve().parents[1]
SIDE, SCALE = 512, 3  # pixels; drawn so many times larger, then reduced
VIEWS, FRAME = 5, 88  # views of the scene in a row, pixels a side
INK, SOFT, PALE, LINE = "#222222", "#555555", "#f0efea", "#c9c6bc"
BUILT_IN, STAGE = "#8a8f99", "#3f789e"
ROLES = {  # output of the built-in priors -> colour of its wires
    "image guidance": "#b8913a", "view guidance": "#2f8f83", "video guidance": "#a8443c", "refine guidance": "#7b54a3",
    "upscale guidance": "#7b54a3",
}
SYSTEMS = {  # workflow -> title, subtitle
    "20_zero123_v": ("Zero-1-to-3-V", "shape by the view prior alone, then motion"),
    "21_realfusion_v": ("RealFusion-V", "shape by a prior that knows the subject, then motion"),
    "22_hexplane": ("HexPlane", "the whole method on six planes of space and time"),
    "23_x4_upscaler": ("x4 upscaler", "details by a prior that never saw the picture"),
    "24_text_to_4d": ("Text-to-4D", "like MAV3D: a sentence alone"),
    "25_image_to_4d": ("Image-to-4D", "no word says how it moves"),
    "26_magic123_static": ("Magic123, static", "one picture, a still scene"),
    "27_dreamfusion": ("DreamFusion", "a sentence, a still scene"),
    "28_ablations": ("Ablations", "the method with one part left out at a time"),
}
STAGES = {"Static": "shape", "Coarse": "motion", "Fine": "detail"}
LEFT, RIGHT, WIDE = 20, 350, 142  # pixels: boxes of guidances and of stages, width of the latter
TOP, LOW = 196, 496  # pixels: of the graph


class Sheet:
    """A drawing whose positions are in final pixels."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), "white")
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self, x: float, y: float, text: str, size: int, colour: str, bold: bool = False, anchor: str = "lm"
    ) -> None:
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        try:
            font: ImageFont.ImageFont | ImageFont.FreeTypeFont = ImageFont.truetype(name, size * SCALE)
        except OSError:  # not on this machine
            font = ImageFont.load_default(size * SCALE)
        self.draw.text((x * SCALE, y * SCALE), text, colour, font=font, anchor=anchor)

    def box(self, x: float, y: float, width: float, height: float, name: str, note: str, colour: str | None) -> None:
        """Draw a node; one without a colour is not in the graph."""
        ends = [v * SCALE for v in (x, y, x + width, y + height)]
        self.draw.rounded_rectangle(ends, 7 * SCALE, colour or PALE, None if colour else LINE, SCALE)
        ink, centre, middle = "white" if colour else "#8c897f", x + width / 2, y + height / 2
        self.text(centre, middle - (8 if note else 0), name, 13, ink, bold=True, anchor="mm")
        self.text(centre, middle + 10, note, 10, ink, anchor="mm")

    def wire(self, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
        """Draw a curve that leaves and arrives level."""
        share = torch.linspace(0.0, 1.0, 40)
        bend = share * share * (3 - 2 * share)
        points = [
            ((start[0] + float(t) * (end[0] - start[0])) * SCALE, (start[1] + float(b) * (end[1] - start[1])) * SCALE)
            for t, b in zip(share, bend, strict=True)
        ]
        self.draw.line(points, colour, 3 * SCALE, joint="curve")

    def paste(self, x: float, y: float, side: int, image: Image.Image) -> None:
        self.image.paste(image.resize((side * SCALE, side * SCALE), Image.Resampling.LANCZOS), (x * SCALE, y * SCALE))
        ends = [v * SCALE for v in (x, y, x + side, y + side)]
        self.draw.rectangle(ends, outline=LINE, width=SCALE)

    def save(self, file: Path) -> None:
        self.image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(file, quality=90)


def views(field_file: Path, count: int = VIEWS) -> list[Image.Image]:
    """Render a scene from around it, beginning at its front, while it moves; none where there is no file."""
    if not field_file.is_file():
        return []
    field = load_field(field_file)
    cameras, times = sample_path(Orbit(elevation=10.0, azimuth=field.front), count, True)
    clip = render_clip(field, cameras, times, ImageOptions(FRAME * 2))
    return [to_image(frame) for frame in clip.image]


def to_image(image: Tensor) -> Image.Image:  # (3, H, W) in [0, 1]
    return Image.fromarray((image.clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy())


def begins_with(sheet: Sheet, workflow: dict) -> list[Image.Image]:
    """Write the prompt of a graph; return its example picture, if it has one."""
    values = {node["type"]: node["widgets_values"] for node in workflow["nodes"]}
    subject = values.get("A124ExamplePicture", [None])[0]
    sheet.text(LEFT + (FRAME + 24 if subject else 0), 130, f"“{values['A124BuiltInPriors'][0]}”", 17, SOFT)
    return [to_image(example_image(subject, FRAME * 2)[0][0])] if subject else []


def draw_system(sheet: Sheet, workflow: dict) -> None:
    """Draw the built-in guidances, the stages, and the wires between them; what the graph leaves out is pale."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    wires = {
        (nodes[source]["outputs"][slot]["name"], stage_of(nodes[target]))
        for _, source, slot, target, _, _ in workflow["links"]
        if nodes[source]["type"] == "A124BuiltInPriors"
    }
    used, made = {role for role, _ in wires}, {node["type"] for node in nodes.values()}
    last = "upscale guidance" if "upscale guidance" in used else "refine guidance"
    roles = ["image guidance", "view guidance", "video guidance", last]
    present = [stage for stage in STAGES if f"A124{stage}Optimizer" in made]
    step, backbone = (LOW - TOP) / 4, ", HexPlane" if "A124FieldConfig" in made else ""
    height = step - 16
    y_role = {role: TOP + k * step for k, role in enumerate(roles)}
    y_stage = {stage: TOP + (k + 0.5) * step for k, stage in enumerate(STAGES)}
    for role, stage in sorted(wires):
        end = (RIGHT, y_stage[stage] + height * (0.2 + 0.2 * roles.index(role)))
        sheet.wire((LEFT + 190, y_role[role] + height / 2), end, ROLES[role])
    for above, below in zip(present, present[1:], strict=False):
        sheet.wire((RIGHT + WIDE / 2, y_stage[above] + height), (RIGHT + WIDE / 2, y_stage[below]), STAGE)
    for role, y in y_role.items():
        note, colour = ("built-in", BUILT_IN) if role in used else ("left out", None)
        sheet.box(LEFT, y, 190, height, role, note, colour)
    for stage, y in y_stage.items():
        note, colour = (STAGES[stage] + backbone, STAGE) if stage in present else ("left out", None)
        sheet.box(RIGHT, y, WIDE, height, stage, note, colour)


def draw_branches(sheet: Sheet, workflow: dict) -> None:
    """Draw a row for each rendered scene: its name, and its stages, those that another one made before it in grey."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    before = {link[3]: link[1] for link in workflow["links"] if link[5] == "A124_FIELD"}
    drawn: set[int] = set()
    renders = [node for node in nodes.values() if node["type"] == "A124Render"]
    step = (LOW - TOP) / len(renders)
    for k, render in enumerate(renders):
        line, at, y = [], before[render["id"]], TOP + k * step
        while at is not None:
            line, at = [at, *line], before.get(at)
        sheet.text(LEFT, y + step / 2 - 4, render["title"].partition(": ")[2], 13, INK, bold=True)
        for column, number in enumerate(line):
            colour = BUILT_IN if number in drawn else STAGE
            note = "shared" if number in drawn else ""
            sheet.box(180 + 108 * column, y, 100, step - 8, stage_of(nodes[number]), note, colour)
        drawn |= {*line}


def stage_of(node: dict) -> str:
    return node["type"].removeprefix("A124").removesuffix("Optimizer")


def make(name: str, fields: Path) -> None:
    """Draw one picture."""
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    sheet, (title, subtitle) = Sheet(), SYSTEMS[name]
    sheet.text(LEFT, 32, title, 24, INK, bold=True)
    sheet.text(LEFT, 62, subtitle, 13, SOFT)
    for k, image in enumerate(views(fields / f"{name}.safetensors") or begins_with(sheet, workflow)):
        sheet.paste(LEFT + k * (FRAME + 8), 86, FRAME, image)
    draw = draw_branches if name == "28_ablations" else draw_system
    draw(sheet, workflow)
    sheet.save(ROOT / "workflows" / f"{name}.jpg")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("names", nargs="*", default=list(SYSTEMS), help="of the workflows")
    p.add_argument("--fields", type=Path, required=True, help="folder of NAME.safetensors, what the systems made")
    options = p.parse_args()
    for name in options.names:
        make(name, options.fields)


if __name__ == "__main__":
    main()
