"""Cameras as ComfyUI's 3D nodes take them: LOAD3D_CAMERA, which `parse_camera` reads back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes
from .rig import to_pinholes

NEAR, FAR = 0.01, 100.0  # world units that a viewer draws


def to_camera_infos(cameras: Cameras | Pinholes) -> list[dict[str, Any]]:  # one for each image
    """Return position, target, rotation and vertical field of view; of several eyes, of the point between them."""
    pinholes = to_pinholes(cameras)
    poses = zip(pinholes.c2w.double().mean(1), pinholes.fovy.tolist(), strict=True)  # eyes are turned alike
    return [_camera_info(c2w, fovy) for c2w, fovy in poses]


def _camera_info(c2w: Tensor, fovy: float) -> dict[str, Any]:
    centre, back = c2w[:3, 3], c2w[:3, 2]
    distance = float(centre @ back)  # to the plane of the origin, where the scene is
    target = centre - back * (distance if distance > 0.0 else 1.0)
    return {
        "position": _axes("xyz", centre), "target": _axes("xyz", target),
        "quaternion": _axes("wxyz", _quaternion(c2w[:3, :3])), "fov": fovy, "zoom": 1.0,
        "cameraType": "perspective", "aspect": 1.0, "near": NEAR, "far": FAR,
    }


def _axes(names: str, values: Tensor) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _quaternion(rotation: Tensor) -> Tensor:  # (3, 3) -> (4,) w, x, y, z
    """Return the unit quaternion of a rotation, by its largest component, so that no small one divides (Shepperd)."""
    m = rotation
    trace, diagonal = m.trace(), m.diagonal()
    squares = torch.cat((1.0 + trace[None], 1.0 - trace + 2.0 * diagonal)) / 4.0  # of w, x, y, z
    wx, wy, wz = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]  # four times the products
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    zero = torch.zeros_like(wx)
    products = torch.stack((zero, wx, wy, wz, wx, zero, xy, xz, wy, xy, zero, yz, wz, xz, yz, zero)).view(4, 4) / 4.0
    largest = int(squares.argmax())
    products[largest, largest] = squares[largest]
    return products[largest] / math.sqrt(float(squares[largest]))
