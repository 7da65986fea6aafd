"""Synthetic B-scans as a data set for the classifier; always called synthetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyengine.phantoms import DISEASES, oct_phantom
from train.data.sample import Sample


def load(count: int, height: int, width: int, seed: int = 0) -> Iterator[Sample]:
    """Phantoms of the four classes in turn; every one is a subject of its own.

    Parameters
    ----------
    count : int
        Number of images. The last fifth validates, the fifth before it tests.
    height, width : int
        Pixels.
    seed : int
        Of the whole series.

    Yields
    ------
    Sample
        Labels as in `train.data.kermany2018`.
    """
    for i in range(count):
        index = i % len(DISEASES)
        phantom = oct_phantom(height, width, DISEASES[index], seed=seed * 1_000_003 + i)
        part = "train" if i < 0.6 * count else "test" if i < 0.8 * count else "validation"
        yield Sample(
            name=f"synthetic/{i:06d}", subject=f"synthetic-{i:06d}", image=phantom.image,
            label=np.array(index, np.uint8), split=part,
        )  # fmt: skip
