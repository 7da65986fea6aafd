"""Synthetic B-scans as data sets; always called synthetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyengine.phantoms import DISEASES, Phantom, oct_phantom
from train.data.sample import Sample


def load_classes(count: int, seed: int = 0) -> Iterator[Sample]:
    """Phantoms of 496 x 512 px with their disease, for a classifier.

    Parameters
    ----------
    count : int
        Number of images. The last fifth validates, the fifth before it tests.
    seed : int
        Of the whole series.

    Yields
    ------
    Sample
        Labels as in `train.data.kermany2018`. Every image is a subject of its own.
    """
    for i in range(count):
        phantom = _phantom(496, 512, i, seed)
        label = np.array(DISEASES.index(phantom.disease), np.uint8)
        yield _sample(phantom, label, i, count)


def load_layers(count: int, seed: int = 0) -> Iterator[Sample]:
    """Phantoms of 248 x 256 px with their layers, for a segmentation; else as `load_classes`.

    Yields
    ------
    Sample
        Labels are 0 = outside the retina, 1 to 7 = `pyengine.phantoms.LAYERS`.
    """
    for i in range(count):
        phantom = _phantom(248, 256, i, seed)
        yield _sample(phantom, phantom.layers, i, count)


def _phantom(height: int, width: int, number: int, seed: int) -> Phantom:
    """The diseases in turn."""
    disease = DISEASES[number % len(DISEASES)]
    return oct_phantom(height, width, disease, seed=seed * 1_000_003 + number)


def _sample(phantom: Phantom, label: np.ndarray, number: int, count: int) -> Sample:
    part = "train" if number < 0.6 * count else "test" if number < 0.8 * count else "validation"
    name = f"synthetic/{number:06d}"
    return Sample(name, f"synthetic-{number:06d}", phantom.image, label, split=part)
