"""Parts of a silhouette: whatever is joined to the rest by a cut that is narrow for its length, such as limb or head.

Paths on the medial axis lead from each tip to the middle of the thickest body (the root). Where the radius of the
largest inscribed disc rises along a path, the path enters a thicker body, and that is where a part is joined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label

from .cell_graph import CellGraph

CELLS = 96  # of the longer side of the silhouette's box
COVERED = 0.4  # share of a cell that the mask must cover
MIN_AREA = 60  # cells; smaller silhouettes have no parts
NEAR = 0.6  # radii of a thicker body before it in which its neck is looked for
MIN_LENGTH = 0.07  # of a part, against the longer side
ELONGATION = 1.1  # least length of a part against the width of its cut
WIDENING = 1.25  # least rise of the radius behind a cut
NECK = 1.08  # the same on both sides of a cut
BRANCH_ELONGATION = 1.5  # least length of a branch that is as thick as its trunk, against the width of its cut
PLATEAU = 0.92  # share of a peak's radius at which a thicker body begins
PROMINENCE = 1.12  # of a peak of the radius along a path against the lowest radius before it
AS_THICK = 0.85  # of the body's radius at a cut: what bears parts beyond it is the body itself
LARGEST_SHARE = 0.55  # of the silhouette's area in one part
JOINT_SHARE = 0.7  # half length of a joint's soft zone against the cut's half width
EIGHT = np.ones((3, 3), int)


@dataclass(frozen=True, eq=False)
class SilhouettePart:
    """A part that turns about a joint; positions are (x right, y down) in cells, as are lengths."""

    joint: np.ndarray  # (2,)
    tip: np.ndarray  # (2,)
    centre: np.ndarray  # (2,) mean of its cells
    foot: np.ndarray  # (2,) mean of its lowest cells
    half_width: float  # of the cut at the joint
    length: float  # from the joint to the tip, along the medial axis
    area: int
    parent: int  # index of the part that it sits on, -1: the body
    weight: np.ndarray  # (H, W): 0 on the rest, 1 beyond the joint


@dataclass(frozen=True, eq=False)
class Silhouette:
    """The body of a silhouette and its parts, the outer ones first."""

    inside: np.ndarray  # (H, W) bool, its largest piece
    root: np.ndarray  # (2,) middle of the thickest body
    radius: float  # of the largest inscribed disc there
    parts: tuple[SilhouettePart, ...]


def find_parts(cover: np.ndarray) -> Silhouette | None:
    """Split a silhouette, cover (H, W) in [0, 1] at about CELLS cells; None if there is too little of it."""
    pieces, count = label(cover > COVERED, EIGHT)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    if not count or sizes.max() < MIN_AREA:
        return None
    graph = CellGraph(pieces == 1 + int(sizes.argmax()))
    root = _root(graph)
    size = max(np.ptp(graph.row), np.ptp(graph.col)) + 1
    towards = graph.tree(root)
    tips = graph.tips(graph.distances(np.array([root])), MIN_LENGTH * size)
    cuts: dict[int, _Cut] = {}
    paths = [_path(towards, tip) for tip in tips]
    junctions = _junctions(graph, paths)
    for path in paths:
        for cut in _cuts(graph, path, size, junctions):
            old = cuts.get(cut.cell)
            cuts[cut.cell] = cut if old is None or cut.length > old.length else old
    regions = [(cut, region) for cut in cuts.values() if (region := _region(graph, cut, root)) is not None]
    regions.sort(key=lambda pair: (pair[1].sum(), pair[0].cell))
    regions = _beside_body(_distinct(regions), graph.radius[root])
    parts = tuple(_part(graph, cut, region, _parent(k, regions)) for k, (cut, region) in enumerate(regions))
    return Silhouette(graph.inside, graph.points[root], float(graph.radius[root]), parts)


def _root(graph: CellGraph) -> int:
    """Return the middle of the body: thick, low and central, as a head may be thicker than its body."""
    x, y = graph.points.T
    height, width = max(np.ptp(y), 1), max(np.ptp(x), 1)
    low = (y - y.min()) / height
    aside = np.abs(x - (x.min() + x.max()) / 2) / width
    return int((graph.radius * (0.75 + 0.35 * np.minimum(low, 0.7)) * (1 - 0.3 * aside)).argmax())


def _path(towards: np.ndarray, tip: int) -> np.ndarray:
    path = [tip]
    while towards[path[-1]] >= 0:
        path.append(int(towards[path[-1]]))
    return np.array(path)


@dataclass(frozen=True)
class _Cut:
    """A narrow place of a path, between a tip and the root."""

    cell: int
    tip: int
    length: float  # from the tip
    radius: float
    outwards: np.ndarray  # (2,) unit, along the path


def _cuts(graph: CellGraph, path: np.ndarray, size: int, junctions: set[int]) -> list[_Cut]:
    """Return the cuts of one path: before each thicker body and each junction that it enters."""
    points, radius = graph.points[path], graph.radius[path]
    radius = np.convolve(np.pad(radius, 2, mode="edge"), np.full(5, 0.2), "valid")
    along = np.concatenate(([0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()))
    elongation = along / (2 * radius)
    peaks = set(_peaks(radius))
    places, start = set(), 0
    for body in sorted({*peaks, *np.isin(path, list(junctions)).nonzero()[0].tolist()}):
        outside = np.hypot(*(points[:body] - points[body]).T) >= radius[body]
        outside[:start] = False
        choices = (outside & (along[:body] >= MIN_LENGTH * size)).nonzero()[0]
        for cut in _narrow(choices, along, elongation, radius, NEAR * radius[body]):
            bulb = radius[start:cut].max(initial=0.0)  # the thickest of the part itself
            is_neck = min(bulb, radius[body]) >= NECK * radius[cut] or radius[body] >= WIDENING * radius[cut]
            is_branch = elongation[cut] >= BRANCH_ELONGATION and path[body] in junctions
            if (body in peaks and is_neck and elongation[cut] >= ELONGATION) or is_branch:
                places.add(cut)
        start = body
    return [_cut(graph, path, k, along[k]) for k in sorted(places)]


def _narrow(
    choices: np.ndarray, along: np.ndarray, elongation: np.ndarray, radius: np.ndarray, near: float
) -> list[int]:
    """Return two places of a path: with the longest part for its cut, and the narrowest of those near the end."""
    if not len(choices):
        return []
    last = choices[along[choices] >= along[choices[-1]] - near][::-1]
    return [int(choices[elongation[choices].argmax()]), int(last[radius[last].argmin()])]


def _cut(graph: CellGraph, path: np.ndarray, k: int, length: float) -> _Cut:
    """Make the cut at place k of a path."""
    outwards = graph.points[path[max(0, k - 4)]] - graph.points[path[min(len(path) - 1, k + 4)]]
    outwards = outwards / max(np.hypot(*outwards), 1e-6)
    return _Cut(int(path[k]), int(path[0]), float(length), float(graph.radius[path[k]]), outwards)


def _junctions(graph: CellGraph, paths: list[np.ndarray]) -> set[int]:
    """Return the cells where three ways meet: two tips and the root, or at the root three tips."""
    met, meetings = set(paths[0].tolist()), []
    for path in paths[1:]:
        meetings.append(int(path[np.isin(path, list(met)).argmax()]))
        met |= set(path.tolist())
    root = paths[0][-1]
    gaps = np.hypot(*(graph.points[meetings] - graph.points[root]).T) if meetings else np.zeros(0)
    at_root = gaps < graph.radius[root]
    outer = {cell for cell, is_near in zip(meetings, at_root, strict=True) if not is_near}
    return outer | ({int(root)} if at_root.sum() >= 2 else set())


def _peaks(radius: np.ndarray) -> list[int]:
    """Return where each thicker body begins along a path: from there the radius is nearly that of the next peak."""
    peaks, low, high, start = [], radius[0], radius[0], 0
    for i, r in enumerate(radius):
        if r > high:
            high = r
        if r < high / PROMINENCE:  # past a peak
            if high >= PROMINENCE * low:
                peaks.append(start + int((radius[start : i + 1] >= PLATEAU * high).argmax()))
            start, low, high = i, r, r
        elif r < low:
            start, low, high = i, r, r
    if high >= PROMINENCE * low:
        peaks.append(start + int((radius[start:] >= PLATEAU * high).argmax()))
    return peaks


def _region(graph: CellGraph, cut: _Cut, root: int) -> np.ndarray | None:
    """Return the cells (N,) beyond a cut; None where another way leads to the root: a handle or ring."""
    offset = graph.points - graph.points[cut.cell]
    in_disc = np.hypot(*offset.T) <= cut.radius + 0.8
    rest = graph.inside.copy()
    rest[graph.row[in_disc], graph.col[in_disc]] = False
    pieces = label(rest, EIGHT)[0][graph.row, graph.col]
    if in_disc[cut.tip] or in_disc[root] or pieces[cut.tip] == pieces[root]:
        return None
    beyond = offset @ cut.outwards > 0
    region = np.where(in_disc, beyond, pieces == pieces[cut.tip])
    for piece in set(pieces[~in_disc].tolist()) - {pieces[cut.tip], pieces[root]}:
        here = pieces == piece
        region[here & ~in_disc] = beyond[here & ~in_disc].mean() > 0.5
    return region if 0 < region.sum() <= LARGEST_SHARE * len(region) else None


def _distinct(regions: list[tuple[_Cut, np.ndarray]]) -> list[tuple[_Cut, np.ndarray]]:
    """Leave out regions that are nearly another one, or that cross another one's border."""
    chosen: list[tuple[_Cut, np.ndarray]] = []
    for cut, region in reversed(regions):  # the largest first
        shares = [(region & other).sum() / region.sum() for _, other in chosen]
        sizes = [region.sum() / other.sum() for _, other in chosen]
        is_nested = all(share < 0.1 or share > 0.9 for share in shares)
        if is_nested and not any(share > 0.9 and size > 0.8 for share, size in zip(shares, sizes, strict=True)):
            chosen.append((cut, region))
    return chosen[::-1]


