"""Weights that make a pixel-wise loss care about the membranes between touching cells."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def border_weights(interior: np.ndarray, w0: float, sigma_px: float) -> np.ndarray:
    """Weight map of Ronneberger 2015, equation 2, without its class-balancing term.

    ``1 + w0 * exp(-(d1 + d2)^2 / (2 sigma^2))`` on the background, where d1 and d2 are the
    distances to the nearest and the second nearest cell; 1 inside cells.

    Parameters
    ----------
    interior : ndarray of bool, shape (H, W)
        True inside cells; cells are its 4-connected components.
    w0 : float
        Extra weight where two cells touch.
    sigma_px : float
        Width of the ridge in pixels.

    Returns
    -------
    ndarray of float32, shape (H, W), >= 1
    """
    cells, count = ndimage.label(interior)
    nearest = np.full(interior.shape, np.inf)
    second = np.full(interior.shape, np.inf)
    for cell in range(1, count + 1):
        distance = ndimage.distance_transform_edt(cells != cell)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    weights = 1 + w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma_px**2))
    return np.where(interior, 1.0, weights).astype(np.float32)
