"""A synthetic photograph of the fundus. Drawn by rules, not recorded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pyengine.phantoms.texture import texture


def fundus_phantom(
    height: int = 584, width: int = 565, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A synthetic fundus photograph: branching dark vessels on an orange disc.

    Parameters
    ----------
    height, width : int
        Pixels.
    seed : int
        Same arguments, same image.

    Returns
    -------
    (ndarray of uint8 (H, W, 3), ndarray of uint8 (H, W))
        Image, and 1 inside vessels.
    """
    rng = np.random.default_rng([seed, 11])
    canvas = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(canvas)
    size = min(height, width)
    disc = np.array([height * rng.uniform(0.45, 0.55), width * rng.choice([0.25, 0.75])])
    # (position, heading in radians, width in px, steps left)
    branches = [
        (disc, a, size / 75, 90) for a in np.linspace(0, 2 * np.pi, 7)[:-1] + rng.uniform(0, 1)
    ]
    while branches:
        at, heading, calibre, steps = branches.pop()
        for step in range(steps):
            heading += rng.normal(0, 0.10)
            to = at + size / 110 * np.array([np.sin(heading), np.cos(heading)])
            draw.line([at[1], at[0], to[1], to[0]], fill=255, width=max(1, round(calibre)))
            at = to
            calibre *= 0.992
            if rng.uniform() < 0.04 and calibre > 1.2 and step > 3:
                turn = rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
                branches.append((at, heading + turn, calibre * 0.7, int(steps * 0.6)))
    y, x = np.mgrid[0:height, 0:width]
    field = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (0.48 * size) ** 2
    vessel = (np.asarray(canvas) > 0) & field
    shade = 1 - 0.35 * ((y - height / 2) ** 2 + (x - width / 2) ** 2) / (0.5 * size) ** 2
    shade = shade + 0.05 * texture(height, width, rng, size / 12)
    glow = np.exp(-((y - disc[0]) ** 2 + (x - disc[1]) ** 2) / (0.07 * size) ** 2)
    color = np.array([0.80, 0.45, 0.22]) * shade[..., None] + glow[..., None] * np.array(
        [0.2, 0.3, 0.2]
    )
    color = np.where(vessel[..., None], color * np.array([0.78, 0.55, 0.7]), color)
    color = color + rng.normal(0, 0.015, color.shape)
    image = np.where(field[..., None], np.clip(color, 0, 1) * 255, 0)
    return image.astype(np.uint8), vessel.astype(np.uint8)
