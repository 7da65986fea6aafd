"""A synthetic ultrasound image of a nerve. Drawn by rules, not recorded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyengine.phantoms.texture import texture, wave


def nerve_phantom(
    height: int = 420, width: int = 580, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A synthetic ultrasound image: bright fascia, speckle, and a honeycombed dark nerve.

    Parameters
    ----------
    height, width : int
        Pixels.
    seed : int
        Same arguments, same image.

    Returns
    -------
    (ndarray of uint8 (H, W), ndarray of uint8 (H, W))
        Image, and 1 inside the nerve.
    """
    rng = np.random.default_rng([seed, 7])
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    picture = 0.28 + 0.12 * texture(height, width, rng, height / 12)
    for _ in range(6):
        line = rng.uniform(-0.9, 0.9) + 0.1 * wave(x, rng, 2) + rng.uniform(-0.2, 0.2) * x
        picture += rng.uniform(0.15, 0.4) * np.exp(-(((y - line) / rng.uniform(0.01, 0.03)) ** 2))
    cx, cy = rng.uniform(-0.4, 0.3), rng.uniform(-0.3, 0.3)
    radius = ((x - cx) / 0.2) ** 2 + ((y - cy) / 0.2) ** 2
    radius = radius * (1 + 0.15 * texture(height, width, rng, height / 10))
    nerve = radius < 1
    honeycomb = 0.14 + 0.10 * texture(height, width, rng, height / 60)
    picture = np.where(nerve, honeycomb, picture) + 0.35 * np.exp(-(((radius - 1) / 0.15) ** 2))
    picture *= np.exp(-0.45 * (y + 1)) * rng.gamma(3.0, 1 / 3.0, (height, width))
    return (255 * np.clip(picture, 0, 1)).astype(np.uint8), nerve.astype(np.uint8)
