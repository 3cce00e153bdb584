"""The field's surface at a time: density on a grid, its interior filled, marching cubes, smoothing, decimation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ...field.occupancy import OccupancyMask, field_occupancy
from ...protocols import Field
from ...utils.optional import require
from .colour import POINTS_PER_BATCH, colours_at
from .mesh import EmptySurfaceError, Frame, Mesh, Surface, face_vectors, unique_edges, vertex_normals
from .options import check_grid_memory

OPTICAL_THICKNESS = 3.0  # of a quarter of the object at the surface's level: exp(-3) = 5 % of the light passes
MAX_LEVEL_SHARE = 0.35  # of the object's median density: a faint field has a surface too
LOG_CONTRAST = 4.0  # log(density / level) is clipped at +-4: what is far from the level must not move the surface
BLUR_STEPS = 1.0  # grid steps: standard deviation of the Gaussian that takes the stairs out of a density that jumps
POINTS_PER_SLAB = 4 * POINTS_PER_BATCH  # grid points at a time, most of which are empty
SURVEY_CELLS = 64  # a side of the coarse grid that locates the object
MARGIN_STEPS = 3  # empty grid steps around the object
MIN_PART_SHARE = 0.005  # of the largest part's volume: smaller parts are floaters
CLOSING_RADIUS = 1.5  # grid steps: gaps that a ball of this radius cannot enter are closed
TAUBIN_ROUNDS, TAUBIN_WEIGHTS = 8, (0.5, -0.53)  # Taubin 1995: shrink, then swell by a little more, keeps the volume
AGGRESSIVENESS = (2, 5, 7)  # of fast-simplification: at 2 surfaces stay clean, but it may stop early
COLOUR_RAY_STEPS = 4.0  # grid steps: length of the ray that renders a surface's colour


@dataclass(frozen=True)
class VoxelGrid:
    """Points at low + step * (i, j, k)."""

    low: np.ndarray  # (3,)
    step: float  # world units
    shape: tuple[int, int, int]  # along x, y, z

    def points(self, first: int = 0, last: int | None = None) -> np.ndarray:  # (X * Y * Z, 3), z fastest
        """Return the points of all layers along x, or of layers first .. last - 1."""
        axes = [self.low[a] + self.step * np.arange(self.shape[a]) for a in range(3)]
        axes[0] = axes[0][first:last]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)


@dataclass(frozen=True)
class IsoSurface:
    """The surface of a field at any time, on one grid and at one level for the whole scene."""

    field: Field
    mask: OccupancyMask
    grid: VoxelGrid
    level: float  # density
    resolution: int  # grid steps along the object's longest side
    poll: Callable[[], None]  # called in all long work: raising in it cancels

    def density(self, time: float) -> np.ndarray:  # (X, Y, Z) float32
        """Query the field a slab of layers at a time: points take more memory than their densities."""
        x, y, z = self.grid.shape
        out, depth = np.empty((x, y, z), np.float32), max(1, POINTS_PER_SLAB // (y * z))
        for first in range(0, x, depth):
            self.poll()
            points = self.grid.points(first, first + depth)
            out[first : first + depth] = density_at(self.field, self.mask, points, time).reshape(-1, y, z)
        return out

    def surface(self, time: float) -> Surface:
        """Extract the closed surface, without floaters, smoothed."""
        height = log_height(self.density(time), self.level)
        self.poll()
        vertices, faces = marching_cubes(fill_interior(height), self.grid)
        if len(faces) == 0:
            raise EmptySurfaceError(
                f"no faces are left at time {time:.2f} after cleaning: raise the resolution (now "
                f"{self.resolution}) if the object is thin, or choose another time."
            )
        return taubin_smooth(vertices, faces), faces

    def frame(self, time: float, max_faces: int) -> Frame:
        """Extract, decimate and colour the surface."""
        surface = self.surface(time)
        vertices, faces = decimate(*surface, max_faces)
        normals = vertex_normals(vertices, faces)
        return Frame(time, Mesh(vertices, faces, normals, self.colours(time, vertices, normals)), surface)

    def colours(self, time: float, points: np.ndarray, normals: np.ndarray) -> np.ndarray:  # (N, 3) sRGB
        return colours_at(self.field, time, points, normals, COLOUR_RAY_STEPS * self.grid.step, self.poll)


def fit_surface(
    field: Field, times: np.ndarray, resolution: int, poll: Callable[[], None] = lambda: None
) -> IsoSurface:
    """Locate the object at all times; choose the grid around it and the level.

    The level is the density of which a quarter of the object lets through exp(-OPTICAL_THICKNESS) of the light."""
    mask = field_occupancy(field).mask()
    cell = 2.0 / SURVEY_CELLS
    survey = VoxelGrid(np.full(3, -1.0 + cell / 2), cell, (SURVEY_CELLS,) * 3).points()
    ever_opaque, opaque_densities, max_density = np.zeros(len(survey), bool), [], 0.0
    for time in times:
        poll()
        density = density_at(field, mask, survey, float(time))
        opaque = density > _level(2.0)
        ever_opaque |= opaque
        opaque_densities.append(density[opaque])
        max_density = max(max_density, float(density.max()))
    if not ever_opaque.any():
        raise ValueError(
            f"the field is empty: nothing in it is opaque (maximal density {max_density:.3g}, needed "
            f"{_level(2.0):.3g}). Optimize it for longer, or choose another field."
        )
    low, high = survey[ever_opaque].min(0) - cell, survey[ever_opaque].max(0) + cell
    extent = float((high - low).max()) - cell
    level = min(_level(extent), MAX_LEVEL_SHARE * float(np.median(np.concatenate(opaque_densities))))
    grid = _grid_around(low, high, extent / resolution)
    check_grid_memory(grid.shape, resolution)
    return IsoSurface(field, mask, grid, level, resolution, poll)


def _level(extent: float) -> float:
    """Return the density that is opaque over a quarter of an object of this extent, world units."""
    return OPTICAL_THICKNESS / (extent / 4.0)


def _grid_around(low: np.ndarray, high: np.ndarray, step: float) -> VoxelGrid:
    low = low - MARGIN_STEPS * step
    shape = np.ceil((high - low) / step).astype(int) + MARGIN_STEPS + 1
    return VoxelGrid(low, step, tuple(int(n) for n in shape))


@torch.no_grad()
def density_at(field: Field, mask: OccupancyMask, points: np.ndarray, time: float) -> np.ndarray:  # (N, 3) -> (N,)
    """Return the density at points; 0 outside the cube and in cells that the renderer skips too."""
    xyz = torch.from_numpy(points).to(mask.binary.device)
    inside = mask.contains(xyz, time)
    density = torch.zeros(len(xyz), device=xyz.device)
    if inside.any():
        batches = xyz[inside].split(POINTS_PER_BATCH)
        density[inside] = torch.cat([field(batch, batch.new_full((len(batch),), time))[0] for batch in batches])
    return density.cpu().numpy()


def log_height(density: np.ndarray, level: float) -> np.ndarray:  # (X, Y, Z) -> (X, Y, Z), above 0 inside
    """Blur log(density / level): density falls by a constant factor a step, so this crosses 0 evenly."""
    from scipy.ndimage import gaussian_filter

    height = np.log(np.maximum(density, 1e-9) / level).clip(-LOG_CONTRAST, LOG_CONTRAST).astype(np.float32)
    height = gaussian_filter(height, BLUR_STEPS, mode="nearest")
    height[[0, -1]] = height[:, [0, -1]] = height[:, :, [0, -1]] = -LOG_CONTRAST  # closed also where the cube cuts
    return height


def fill_interior(height: np.ndarray) -> np.ndarray:  # (X, Y, Z), above 0 inside -> (X, Y, Z)
    """Remove floaters, and fill what a small ball cannot reach from outside.

    A field has never learned what no camera sees: cavities inside an object and cracks that lead there are noise."""
    from scipy.ndimage import label

    parts, count = label(height > 0.0)
    if count == 0:
        return height
    volume = np.bincount(parts.ravel(), minlength=count + 1)
    volume[0] = volume[1:].max()  # empty space is no part
    cleaned = np.where((volume < MIN_PART_SHARE * volume.max())[parts], height.min(), height)
    return np.where((cleaned <= 0.0) & ~_reachable(cleaned <= 0.0), height.max(), cleaned)


def _reachable(empty: np.ndarray) -> np.ndarray:  # (X, Y, Z) bool, True at the border -> (X, Y, Z) bool
    """Return the empty space that a ball of CLOSING_RADIUS sweeps when it comes in from the corner."""
    from scipy.ndimage import distance_transform_edt, label

    parts, _ = label(distance_transform_edt(empty) > CLOSING_RADIUS)
    return distance_transform_edt(parts != parts[0, 0, 0]) <= CLOSING_RADIUS


def marching_cubes(height: np.ndarray, grid: VoxelGrid) -> Surface:
    """Return the surface where the height is 0, faces outward; it is empty if no height is above 0."""
    measure = require("skimage.measure", "scikit-image", "to extract surfaces")
    if height.max() <= 0.0:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    vertices, faces, _, _ = measure.marching_cubes(height, 0.0, gradient_direction="ascent", allow_degenerate=False)
    return (vertices * grid.step + grid.low).astype(np.float32), faces.astype(np.int32)


def taubin_smooth(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (V, 3)
    """Move vertices towards the mean of their neighbours and back out.

    In float32, unlike trimesh's: another rounding here makes decimation collapse other edges."""
    mean = _neighbour_mean(faces, len(vertices))
    for weight in TAUBIN_WEIGHTS * TAUBIN_ROUNDS:
        vertices = vertices + weight * (mean @ vertices - vertices)
    return vertices.astype(np.float32)


