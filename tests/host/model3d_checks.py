"""The host's SPLAT, MESH and 3D files in our models, inside the host's own process.

Run by the host's Python: model3d_checks.py COMFYUI_PATH FOLDER [CHECK ...]. Writes previews into FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
sys.path.insert(0, HERE)
from pack_in_host import enter_host, load_pack, run_checks  # noqa: E402

COMFYUI, FOLDER, SELECTED = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
enter_host(COMFYUI)
sys.path.remove(HERE)

import comfy_extras.nodes_gaussian_splat as host_nodes  # noqa: E402
import torch  # noqa: E402
from comfy_api.latest import Types  # noqa: E402
from PIL import Image  # noqa: E402

torch.set_num_threads(1)
part = load_pack()
PACK = part("nodes").NODE_CLASS_MAPPINGS
SIZE, SUBJECT = 160, "robot"
FINE, COARSE = 0.012, 0.05  # world units between Gaussians: of a render that is compared, of a model that is aligned
CAMERAS = ((0.0, 0.0), (90.0, 20.0), (180.0, -10.0), (300.0, 40.0))  # azimuth, elevation in degrees


def host_splat(spacing):
    """Return a subject's surface as the host's SPLAT, flat Gaussians, y downwards."""
    surfels = part("a124core.priors.builtin.appearance").get_subject(SUBJECT).surfels(spacing)
    down, count = torch.tensor([1.0, -1.0, -1.0]), len(surfels.points)
    normals = surfels.normals * down
    turn = torch.stack((1 + normals[:, 2], -normals[:, 1], normals[:, 0], torch.zeros(count)), 1)
    turn[turn[:, 0] < 1e-6] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    scales = torch.tensor([0.6 * spacing, 0.6 * spacing, 0.06 * spacing]).repeat(count, 1)
    sh = ((surfels.colours - 0.5) / 0.28209479)[:, None]
    columns = (surfels.points * down, scales, torch.nn.functional.normalize(turn, dim=1), torch.ones(count, 1), sh)
    return Types.SPLAT(*(column.float()[None] for column in columns))


def example_reference():
    image, mask = part("a124core.priors.builtin").example_image(SUBJECT, 128)
    return part("a124core.reference.reference").make_reference(image, mask)


def run_node(**inputs):
    """Run our node as the host does: in inference mode, with its defaults."""
    node = PACK["A124ModelGuidance"]
    widgets = {name: spec[1].get("default", spec[0][0]) for name, spec in node.REQUIRED.items()}
    with torch.inference_mode():
        return node().make(**{**widgets, **inputs})


def save(name, preview):
    Image.fromarray((preview[0] * 255).round().to(torch.uint8).numpy()).save(FOLDER / f"{name}.png")


def check_render_splat():
    """PSNR on the object of our render against the host's RenderSplat, and the mean difference of the coverage.

    The host draws a thousand Gaussians at a time without order: its default sharpening keeps hidden ones out."""
    splat, rig = host_splat(FINE), part("a124core.cameras.rig")
    tensors = [getattr(splat, name)[0] for name in ("positions", "scales", "rotations", "opacities", "sh")]
    model = part("a124core.models3d.from_tensors").gaussians_from_tensors(*tensors, "the SPLAT")[0]
    model = model.transformed(torch.diag(torch.tensor([1.0, -1.0, -1.0])), torch.zeros(3))
    figures = []
    for azimuth, elevation in CAMERAS:
        camera = rig.make_cameras(elevation, azimuth)
        x, y, z = rig.camera_to_world(camera)[0, :3, 3].tolist()
        info = {"position": {"x": x, "y": y, "z": z}, "target": {"x": 0, "y": 0, "z": 0}, "fov": 40.0, "zoom": 1.0,
                "cameraType": "perspective"}
        options = {"width": SIZE, "height": SIZE, "frames": 1, "splat_scale": 1.0, "sharpen": 2.0,
                   "headlight_shading": 0.0, "opacity_threshold": 0.0, "background": "#FFFFFF", "render_style": "color"}
        image, mask = host_nodes.RenderSplat.execute(splat, **options, camera_info=info).result[:2]
        pinholes = rig.to_pinholes(camera)
        pinholes.centre[:] = torch.tensor([0.5, -0.5]) / SIZE  # the host's pixels lie at whole numbers, ours in between
        layers = model.layers(pinholes, (SIZE, SIZE))[0]
        ours = (layers[:3] + 1.0 - layers[3]).movedim(0, -1).clamp(0, 1)
        inside = (mask[0] > 0.5) | (layers[3] > 0.5)
        error = (ours - image[0].float())[inside].square().mean()
        save(f"splat_{azimuth:.0f}", torch.cat((image.float(), ours[None]), 2))
        figures.append([float(-10 * error.log10()), float((mask[0].float() - layers[3]).abs().mean())])
    return figures


def check_files():
    """Largest move of a Gaussian, and of a colour, from the host's SPLAT through its files to our reader."""
    splat, reader = host_splat(COARSE), part("a124core.models3d.read")
    expected = splat.positions[0]
    figures = {}
    for kind in ("ply", "spz"):
        path = FOLDER / f"model.{kind}"
        file = host_nodes.SplatToFile3D.execute(splat, kind).result[0]
        file.save_to(str(path))
        frame = reader.read_model(path).frames[0]
        scale = float((frame.box[1] - frame.box[0]).max() / (expected.amax(0) - expected.amin(0)).max())
        moved = frame.means - frame.means.mean(0) - scale * (expected - expected.mean(0))
        colours = frame.rgba[:, :3] - (0.5 + 0.28209479 * splat.sh[0, :, 0])
        figures[kind] = [float(moved.abs().max()), float(colours.abs().max())]
    return figures


def check_splat():
    """What the node says of a SPLAT that is aligned to the subject's picture, and its weights."""
    said = run_node(splat=host_splat(COARSE), reference=example_reference())
    save("preview_splat", said["result"][4])
    return said["ui"]["text"][0]


def check_mesh():
    """The same of a MESH that the host's SplatToMesh makes, and of a 3D file with a few static steps after it."""
    options = {"resolution": 64, "kernel": 3, "smooth": 0, "level": 0.4, "min_component": 0, "min_opacity": 0.02,
               "color_sharpen": 2.0}
    mesh = host_nodes.SplatToMesh.execute(host_splat(COARSE), **options).result[0]
    said = run_node(mesh=mesh, reference=example_reference())
    save("preview_mesh", said["result"][4])
    optimizer = PACK["A124StaticOptimizer"]()
    field = optimizer.optimise("demo", "auto", 3, 0, "restart", reference=example_reference(),
                               view_guidance=said["result"][1])["result"][0]
    return [said["ui"]["text"][0], bool(field.table.isfinite().all())]


if __name__ == "__main__":
    import os

    os.chdir(FOLDER)
    chosen = SELECTED or ["render_splat", "files", "splat", "mesh"]
    run_checks([globals()[f"check_{name}"] for name in chosen])
