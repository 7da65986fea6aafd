"""A synthetic ultrasound image of a nerve. Drawn by rules, not recorded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyengine.phantoms.texture import texture, wave


def nerve_phantom(
    height: int = 420, width: int = 580, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A synthetic ultrasound image: fascia, muscle and speckle, and a nerve of oblique bundles.

    Brightnesses and sizes were chosen so that `ultrasound-nerve`, which learned from recorded
    images, recognises most of these nerves too.

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
    # Fibres of muscle lie along the skin; fascia are bright and thinner than a fibre is long.
    fibres = np.clip(texture(height, width, rng, height / 45, 5) - 0.67, 0, None)
    picture = 0.235 + 0.034 * texture(height, width, rng, height / 7) + 0.32 * fibres
    for k in range(8):
        line = -0.95 + 0.13 * k * rng.uniform(0.7, 1.3) + 0.06 * wave(x, rng, 2)
        line = line + rng.uniform(-0.12, 0.12) * x
        fascia = np.exp(-(((y - line) / rng.uniform(0.015, 0.03)) ** 2))
        patchy = np.clip(0.8 + texture(height, width, rng, height / 10, 2), 0.1, 2)
        picture += (0.3 - 0.05 * k) * fascia * patchy
    # An ellipse that rises to the right, in units of half the image's height.
    dx = (x - rng.uniform(-0.05, 0.3)) * width / height
    dy = y - rng.uniform(-0.42, -0.22)
    tilt = rng.uniform(0.85, 1.15)
    along = dx * np.cos(tilt) - dy * np.sin(tilt)
    across = dx * np.sin(tilt) + dy * np.cos(tilt)
    radius = np.hypot(along / 0.333, across / 0.198)
    radius *= 1 + 0.06 * texture(height, width, rng, height / 8)
    # Bundles of nerve fibres are dark, what lies between them is bright.
    wound = across / 0.161 + 0.25 * texture(height, width, rng, height / 14) + rng.uniform()
    between = (0.5 + 0.5 * np.cos(2 * np.pi * wound)) ** 0.8
    bundles = 0.317 + 0.423 * between * np.clip(
        1 + 0.6 * texture(height, width, rng, height / 20), 0, 2
    )
    shadow = np.exp(-(((radius - 1.5) / 0.35) ** 2)) * np.clip(0.3 + 3 * dy, 0, 1)
    picture *= 1 - 0.45 * shadow
    inside = 1 / (1 + np.exp(np.clip(14 * (radius - 1), -30, 30)))
    picture += inside * (bundles - picture)
    sheath = np.exp(-(((radius - 1.15) / 0.1) ** 2)) * np.clip(0.4 - 2.5 * dy, 0, 1)
    picture += 0.8 * sheath * np.clip(1 + 0.6 * texture(height, width, rng, height / 12), 0.2, 2)
    speckle = np.exp(0.371 * texture(height, width, rng, max(1.0, height / 84), 2))
    picture *= 1.5 * np.exp(-0.478 * (y + 1)) * speckle
    return (255 * np.clip(picture, 0, 1)).astype(np.uint8), (radius < 1).astype(np.uint8)
