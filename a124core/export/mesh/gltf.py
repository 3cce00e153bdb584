"""A scene as glTF: each stretch a mesh with morph targets; the animation turns weights, and stretches on and off."""

from __future__ import annotations

from typing import Any

import numpy as np

from .colour import linear
from .glb import ARRAY, INDICES, Buffer
from .scene import Scene, Stretch
from .texture import Skin

UNLIT, QUANTISED = "KHR_materials_unlit", "KHR_mesh_quantization"
SHORT, BYTE = 32767, 127  # 1.0 as a normalised whole number
CUT = 0.01  # share of normals whose turn may be cut when they are kept in eight bits


def gltf(scene: Scene, skins: list[Skin | None], quantise: bool) -> tuple[dict[str, Any], Buffer]:
    """The document and its buffer; write_glb() puts them into a file. One skin, or None, for each stretch.

    Unlit: a field's colours have its light in them already. COLOR_0 is linear light (glTF 2.0, 3.7.2.1), base colour
    textures are sRGB (3.9.2), and base colours are white: nothing gets darker."""
    buffer = Buffer()
    document: dict[str, Any] = {"scene": 0, "scenes": [{"nodes": []}], "nodes": [], "meshes": [], "materials": []}
    document["extensionsUsed"] = [UNLIT, QUANTISED] if quantise else [UNLIT]
    if quantise:
        document["extensionsRequired"] = [QUANTISED]
    for k, (stretch, skin) in enumerate(zip(scene.stretches, skins, strict=True)):
        scale = _add_mesh(document, buffer, stretch, skin, quantise)
        _add_nodes(document, k, scale, alone=len(scene.stretches) == 1)
    animation = _animation(scene, buffer)
    if animation["channels"]:
        document["animations"] = [animation]
    return document, buffer


def _add_nodes(document: dict[str, Any], k: int, scale: float, alone: bool) -> None:
    """Each mesh under a node that switches it: nodes 2k (switch) and 2k + 1 (mesh)."""
    mesh: dict[str, Any] = {"name": "surface" if alone else f"surface {k}", "mesh": k}
    if scale != 1.0:
        mesh["scale"] = [scale] * 3
    switch: dict[str, Any] = {"name": "scene" if alone else f"stretch {k}", "children": [2 * k + 1]}
    if k > 0:
        switch["scale"] = [0.0] * 3  # so that the first frame alone shows where nothing is animated
    document["nodes"] += [switch, mesh]
    document["scenes"][0]["nodes"].append(2 * k)


def _add_mesh(
    document: dict[str, Any], buffer: Buffer, stretch: Stretch, skin: Skin | None, quantise: bool
) -> float:  # by what its node scales it
    picked = np.arange(stretch.points.shape[1]) if skin is None else skin.vertex
    faces = stretch.faces if skin is None else skin.faces
    points, normals = stretch.points[:, picked], stretch.normals()[:, picked]
    moves, turns = points[1:] - points[0], normals[1:] - normals[0]
    scale = float(max(np.abs(points).max(), np.abs(moves).max(initial=0.0))) if quantise else 1.0
    attributes = {
        "POSITION": buffer.accessor(_short(points[0] / scale) if quantise else points[0], ARRAY, bounds=True),
        "NORMAL": buffer.accessor(_byte(normals[0]) if quantise else normals[0], ARRAY),
    }
    attributes |= _colouring(document, buffer, stretch, skin)
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": buffer.accessor(faces.ravel().astype("<u2" if len(picked) < 2**16 - 1 else "<u4"), INDICES),
        "material": len(document["materials"]) - 1,
    }
    targets = [
        {
            "POSITION": buffer.accessor(_short(move / scale) if quantise else move, ARRAY, bounds=True),
            "NORMAL": buffer.accessor(_byte(turn) if quantise and _small(turn) else turn, ARRAY),
        }
        for move, turn in zip(moves, turns, strict=True)
    ]
    mesh: dict[str, Any] = {"name": "surface", "primitives": [primitive]}
    if targets:
        primitive["targets"] = targets
        mesh["weights"] = [0.0] * len(targets)
    document["meshes"].append(mesh)
    return scale


