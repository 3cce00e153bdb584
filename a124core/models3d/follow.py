"""A still model that follows a clip: the motion in the clip's image, lifted to the whole surface.

Pixels of the first frame move along known rays, not along a known depth, and the other sides are not filmed at all: of
all deformations that follow the rays the one that bends the surface least is taken, as rigid as possible (Sorkine and
Alexa 2007) on a graph of control points (Sumner et al. 2007).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..protocols import Cameras
from ..reference.layers import resize
from ..utils.progress import OnProgress, ProgressCounter
from ..utils.rotations import nearest_rotations
from .clip_motion import SIDE, flow_at, sample
from .lens import axes_and_lens, project
from .mesh import MeshModel
from .sequence import Model

CONTROLS = 400  # points whose motion is looked for
CANDIDATES = 4000  # points of the model among which they are chosen
NEIGHBOURS = 8  # of each control point, which it moves with
BLENDED = 4  # control points that move a point of the model
FILMED = 2000  # pixels that are followed
OPAQUE = 0.9  # opacity in the first frame, of the model and of the clip, from which a pixel is followed
RIGIDITY = (1.0, 0.3, 0.1)  # weight of an edge of the graph, against a pixel's, in turn: lost parts go with the rest
ALONG = 2  # of these in which parts keep the shape of the frame before, instead of that at rest
DEPTH = 0.3  # weight of staying at the depth of the first frame, which no single camera films, against a pixel's
INERTIA = 1e-6  # weight of staying where a control point was before: it decides alone where no pixel is trusted
ROUNDS = 12  # of solving for positions and for rotations in turn
HIDDEN = 0.03  # world units by which a point may lie behind what the camera sees


@dataclass(frozen=True)
class Graph:
    """Control points at rest, and what moves together."""

    points: Tensor  # (M, 3)
    edges: Tensor  # (E, 2) both directions of each pair

    def rest(self) -> Pose:
        """Return where the control points are in the first frame."""
        return Pose(self.points, torch.eye(3, dtype=torch.float64).expand(len(self.points), 3, 3))


@dataclass(frozen=True)
class Pose:
    """Where the control points are in one frame, and how they are turned."""

    positions: Tensor  # (M, 3)
    rotations: Tensor  # (M, 3, 3)


@dataclass(frozen=True)
class Blend:
    """Points that control points move."""

    points: Tensor  # (P, 3) at rest
    controls: Tensor  # (P, BLENDED)
    weights: Tensor  # (P, BLENDED), their sum is 1

    def moved(self, graph: Graph, pose: Pose) -> Tensor:  # (P, 3)
        """Return where the points go with the control points."""
        offsets = self.points[:, None] - graph.points[self.controls]
        offsets = torch.einsum("pkij,pkj->pki", pose.rotations[self.controls], offsets)
        return ((pose.positions[self.controls] + offsets) * self.weights[..., None]).sum(1)


def follow_clip(
    model: Model,
    layers: Tensor,  # (N, 4, S, S) premultiplied colour and coverage
    camera: Cameras,  # one, at rest
    on_progress: OnProgress | None = None,
) -> tuple[Model, ...]:  # N
    """Return the model at each frame of a clip that one camera filmed; the first is itself."""
    progress = ProgressCounter(len(layers) - 1, on_progress)
    points = _positions(model)
    graph = _graph(points)
    c2w, lens = axes_and_lens(camera, SIDE)
    c2w, lens = c2w[0].double(), lens[0].double()
    solver = _Solver(graph, _blend(_filmed_points(model, layers, camera, c2w), graph), c2w)
    surface, pose = _blend(points, graph), graph.rest()
    frames = [model]
    for k in range(1, len(layers)):
        before = pose
        for turn, rigidity in enumerate(RIGIDITY):
            drawn = _deformed(model, surface, graph, pose).layers(camera, (SIDE, SIDE))
            goals, trust = _corrected(drawn, layers[k : k + 1], solver.blend.moved(graph, pose), c2w, lens)
            shape = before if turn < ALONG else graph.rest()
            pose = solver.solve(_rays(goals, c2w, lens), trust, rigidity, shape, pose)
        frames.append(_deformed(model, surface, graph, pose))
        progress.advance("moving the model with the clip")
    return tuple(frames)


def _corrected(
    drawn: Tensor, layers: Tensor, points: Tensor, c2w: Tensor, lens: Tensor
) -> tuple[Tensor, Tensor]:  # (1, 5, SIDE, SIDE), (1, 4, S, S), (P, 3) -> (P, 2), (P,)
    """Return where the frame shows the points (P, 3) of a deformed model as it is drawn, and how well the two agree;
    nothing is known of points behind others."""
    pixels, away = project(points, c2w, lens, SIDE)
    moves, agreement = flow_at(drawn[:, :4], layers, pixels.float())
    depth = sample((drawn[0, 4] / drawn[0, 3].clamp_min(1e-6))[..., None], pixels.float())[:, 0]
    in_front = (away < depth + HIDDEN) & (sample(drawn[0, 3][..., None], pixels.float())[:, 0] > 0.5)
    return pixels + moves.double(), agreement.double() * in_front


def _positions(model: Model) -> Tensor:  # (P, 3)
    return (model.vertices if isinstance(model, MeshModel) else model.means).double()


def _deformed(model: Model, surface: Blend, graph: Graph, pose: Pose) -> Model:
    moved = surface.moved(graph, pose).float()
    if isinstance(model, MeshModel):
        return replace(model, vertices=moved)
    nearest = pose.rotations[surface.controls[:, 0]].float()
    return replace(model, means=moved, covariances=nearest @ model.covariances @ nearest.transpose(1, 2))


def _graph(points: Tensor) -> Graph:
    """Choose control points that lie as far apart as possible, and join neighbours."""
    rng = torch.Generator().manual_seed(0)
    candidates = points[torch.randperm(len(points), generator=rng)[:CANDIDATES]]
    chosen, distance = [0], (candidates - candidates[0]).norm(dim=1)
    while len(chosen) < CONTROLS and float(distance.max()) > 0.0:  # vertices of several faces may lie at one place
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (candidates - candidates[chosen[-1]]).norm(dim=1))
    controls = candidates[chosen]
    near = torch.cdist(controls, controls).topk(min(NEIGHBOURS + 1, len(controls)), largest=False)[1][:, 1:]
    pairs = torch.stack((torch.arange(len(controls))[:, None].expand_as(near).flatten(), near.flatten()), 1)
    pairs = _joined(controls, pairs)
    return Graph(controls, torch.cat((pairs, pairs.flip(1))).unique(dim=0))


def _joined(points: Tensor, pairs: Tensor) -> Tensor:  # (M, 3), (E, 2) -> (E, 2)
    """Add edges between parts that none joins, where they are nearest: a part that is not filmed goes with another."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    while True:
        links = coo_matrix((np.ones(len(pairs)), pairs.T.numpy()), shape=(len(points),) * 2)
        part = torch.from_numpy(connected_components(links, directed=False)[1])
        here, there = (torch.nonzero(inside)[:, 0] for inside in (part == 0, part != 0))
        if not len(there):
            return pairs
        distance = torch.cdist(points[here], points[there]).flatten()
        nearest = distance.topk(min(NEIGHBOURS, len(distance)), largest=False)[1]
        pairs = torch.cat((pairs, torch.stack((here[nearest // len(there)], there[nearest % len(there)]), 1)))


def _blend(points: Tensor, graph: Graph) -> Blend:
    """Let the nearest control points move each point, the nearer ones more."""
    near = [torch.cdist(part, graph.points).topk(min(BLENDED + 1, len(graph.points)), largest=False)
            for part in points.split(20_000)]
    distance, controls = (torch.cat(parts) for parts in zip(*near, strict=True))
    weights = (1.0 - distance[:, :-1] / distance[:, -1:].clamp_min(1e-12)).clamp_min(0.0).square() + 1e-9
    return Blend(points, controls[:, :-1], weights / weights.sum(1, keepdim=True))


def _filmed_points(model: Model, layers: Tensor, camera: Cameras, c2w: Tensor) -> Tensor:  # (P, 3)
    """Return points of the surface that the first frame shows."""
    drawn = model.layers(camera, (SIDE, SIDE))[0].double()
    filmed = resize(layers[:1, 3:], (SIDE, SIDE))[0, 0]
    rows = torch.nonzero(((drawn[3] > OPAQUE) & (filmed > OPAQUE)).flatten())[:, 0]
    if not len(rows):
        raise ValueError(
            "the first frame of the clip shows no opaque part of the 3D model, so that it cannot follow: give a model "
            "that is less transparent, or a clip in which the subject is larger."
        )
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:FILMED]].sort()[0]
    depth = (drawn[4] / drawn[3].clamp_min(1e-6)).flatten()[rows]
    axis = torch.arange(SIDE, dtype=torch.float64) + 0.5
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 2)[rows]
    lens = axes_and_lens(camera, SIDE)[1][0].double()
    return c2w[:3, 3] + _directions(pixels, c2w, lens) * depth[:, None]


def _directions(pixels: Tensor, c2w: Tensor, lens: Tensor) -> Tensor:  # (P, 3), of length 1 along the axis
    right = (pixels[:, :1] - SIDE / 2 - lens[1]) / lens[0]
    up = (SIDE / 2 - pixels[:, 1:] - lens[2]) / lens[0]
    return right * c2w[:3, 0] + up * c2w[:3, 1] - c2w[:3, 2]


def _rays(pixels: Tensor, c2w: Tensor, lens: Tensor) -> Tensor:  # (P, 3) unit
    return torch.nn.functional.normalize(_directions(pixels, c2w, lens), dim=1)


class _Solver:
    """Poses that follow the rays and bend the graph least."""

    def __init__(self, graph: Graph, blend: Blend, c2w: Tensor) -> None:
        from scipy.sparse import coo_matrix

        self.graph, self.blend, self.c2w = graph, blend, c2w
        count, (i, j) = len(graph.points), graph.edges.T
        laplacian = torch.zeros(count, count, dtype=torch.float64)
        laplacian.index_put_((i, i), torch.ones(len(i), dtype=torch.float64), accumulate=True)
        laplacian.index_put_((i, j), -torch.ones(len(i), dtype=torch.float64), accumulate=True)
        self.laplacian = coo_matrix(laplacian.numpy())
        rows = torch.arange(len(blend.points))[:, None].expand_as(blend.controls)
        self.weights = coo_matrix(
            (blend.weights.flatten().numpy(), (rows.flatten().numpy(), blend.controls.flatten().numpy())),
            shape=(len(blend.points), count),
        ).tocsr()

    def solve(self, rays: Tensor, trust: Tensor, rigidity: float, shape: Pose, start: Pose) -> Pose:
        """Return the pose, from a start, that bends a shape least."""
        across = torch.eye(3, dtype=torch.float64) - torch.einsum("pi,pj->pij", rays, rays)
        along = DEPTH * torch.outer(self.c2w[:3, 2], self.c2w[:3, 2])
        goal = trust[:, None] * (across @ self.c2w[:3, 3] + self.blend.points @ along)
        project = trust[:, None, None] * (across + along)
        factor, (i, j) = self._factorised(project, rigidity), self.graph.edges.T
        edges, pose = shape.positions[i] - shape.positions[j], start
        for _ in range(ROUNDS):
            offsets = self.blend.moved(self.graph, Pose(torch.zeros_like(pose.positions), pose.rotations))
            rest = goal - torch.einsum("pij,pj->pi", project, offsets)
            turns = pose.rotations @ shape.rotations.transpose(1, 2)
            turned = torch.einsum("eij,ej->ei", turns[i] + turns[j], edges) * rigidity
            right = torch.from_numpy(self.weights.T @ rest.numpy()).index_add(0, i, turned) + INERTIA * start.positions
            positions = torch.from_numpy(factor(right.numpy().reshape(-1))).view(-1, 3)
            pose = Pose(positions, self._turns(positions, edges) @ shape.rotations)
        return pose

    def _factorised(self, project: Tensor, rigidity: float) -> Callable[[np.ndarray], np.ndarray]:  # (P, 3, 3)
        """Factorise the normal equations, in which control points' coordinates lie one after another."""
        from scipy.sparse import bsr_matrix, eye, kron
        from scipy.sparse.linalg import factorized

        wide = kron(self.weights, eye(3)).tocsr()
        count, controls = len(project), len(self.graph.points)
        blocks = bsr_matrix((project.numpy(), np.arange(count), np.arange(count + 1)), shape=(3 * count, 3 * count))
        stiffness = 2.0 * rigidity * self.laplacian + INERTIA * eye(controls)
        return factorized((wide.T @ blocks @ wide + kron(stiffness, eye(3))).tocsc())

    def _turns(self, positions: Tensor, edges: Tensor) -> Tensor:  # (M, 3, 3)
        """Return the rotation of each control point that its edges agree with best (Kabsch)."""
        i, j = self.graph.edges.T
        outer = torch.einsum("ei,ej->eij", positions[i] - positions[j], edges)
        sums = torch.zeros(len(positions), 3, 3, dtype=torch.float64).index_add(0, i, outer)
        return nearest_rotations(sums)
