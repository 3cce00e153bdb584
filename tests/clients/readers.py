"""Runs under the clients' Python: pygltflib, trimesh and all of USD's own validators on files; one line of JSON."""

from __future__ import annotations

import json
import sys

import pygltflib
import trimesh
from pxr import Usd, UsdValidation


def read(path: str) -> dict[str, object]:
    if not path.endswith(".glb"):
        validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
        errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(path))
        return {"validators": len(validators), "errors": [str(e.GetErrorAsString()) for e in errors]}
    loaded = pygltflib.GLTF2().load(path)
    meshes = trimesh.load(path).dump()
    return {
        "meshes": len(loaded.meshes),
        "targets": len(loaded.meshes[0].primitives[0].targets or []),
        "animations": len(loaded.animations),
        "trimesh": [[len(m.vertices), len(m.faces)] for m in meshes],
    }


if __name__ == "__main__":
    print("RESULT " + json.dumps({path: read(path) for path in sys.argv[1:]}))