def _short(values: np.ndarray) -> np.ndarray:  # in [-1, 1]
    return np.round(values * SHORT).astype("<i2")


def _byte(values: np.ndarray) -> np.ndarray:  # cut at [-1, 1]
    return np.round(values * BYTE).clip(-BYTE, BYTE).astype("i1")


def _small(turn: np.ndarray) -> bool:  # (V, 3)
    """Do nearly all normals turn by less than a whole number can hold? The few others are cut, and point a bit off."""
    return bool((np.abs(turn).max(1) > 1.0).mean() <= CUT)


def _colouring(document: dict[str, Any], buffer: Buffer, stretch: Stretch, skin: Skin | None) -> dict[str, int]:
    """A material, and the attributes it needs: colours at the vertices, or places in a picture."""
    surface: dict[str, Any] = {"baseColorFactor": [1.0] * 4, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    document["materials"].append({"name": "colour", "pbrMetallicRoughness": surface, "extensions": {UNLIT: {}}})
    if skin is None:
        rgba = np.concatenate((linear(stretch.colours), np.ones((len(stretch.colours), 1), np.float32)), axis=1)
        return {"COLOR_0": buffer.accessor(np.round(rgba * 65535).astype("<u2"), ARRAY)}
    image = {"bufferView": buffer.view(skin.png), "mimeType": "image/png", "name": "colour"}
    document.setdefault("images", []).append(image)
    document.setdefault("samplers", [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}])
    document.setdefault("textures", []).append({"source": len(document["images"]) - 1, "sampler": 0})
    surface["baseColorTexture"] = {"index": len(document["textures"]) - 1}
    return {"TEXCOORD_0": buffer.accessor(skin.uv.astype("<f4"), ARRAY)}


def _animation(scene: Scene, buffer: Buffer) -> dict[str, Any]:
    """Weights go from frame to frame in straight lines; scales of 0 and 1 switch stretches (core glTF hides nothing).

    A loop's last frame runs back into its first; with several stretches the last frame is shown as long as any."""
    made: dict[str, Any] = {"name": "animate124", "channels": [], "samplers": []}
    alone = len(scene.stretches) == 1
    for k, stretch in enumerate(scene.stretches):
        if len(stretch.points) > 1:
            times, weights = _weights(scene, stretch)
            _add_channel(made, buffer, (2 * k + 1, "weights"), times, weights.ravel(), "LINEAR")
        if not alone:
            times, scales = _switch(scene, stretch)
            _add_channel(made, buffer, (2 * k, "scale"), times, scales, "STEP")
    return made


def _weights(scene: Scene, stretch: Stretch) -> tuple[np.ndarray, np.ndarray]:  # (K,) seconds, (K, targets)
    count = len(stretch.points)
    rows = np.eye(count)[:, 1:]
    frames = np.arange(stretch.first, stretch.last + 1)
    if scene.loop and len(scene.stretches) == 1:
        rows, frames = np.concatenate((rows, rows[:1])), np.append(frames, count)
    return frames / scene.fps, rows


def _switch(scene: Scene, stretch: Stretch) -> tuple[np.ndarray, np.ndarray]:  # (K,) seconds, (K, 3)
    """On from the stretch's first frame until the next stretch's; every switch ends with the animation."""
    ends = stretch.last + 1 == scene.frames
    keys = {0: stretch.first == 0, stretch.first: True, stretch.last + 1: ends, scene.frames: ends}
    frames = sorted(keys)
    scales = np.array([[float(keys[f])] * 3 for f in frames])
    return np.array(frames) / scene.fps, scales


def _add_channel(
    made: dict[str, Any], buffer: Buffer, target: tuple[int, str], times: np.ndarray, values: np.ndarray, how: str
) -> None:
    made["channels"].append({"sampler": len(made["samplers"]), "target": {"node": target[0], "path": target[1]}})
    made["samplers"].append(
        {
            "input": buffer.accessor(times.astype("<f4"), bounds=True),
            "output": buffer.accessor(values.astype("<f4")),
            "interpolation": how,
        }
    )
