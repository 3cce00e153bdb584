"""The cells of a silhouette as a graph of neighbours: distances inside it, its medial axis, its tips."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

DIRECT = 0.01  # per cell; in broad bodies, ways get straighter by it


class CellGraph:
    """Neighbouring cells of a piece, for shortest paths inside it."""

    def __init__(self, inside: np.ndarray) -> None:
        self.inside = inside
        self.row, self.col = inside.nonzero()
        self.index = np.full(inside.shape, -1)
        self.index[self.row, self.col] = np.arange(len(self.row))
        self.radius = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1][self.row, self.col]
        pairs, lengths = [], []
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            near = np.full(inside.shape, -1)
            ys, xs = slice(0, inside.shape[0] - dy), slice(max(0, -dx), inside.shape[1] - max(0, dx))
            near[ys, xs] = self.index[dy:, max(0, dx) : inside.shape[1] + min(0, dx)]
            here = inside & (near >= 0)
            pairs.append(np.stack((self.index[here], near[here])))
            lengths.append(np.full(here.sum(), np.hypot(dy, dx)))
        self.a, self.b = np.concatenate(pairs, 1)
        self.length = np.concatenate(lengths)

    @property
    def points(self) -> np.ndarray:
        """Return the cells (N, 2) as x right, y down."""
        return np.stack((self.col, self.row), 1).astype(float)

    def _matrix(self, cost: np.ndarray) -> csr_matrix:
        count = len(self.row)
        return csr_matrix((cost, (self.a, self.b)), shape=(count, count))

    def distances(self, sources: np.ndarray) -> np.ndarray:
        """Return the length (N,) of the shortest way inside from the nearest of the sources."""
        return dijkstra(self._matrix(self.length), False, sources, min_only=True)

    def tree(self, root: int) -> np.ndarray:
        """Return the next cell (N,) on the way to the root, along the medial axis; -9999 at the root."""
        cost = self.length * (1 / np.minimum(self.radius[self.a], self.radius[self.b]) + DIRECT) ** 2
        return dijkstra(self._matrix(cost), False, root, return_predecessors=True)[1]

    def tips(self, distance: np.ndarray, persistence: float) -> list[int]:
        """Return the cells farthest from the root, each by `persistence` farther than where it meets a farther one."""
        order = np.lexsort((np.arange(len(distance)), -distance))
        neighbours: list[list[int]] = [[] for _ in distance]
        for a, b in zip(self.a.tolist(), self.b.tolist(), strict=True):
            neighbours[a].append(b)
            neighbours[b].append(a)
        parent = np.full(len(distance), -1).tolist()
        top, tips = list(range(len(distance))), []

        def find(i: int) -> int:
            while parent[i] != i:
                parent[i] = i = parent[parent[i]]
            return i

        for i in order.tolist():
            parent[i] = i
            for j in neighbours[i]:
                if parent[j] < 0 or (k := find(j)) == (h := find(i)):
                    continue
                low, high = (k, h) if distance[top[k]] < distance[top[h]] else (h, k)
                if distance[top[low]] - distance[i] >= persistence:
                    tips.append(top[low])
                parent[low] = high
        return [top[find(int(order[-1]))], *tips]
