"""Synthetic images to try the plug-in on."""

from __future__ import annotations

import numpy as np

from pyengine import phantoms
from pyengine.napari.layers import LayerData


def electron_micrograph() -> list[LayerData]:
    """For em-membranes."""
    return [(phantoms.synthetic_em(512, 512), {"name": "synthetic EM"}, "image")]


def oct_volume() -> list[LayerData]:
    """For oct-fluid: seven B-scans."""
    scans = [phantoms.oct_phantom(496, 512, "DME", seed).image for seed in range(7)]
    return [(np.stack(scans), {"name": "synthetic OCT"}, "image")]


def fundus() -> list[LayerData]:
    """For retinal-vessels."""
    picture = phantoms.fundus_phantom(584, 565)[0]
    return [(picture, {"name": "synthetic fundus", "rgb": True}, "image")]
