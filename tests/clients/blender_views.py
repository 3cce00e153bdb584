"""Runs under bpy: renders a GLB from several cameras, unlit, as 8-bit images of linear light with transparency.

    python blender_views.py scene.glb folder 128 0,0 90,20 ...

128: pixels a side; each camera is azimuth,elevation in degrees. Images are folder/0.png and so on.
"""

from __future__ import annotations

import math
import sys

import bpy
from mathutils import Vector

FOVY, RADIUS = 40.0, 1.8  # degrees, world units


def main(path: str, folder: str, size: int, angles: list[str]) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.import_scene.gltf(filepath=path)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.sensor_fit, camera.data.angle, camera.data.clip_start = "VERTICAL", math.radians(FOVY), 0.01
    scene.world = bpy.data.worlds.new("dark")
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 16
    scene.cycles.use_denoising, scene.cycles.pixel_filter_type = False, "BOX"
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "Raw"
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGBA"
    for k, pair in enumerate(angles):
        azimuth, elevation = (math.radians(float(angle)) for angle in pair.split(","))
        ours = (math.cos(elevation) * math.sin(azimuth), math.sin(elevation), math.cos(elevation) * math.cos(azimuth))
        towards = Vector((ours[0], -ours[2], ours[1]))  # Blender's z is our y, its -y our z
        camera.location = RADIUS * towards
        camera.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()
        scene.render.filepath = f"{folder}/{k}.png"
        bpy.ops.render.render(write_still=True)
    print('RESULT {"done": true}')


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
