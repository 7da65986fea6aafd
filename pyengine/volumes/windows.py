"""nnU-Net's overlapping windows over three axes, in numbers: where they lie and what they weigh.

The core runs them (``mode="nnunet"``); a comparison with nnU-Net must know how much its half
precision loses, and where.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from pyengine.volumes.resample import Float32, Shape

_SIGMA = 1 / 8  # of a window
_PEAK = 10  # keeps small weights within half precision
_LARGEST_STEP = 0.5  # of a window


def window_starts(size: int, window: int) -> list[int]:
    """Where windows begin along an axis: evenly spread, at most half a window apart.

    Parameters
    ----------
    size : int
        Of the volume, at least `window`.
    window : int
    """
    count = int(np.ceil((size - window) / (window * _LARGEST_STEP))) + 1
    step = (size - window) / max(count - 1, 1)
    return [int(np.round(step * index)) for index in range(count)]


def window_weights(window: Shape) -> Float32:
    """A Gaussian, nowhere zero, rounded to half precision as nnU-Net has it."""
    from scipy.ndimage import gaussian_filter

    impulse = np.zeros(window)
    impulse[tuple(side // 2 for side in window)] = 1
    spread = gaussian_filter(
        impulse, [side * _SIGMA for side in window], 0, mode="constant", cval=0
    )
    spread /= spread.max() / _PEAK
    half = spread.astype(np.float16)
    half[half == 0] = half[half > 0].min()
    weights: Float32 = half.astype(np.float32)
    return weights


def summed_weights(shape: Shape, window: Shape) -> Float32:
    """What the weights of all windows sum to at each voxel of a volume."""
    padded = tuple(max(s, w) for s, w in zip(shape, window, strict=True))
    total, weights = np.zeros(padded, np.float32), window_weights(window)
    starts = [window_starts(s, w) for s, w in zip(padded, window, strict=True)]
    for place in itertools.product(*starts):
        total[tuple(slice(p, p + w) for p, w in zip(place, window, strict=True))] += weights
    before = [(p - s) // 2 for p, s in zip(padded, shape, strict=True)]
    return total[tuple(slice(b, b + s) for b, s in zip(before, shape, strict=True))]


def window_count(shape: Shape, window: Shape, mirror: Sequence[int]) -> int:
    """How often the network runs."""
    starts = [window_starts(max(s, w), w) for s, w in zip(shape, window, strict=True)]
    return math.prod(len(axis) for axis in starts) << len(mirror)
