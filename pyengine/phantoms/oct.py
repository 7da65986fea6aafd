"""Synthetic OCT B-scans: a layered retina with speckle, shadows and, on request, lesions.

Drawn by rules, not recorded: for tests, demonstrations and trying out classifiers where real images
are few. Nothing that a network does on phantoms says how it does on patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pyengine.phantoms.texture import texture, wave

Disease = Literal["CNV", "DME", "DRUSEN", "NORMAL"]
DISEASES: tuple[Disease, ...] = ("CNV", "DME", "DRUSEN", "NORMAL")

# Inner to outer. Thickness as a share of the retina's, and reflectivity on a scale of 0 to 1.
_LAYERS = {
    "nerve fibres": (0.10, 0.72),
    "ganglion cells": (0.24, 0.50),
    "inner nuclear": (0.13, 0.30),
    "outer plexiform": (0.08, 0.48),
    "outer nuclear": (0.24, 0.20),
    "photoreceptors": (0.13, 0.55),
    "RPE": (0.08, 0.85),
}
LAYERS = tuple(_LAYERS)
_VITREOUS, _CHOROID, _SCLERA = 0.05, 0.42, 0.16


@dataclass(frozen=True)
class Phantom:
    """A synthetic B-scan.

    Attributes
    ----------
    image : ndarray of uint8, shape (H, W)
    fluid : ndarray of uint8, shape (H, W)
        1 inside fluid, else 0.
    disease : {"CNV", "DME", "DRUSEN", "NORMAL"}
        What was drawn.
    layers : ndarray of uint8, shape (H, W)
        1 to 7 inside the layers of `LAYERS`, inner to outer; 0 outside the retina. Fluid belongs
        to the layer that it lies in.
    """

    image: npt.NDArray[np.uint8]
    fluid: npt.NDArray[np.uint8]
    disease: Disease
    layers: npt.NDArray[np.uint8]


def oct_phantom(
    height: int = 496, width: int = 768, disease: Disease = "DME", seed: int = 0
) -> Phantom:
    """Draw one synthetic B-scan.

    Parameters
    ----------
    height, width : int
        Pixels, at least 32.
    disease : {"CNV", "DME", "DRUSEN", "NORMAL"}
        DME: dark cysts in the inner nuclear to outer nuclear layers of a thickened retina. DRUSEN:
        bumps under the RPE. CNV: a bright mass that breaks through the RPE, with fluid above it.
    seed : int
        Same arguments, same image.

    Returns
    -------
    Phantom

    Raises
    ------
    ValueError
        Too small, or an unknown disease.
    """
    if min(height, width) < 32:
        raise ValueError(f"a phantom needs at least 32 x 32 px, got {height} x {width}")
    if disease not in DISEASES:
        raise ValueError(f"disease must be one of {DISEASES}, got {disease!r}")
    rng = np.random.default_rng([seed, DISEASES.index(disease)])
    x = np.linspace(-1, 1, width)
    y = np.arange(height)[:, None].astype(np.float64)

    fovea = rng.uniform(-0.35, 0.35)
    tilt, bend = rng.uniform(-0.06, 0.06), rng.uniform(-0.02, 0.09)
    rpe = height * (rng.uniform(0.58, 0.7) + tilt * x + bend * x**2 + 0.004 * wave(x, rng, 3))
    pit = rng.uniform(0.35, 0.6) * np.exp(-(((x - fovea) / rng.uniform(0.12, 0.2)) ** 2))
    thickness = height * rng.uniform(0.19, 0.25) * (1 - pit + 0.03 * wave(x, rng, 2))

    elevation = np.zeros(width)  # of the RPE, in px
    fluid = np.zeros((height, width), bool)
    if disease == "DRUSEN":
        for _ in range(int(rng.integers(4, 9))):
            size = rng.uniform(0.025, 0.06)
            bump = np.exp(-(((x - rng.uniform(-0.8, 0.8)) / size) ** 2))
            elevation = np.maximum(elevation, height * rng.uniform(0.03, 0.06) * bump)
    if disease == "CNV":
        center, spread = rng.uniform(-0.4, 0.4), rng.uniform(0.15, 0.28)
        dome = np.exp(-(((x - center) / spread) ** 2))
        elevation = height * rng.uniform(0.07, 0.12) * dome * (1 + 0.25 * wave(x, rng, 9))
    if disease == "DME":
        thickness = thickness * (1 + rng.uniform(0.2, 0.5) * np.exp(-(((x - fovea) / 0.5) ** 2)))
    lifted = rpe - np.maximum(elevation, 0)
    inner = rpe - thickness - 0.3 * elevation

    depth = (y - inner) / (lifted - inner)  # 0 at the inner surface, 1 under the RPE
    picture = np.full((height, width), _VITREOUS)
    below = y - rpe
    choroid = _CHOROID + 0.10 * texture(height, width, rng, height / 40)
    picture = np.where(
        below > 0, choroid * np.exp(-np.maximum(below, 0) / (0.16 * height)), picture
    )
    picture = np.where(below > 0.25 * height, _SCLERA * 0.5, picture)
    picture = np.where((y >= lifted) & (below <= 0), 0.38, picture)  # what lifts the RPE
    layers = np.zeros((height, width), np.uint8)
    top = 0.0
    for number, (share, bright) in enumerate(_LAYERS.values(), 1):
        inside = (depth >= top) & (depth < top + share + 1e-9)
        picture = np.where(inside, bright, picture)
        layers[inside] = number
        top += share
    if disease == "CNV":
        # The mass lies on the dome and breaks the RPE's line.
        spot = np.exp(-(((x - center) / (0.6 * spread)) ** 2))
        mass = spot * np.exp(-(((y - lifted + 0.03 * height) / (0.045 * height)) ** 2))
        picture = picture * (1 - 0.8 * np.minimum(mass * 1.5, 1)) + 0.75 * np.minimum(
            mass * 1.5, 1
        ) * (0.8 + 0.4 * texture(height, width, rng, height / 60))
        side = center + rng.choice([-1, 1]) * spread * rng.uniform(0.9, 1.3)
        sub = (((x - side) / (0.7 * spread)) ** 2) + (
            ((y - lifted + 0.045 * height) / (0.03 * height)) ** 2
        )
        fluid |= (sub < 1) & (depth < 0.93) & (depth > 0)
    if disease == "DME":
        for _ in range(int(rng.integers(3, 14))):
            cx = fovea + rng.normal(0, 0.3)
            column = int(np.clip((cx + 1) / 2 * (width - 1), 0, width - 1))
            cy = inner[column] + (lifted - inner)[column] * rng.uniform(0.38, 0.74)
            ry, rx = height * rng.uniform(0.012, 0.045), rng.uniform(0.015, 0.06)
            wobble = 1 + 0.18 * texture(height, width, rng, height / 25)
            fluid |= (
                (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < wobble)
                & (depth > 0.1)
                & (depth < 0.86)
            )
    picture = np.where(fluid, 0.08, picture)

    # Vessels of the inner retina shade what lies under them; attenuation differs along the scan.
    shade = np.ones(width)
    for _ in range(int(rng.integers(2, 7))):
        size = rng.uniform(0.006, 0.02)
        shade *= 1 - rng.uniform(0.2, 0.6) * np.exp(-(((x - rng.uniform(-1, 1)) / size) ** 2))
    picture = np.where(depth > 0.12, picture * shade, picture)
    picture *= 1 + 0.12 * wave(x, rng, 2)

    grain = rng.gamma(4.0, 0.25, (height, width))  # speckle of about four looks
    grain = 0.5 * grain + 0.25 * (np.roll(grain, 1, 1) + np.roll(grain, -1, 1))
    noisy = picture * grain + 0.03 * np.abs(rng.standard_normal((height, width)))
    image = 255 * np.clip(rng.uniform(0.85, 1.15) * noisy, 0, 1) ** rng.uniform(0.8, 1.1)
    return Phantom(image.astype(np.uint8), fluid.astype(np.uint8), disease, layers)
