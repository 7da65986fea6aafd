"""Smooth random curves and fields that the phantoms are drawn with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def wave(
    x: npt.NDArray[np.float64], rng: np.random.Generator, highest: int
) -> npt.NDArray[np.float64]:
    """Smooth random curve of about unit height along a scan."""
    total = np.zeros_like(x)
    for k in range(1, highest + 1):
        total += rng.normal(0, 1 / k) * np.sin(np.pi * k * x + rng.uniform(0, 2 * np.pi))
    return total


def texture(
    height: int, width: int, rng: np.random.Generator, grain_px: float, stretch: float = 1
) -> npt.NDArray[np.float64]:
    """Smooth random field of about unit height, with grains of about `grain_px`, `stretch` times as wide."""
    coarse = rng.normal(0, 1, (int(height / grain_px) + 3, int(width / grain_px / stretch) + 3))
    resized = Image.fromarray(coarse.astype(np.float32)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.asarray(resized, np.float64)
