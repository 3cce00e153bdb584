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
from a124core.export.mesh import MeshOptions, export_mesh
from a124core.export.mesh.build import build
from a124core.export.mesh.mesh import diagonal, sample_surface
from a124core.export.mesh.quality import distances_to
from a124core.priors.builtin.appearance import Appearance, animated_points, get_subject

TRUTH_SPACING = 0.006  # world units between the points of the truth
KINDS = {
    "animated": ("animated GLB", MeshOptions()),
    "animated, quantised": ("animated GLB", MeshOptions(quantise=True)),
    "animated, texture 512": ("animated GLB", MeshOptions(texture=512)),
    "flip-book": ("flip-book GLB", MeshOptions()),
    "flip-book, quantised": ("flip-book GLB", MeshOptions(quantise=True)),
}


def main(path: str) -> None:
    field, extra = read_field(path)
    for kind, (format, options) in KINDS.items():
        start, start_cpu = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            report = export_mesh(field, Path(folder) / "a.glb", format, options)
        spent, busy = time.perf_counter() - start, time.process_time() - start_cpu
        built, sequence = report.build, report.build.sequence
        distance, colour = 100 * np.array([error.mean for error in built.errors]), 100 * np.mean(built.colour_errors)
        print(f"{kind}: {spent:.0f} s ({busy:.0f} s of processor), {report.bytes / 1e6:.2f} MB, "
              f"{sequence.n_faces} faces, {len(sequence.segments)} templates; to the field's own surface mean "
              f"{distance.mean():.2f} %, max {distance.max():.2f} %; colours {colour:.1f} % off", flush=True)
    if "subject" in extra:
        to_truth(field, Appearance(get_subject(extra["subject"]), "reference", extra["motion"]))


def to_truth(field: object, appearance: Appearance) -> None:
    """Symmetric mean distance of the tracked mesh to the truth, per frame, share of the truth's diagonal."""
    built = build(field, MeshOptions(), tracked=True)
    errors = []
    for frame, time_ in enumerate(built.times):
        mesh = built.sequence.mesh(frame)
        truth = animated_points(appearance, TRUTH_SPACING, torch.tensor([float(time_)]))[0][0].T.numpy()
        on_mesh = sample_surface(mesh.vertices, mesh.faces, 20_000, np.random.default_rng(0))[0]
        to_mesh = distances_to(truth, (mesh.vertices, mesh.faces)).mean()
        errors.append(0.5 * (nearest(on_mesh, truth).mean() + to_mesh) / diagonal(truth))
    print(f"to the truth: mean {100 * np.mean(errors):.2f} %, max {100 * max(errors):.2f} %")


def nearest(points: np.ndarray, cloud: np.ndarray) -> np.ndarray:  # (N,)
    from scipy.spatial import cKDTree

    return cKDTree(cloud).query(points)[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
