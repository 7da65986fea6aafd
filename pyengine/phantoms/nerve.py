"""A synthetic ultrasound image of a nerve. Drawn by rules, not recorded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyengine.phantoms.texture import texture, wave


def nerve_phantom(
    height: int = 420, width: int = 580, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A synthetic ultrasound image: fascia, fibres and speckle, and a dark nerve in its sheath.

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
    # Fibres lie along the skin; fascia are bright and thinner than a fibre is long.
    fibres = np.clip(texture(height, width, rng, height / 50, 4) - 0.4, 0, None)
    picture = 0.16 + 0.16 * fibres + 0.06 * texture(height, width, rng, height / 8)
    for k in range(7):
        line = -0.9 + 0.12 * k * rng.uniform(0.6, 1.4) + 0.07 * wave(x, rng, 2)
        line = line + rng.uniform(-0.15, 0.15) * x
        fascia = np.exp(-(((y - line) / rng.uniform(0.012, 0.025)) ** 2))
        patchy = np.clip(1 + texture(height, width, rng, height / 10), 0.2, 2)
        picture += (0.5 - 0.05 * k) * fascia * patchy
    cx, cy = rng.uniform(-0.1, 0.2), rng.uniform(-0.25, -0.05)
    across = ((x - cx) + 0.4 * (y - cy)) / 0.11
    along = ((y - cy) - 0.1 * (x - cx)) / 0.26
    radius = (across**2 + along**2) * (1 + 0.2 * texture(height, width, rng, height / 10))
    radius = np.sqrt(np.clip(radius, 0, None))
    nerve = radius < 1
    sheath = np.exp(-(((radius - 1.1) / 0.12) ** 2))
    patchy = np.clip(1 + 0.8 * texture(height, width, rng, height / 10), 0, 2)
    picture = np.where(nerve, 0.17 + 0.05 * fibres, picture) + 0.3 * sheath * patchy
    speckle = np.exp(0.45 * texture(height, width, rng, max(1.0, height / 180), 2))
    picture *= 1.3 * np.exp(-0.35 * (y + 1)) * speckle
    return (255 * np.clip(picture, 0, 1)).astype(np.uint8), nerve.astype(np.uint8)
