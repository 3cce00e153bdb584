"""A saved demo field as moving meshes: seconds, bytes, and how far from the field's own surface and from the truth.

    python -m benchmarks.meshes output/demo/field.safetensors

The truth is the built-in scene that the field's file names: points on its surface, moved to each frame's time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from a124core.export.checkpoint import read_field
from a124core.export.mesh.build import build
from a124core.export.mesh.distance import one_way
from a124core.export.mesh.export import export_animated_glb, export_flipbook_glb
from a124core.export.mesh.mesh import diagonal, spread
from a124core.export.mesh.options import MeshOptions
from a124core.priors.builtin.scenes import Look, moved, subject_named

TRUTH_SPACING = 0.006  # world units between the points of the truth
KINDS = {
    "animated": (export_animated_glb, MeshOptions()),
    "animated, quantised": (export_animated_glb, MeshOptions(quantise=True)),
    "animated, texture 512": (export_animated_glb, MeshOptions(texture=512)),
    "flip-book": (export_flipbook_glb, MeshOptions()),
    "flip-book, quantised": (export_flipbook_glb, MeshOptions(quantise=True)),
}


def main(path: str) -> None:
    field, extra = read_field(path)
    for kind, (export, options) in KINDS.items():
        start, start_cpu = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            report = export(field, Path(folder) / "a.glb", options)
        spent, busy = time.perf_counter() - start, time.process_time() - start_cpu
        distance, colour = 100 * np.array([off.mean for off in report.off]), 100 * np.mean(report.colour_error)
        print(f"{kind}: {spent:.0f} s ({busy:.0f} s of processor), {report.bytes / 1e6:.2f} MB, {report.faces} faces, "
              f"{len(report.keys)} templates; to the field's own surface mean {distance.mean():.2f} %, "
              f"max {distance.max():.2f} %; colours {colour:.1f} % off", flush=True)  # fmt: skip
    if "subject" in extra:
        to_truth(field, Look(subject_named(extra["subject"]), "reference", extra["motion"]))


def to_truth(field: object, look: Look) -> None:
    """Symmetric mean distance of the tracked mesh to the truth, per frame, share of the truth's diagonal."""
    built = build(field, MeshOptions(), fixed=True)
    found = []
    for frame, moment in enumerate(built.times):
        mesh = built.mesh(frame)
        truth = moved(look, TRUTH_SPACING, torch.tensor([float(moment)]), None)[0][0].T.numpy()
        on = spread(mesh.points, mesh.faces, 20_000, np.random.default_rng(0))
        there = nearest(on[0], truth).mean()
        back = one_way(truth, (mesh.points, mesh.faces)).mean()
        found.append(0.5 * (there + back) / diagonal(truth))
    print(f"to the truth: mean {100 * np.mean(found):.2f} %, max {100 * max(found):.2f} %")


def nearest(points: np.ndarray, cloud: np.ndarray) -> np.ndarray:  # (N,)
    from scipy.spatial import cKDTree

    return cKDTree(cloud).query(points)[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
