"""Runs under bpy: imports a GLB or USD file, and prints what Blender makes of it as one line of JSON.

    python blender.py scene.glb 8 image.png

8: frames a second at which the scene is played. The image is frame 0 from the reference camera.
"""

from __future__ import annotations

import json
import math
import sys

import bpy

FOVY, RADIUS, SIZE = 40.0, 1.8, 128  # the reference camera: degrees, world units; pixels


def main(path: str, fps: int, image: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = fps
    if path.endswith(".glb"):
        bpy.ops.import_scene.gltf(filepath=path)
        end = round(max((action.frame_range[1] for action in bpy.data.actions), default=0))
    else:
        bpy.ops.wm.usd_import(filepath=path, set_frame_range=True)
        end = scene.frame_end
    frames = [visible_vertices(scene, frame) for frame in range(end + 1)]
    render(scene, image)
    print("RESULT " + json.dumps({"end": end, "frames": frames}))


def visible_vertices(scene: object, frame: int) -> list[list[float]]:
    """Return every 5th visible vertex of a frame, in our axes: Blender's z is our y, its -y our z."""
    scene.frame_set(frame)
    graph = bpy.context.evaluated_depsgraph_get()
    vertices = []
    for item in (o.evaluated_get(graph) for o in scene.objects if o.type == "MESH"):
        matrix = item.matrix_world
        if abs(matrix.determinant()) > 1e-9:
            vertices += [matrix @ v.co for v in list(item.to_mesh().vertices)[::5]]
    return [[p.x, p.z, -p.y] for p in vertices]


def render(scene: object, image: str) -> None:
    """White behind, no lamps, colours as they are (view transform Standard)."""
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.sensor_fit, camera.data.angle, camera.data.clip_start = "VERTICAL", math.radians(FOVY), 0.01
    camera.location, camera.rotation_euler = (0.0, -RADIUS, 0.0), (math.pi / 2, 0.0, 0.0)
    scene.world = bpy.data.worlds.new("white")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (1.0, 1.0, 1.0, 1.0)
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 8
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.view_settings.view_transform = "Standard"
    scene.frame_set(0)
    scene.render.filepath = image
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
