"""A generated EM-like image, so that the demo needs no data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def synthetic_em(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A synthetic section: grey cells parted by dark membranes, with noise. Not real tissue.

    Cells are the Voronoi regions of jittered grid points, measured in a smoothly warped plane;
    membranes are where the nearest and second nearest points are about equally far.

    Parameters
    ----------
    height, width : int
        Pixels.
    seed : int
        Of the generator.

    Returns
    -------
    ndarray of uint8, shape (height, width)
    """
    rng = np.random.default_rng(seed)
    spacing = 44.0
    rows, columns = int(height / spacing) + 4, int(width / spacing) + 4
    jitter = rng.uniform(-0.42, 0.42, (rows, columns, 2))
    tone = rng.normal(150, 13, (rows, columns))
    phase = rng.uniform(0, 2 * np.pi, (2, 3))
    image = np.empty((height, width), np.uint8)
    band = 256  # rows at a time: temporary arrays stay small for any image size
    for top in range(0, height, band):
        y, x = np.mgrid[top : min(top + band, height), 0:width].astype(np.float32)
        warp_y, warp_x = np.zeros_like(y), np.zeros_like(x)
        for k, wavelength in enumerate((67.0, 151.0, 307.0)):
            amplitude = 0.05 * wavelength
            warp_y += amplitude * np.sin(2 * np.pi * x / wavelength + phase[0, k])
            warp_x += amplitude * np.sin(2 * np.pi * y / wavelength + phase[1, k])
        v, u = (y + warp_y) / spacing + 1, (x + warp_x) / spacing + 1
        cell_y, cell_x = np.floor(v).astype(int), np.floor(u).astype(int)
        nearest = np.full(y.shape, np.inf, np.float32)
        second = nearest.copy()
        shade = np.zeros_like(y)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                r, c = np.clip(cell_y + dy, 0, rows - 1), np.clip(cell_x + dx, 0, columns - 1)
                distance = np.hypot(
                    v - (cell_y + dy + 0.5 + jitter[r, c, 0]),
                    u - (cell_x + dx + 0.5 + jitter[r, c, 1]),
                ).astype(np.float32)
                closer = distance < nearest
                second = np.where(closer, nearest, np.minimum(second, distance))
                shade = np.where(closer, tone[r, c], shade)
                nearest = np.where(closer, distance, nearest)
        gap_px = (second - nearest) * spacing
        grey = shade - 85 * np.exp(-((gap_px / 5.0) ** 2)) + rng.normal(0, 16, y.shape)
        image[top : top + band] = np.clip(grey, 0, 255).astype(np.uint8)
    return image