def _beside_body(regions: list[tuple[_Cut, np.ndarray]], radius: float) -> list[tuple[_Cut, np.ndarray]]:
    """Leave out regions that bear others beyond a cut as thick as the body, whose largest disc has this radius."""
    bearing = {_parent(k, regions) for k in range(len(regions))}
    return [region for k, region in enumerate(regions)
            if k not in bearing or region[0].radius < AS_THICK * radius]


def _parent(k: int, regions: list[tuple[_Cut, np.ndarray]]) -> int:
    """Return the smallest region that holds region k, -1: the body."""
    mine = regions[k][1]
    return next((j for j in range(k + 1, len(regions)) if (mine & regions[j][1]).sum() > 0.9 * mine.sum()), -1)


def _part(graph: CellGraph, cut: _Cut, region: np.ndarray, parent: int) -> SilhouettePart:
    """Measure a part; its weight rises smoothly across the cut, by the distance inside the silhouette."""
    points = graph.points
    offset = points - points[cut.cell]
    on_cut = (np.hypot(*offset.T) <= cut.radius + 1.5) & (np.abs(offset @ cut.outwards) <= 0.8)
    distance = graph.distances(on_cut.nonzero()[0])
    zone = max(JOINT_SHARE * cut.radius, 1.5)
    share = np.clip((np.where(region, distance, -distance) + zone) / (2 * zone), 0, 1)
    weight = np.zeros(graph.inside.shape, np.float32)
    weight[graph.row, graph.col] = share * share * (3 - 2 * share)
    mine = points[region]
    foot = mine[mine[:, 1] >= mine[:, 1].max() - 1].mean(0)
    ends = (points[cut.cell], points[cut.tip], mine.mean(0), foot)
    return SilhouettePart(*ends, cut.radius, cut.length, len(mine), parent, weight)
