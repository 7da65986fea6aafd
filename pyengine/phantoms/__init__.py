"""Synthetic images that look like those of the four shipped engines; never real tissue."""

from pyengine.phantoms.em import synthetic_em
from pyengine.phantoms.fundus import fundus_phantom
from pyengine.phantoms.nerve import nerve_phantom
from pyengine.phantoms.oct import DISEASES, LAYERS, Phantom, oct_phantom

__all__ = [
    "DISEASES", "LAYERS", "Phantom", "fundus_phantom", "nerve_phantom", "oct_phantom", "synthetic_em",
]  # fmt: skip
