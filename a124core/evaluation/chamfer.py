"""Distances between moving surfaces: CD-3D, CD-4D and CD-M, as ActionBench defines them.

Source: ActionMesh (arXiv 2601.16148) and its benchmark (facebookresearch/actionmesh, actionbench/chamfer.py and
benchmark.py at cbb4d00): the mean distance from the truth's points to the nearest of the result's, plus the other way,
not squared. CD-3D aligns the result to the truth in each frame, CD-4D in the first frame only; both are means over the
frames. CD-M is aligned as CD-4D; points are matched in the first frame, and the match's distance is averaged over all
frames, both ways added. Units are those of the points.
"""

from __future__ import annotations

import numpy as np

from .align import Transform, align

Points = np.ndarray  # (N, 3)
MovingPoints = np.ndarray  # (T, N, 3), the same point of the surface at each index


def chamfer(result: Points, truth: Points) -> float:
    """Return the symmetric chamfer distance."""
    from scipy.spatial import cKDTree

    there, back = cKDTree(result).query(truth)[0], cKDTree(truth).query(result)[0]
    return float(there.mean() + back.mean())


def motion_chamfer(result: MovingPoints, truth: MovingPoints) -> float:
    """Return the distance of points matched in the first frame, averaged over all frames, both ways added."""
    from scipy.spatial import cKDTree

    to_result = cKDTree(result[0]).query(truth[0])[1]
    to_truth = cKDTree(truth[0]).query(result[0])[1]
    there = np.linalg.norm(result[:, to_result] - truth, axis=-1)
    back = np.linalg.norm(truth[:, to_truth] - result, axis=-1)
    return float(there.mean() + back.mean())


def moving_distances(
    result: list[Points],  # T frames, each sampled anew
    tracked: MovingPoints | None,  # of the result; None: its frames have no common points
    truth: MovingPoints,
    aligned: bool,  # False: both lie in the same world already, and alignment would hide that one is misplaced
) -> dict[str, float | list[float] | None]:
    """Return cd_3d, cd_4d and cd_m, and the curves cd_3d_by_time and cd_4d_by_time. Not aligned, cd_3d is cd_4d."""
    if len(result) != len(truth):
        raise ValueError(f"the result has {len(result)} frames, the truth {len(truth)}: give as many of both.")
    first = align(result[0], truth[0]) if aligned else Transform()
    single = [chamfer(first(points), target) for points, target in zip(result, truth, strict=True)]
    own = single
    if aligned:
        rest = [align(points, target) for points, target in zip(result[1:], truth[1:], strict=True)]
        pairs = zip((first, *rest), result, truth, strict=True)
        own = [chamfer(transform(points), target) for transform, points, target in pairs]
    return {
        "cd_3d": float(np.mean(own)),
        "cd_4d": float(np.mean(single)),
        "cd_m": None if tracked is None else motion_chamfer(first(tracked), truth),
        "cd_3d_by_time": own,
        "cd_4d_by_time": single,
    }
