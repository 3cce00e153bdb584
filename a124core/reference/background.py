"""A background whose colour varies smoothly: a polynomial for each channel, fitted robustly, and its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RING = 0.04  # width of the border that is fitted first, share of the shorter side
FITTED = 6000  # pixels of a fit
LEAST_SQUARES, TUKEY = 6, 14  # rounds: of absolute values first, which outliers move little; then without outliers
CUTOFF = 3.5  # of Tukey's weights, in units of the noise
FLOOR = 0.008  # standard deviation that a colour has at least: steps of 8 bits and of JPEG


@dataclass(frozen=True)
class Background:
    """A background's colours where its subject is taken away, and how far its own pixels are from them."""

    colours: np.ndarray  # (H, W, 3)
    whitening: np.ndarray  # (3, 3), from a difference of colours to units of its noise
    noise: float  # standard deviation along the noisiest direction of colour
    share: float  # of the fitted pixels that belong to it

    def distance(self, image: np.ndarray) -> np.ndarray:  # (H, W, 3) -> (H, W)
        """Return each pixel's distance from the background in units of its noise."""
        return np.linalg.norm((image - self.colours) @ self.whitening, axis=-1)


def fit_background(image: np.ndarray, fitted: np.ndarray, degree: int) -> Background:  # (H, W, 3), (H, W) bool
    """Fit a polynomial of x and y to those pixels, of which up to a third may be something else."""
    rows, columns = np.nonzero(fitted)
    step = max(1, len(rows) // FITTED)
    rows, columns = rows[::step], columns[::step]
    height, width = image.shape[:2]
    terms = _terms(columns / width * 2 - 1, rows / height * 2 - 1, degree)
    colours = image[rows, columns]
    coefficients = _robust_fit(terms, colours)
    residual = colours - terms @ coefficients
    distance = np.linalg.norm(residual, axis=1)
    inside = distance < CUTOFF * _scale(distance)
    covariance = np.cov(residual[inside].T) + FLOOR**2 * np.eye(3)
    values, vectors = np.linalg.eigh(covariance)
    y, x = np.mgrid[:height, :width]
    surface = _terms((x / width * 2 - 1).ravel(), (y / height * 2 - 1).ravel(), degree) @ coefficients
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    return Background(surface.reshape(image.shape), whitening, float(np.sqrt(values[-1])), float(inside.mean()))


def border_ring(height: int, width: int) -> np.ndarray:  # (H, W) bool
    """Mark the border that is fitted first."""
    ring = np.ones((height, width), dtype=bool)
    thickness = max(2, round(RING * min(height, width)))
    ring[thickness:-thickness, thickness:-thickness] = False
    return ring


def _robust_fit(terms: np.ndarray, colours: np.ndarray) -> np.ndarray:  # (N, K), (N, 3) -> (K, 3)
    """Solve by iteratively reweighted least squares: absolute values, then Tukey's biweight."""
    weights = np.ones(len(terms))
    for turn in range(LEAST_SQUARES + TUKEY):
        weighted = terms * weights[:, None]
        ridge = 1e-6 * len(terms) * np.eye(terms.shape[1])
        coefficients = np.linalg.solve(weighted.T @ terms + ridge, weighted.T @ colours)
        distance = np.linalg.norm(colours - terms @ coefficients, axis=1)
        if turn < LEAST_SQUARES:
            weights = 1.0 / np.maximum(distance, FLOOR / 2)
            weights /= weights.max()
        else:
            ratio = distance / (CUTOFF * 1.4 * _scale(distance))
            weights = np.where(ratio < 1, (1 - ratio**2) ** 2, 0.0)
    return coefficients


def _scale(distance: np.ndarray) -> float:
    """Return a standard deviation that is not moved by outliers."""
    return max(float(np.median(distance)), FLOOR)


def _terms(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:  # (N,), (N,) -> (N, K)
    return np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=1)