def _neighbour_mean(faces: np.ndarray, count: int):  # -> scipy.sparse.csr_matrix (V, V)
    """Return the matrix that averages values at vertices over each vertex's neighbours."""
    from scipy.sparse import csr_matrix

    a, b = unique_edges(faces).T
    ones = np.ones(2 * len(a), np.float32)
    adjacency = csr_matrix((ones, (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1.0)
    adjacency.data /= np.repeat(degree, np.diff(adjacency.indptr)).astype(np.float32)
    return adjacency


def decimate(vertices: np.ndarray, faces: np.ndarray, max_faces: int) -> Surface:
    """Collapse the edges that matter least (quadric error), until there are at most about max_faces."""
    fast_simplification = require("fast_simplification", "fast-simplification", "to reduce the number of faces")
    for aggressiveness in AGGRESSIVENESS:
        if len(faces) > max_faces:
            vertices, faces = fast_simplification.simplify(
                vertices, faces, target_count=max_faces, agg=aggressiveness
            )
    return _without_degenerate(vertices.astype(np.float32), faces.astype(np.int32))


def _without_degenerate(vertices: np.ndarray, faces: np.ndarray) -> Surface:
    """Remove faces without area, and vertices that no face uses."""
    faces = faces[np.linalg.norm(face_vectors(vertices, faces), axis=1) > 1e-12]
    used, packed = np.unique(faces, return_inverse=True)
    return vertices[used], packed.reshape(-1, 3).astype(np.int32)
