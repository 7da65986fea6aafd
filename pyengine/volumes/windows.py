"""nnU-Net's overlapping windows over three axes: where they lie, what they weigh, what they sum to.

Scores leave in slabs. Beside the volume memory holds the sums of one window's depth.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pyengine.volumes.resample import Float32, Shape

Run = Callable[[Float32], Float32]
Told = Callable[[int, int], object]

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


def blended(
    data: Float32,
    run: Run,
    window: Shape,
    mirror: Sequence[int] = (),
    told: Told = lambda done, total: None,
) -> Iterator[Float32]:
    """Scores of a volume, slab by slab along its first axis.

    Parameters
    ----------
    data : ndarray of float32, shape (C, d, h, w)
        What is smaller than a window is padded with zeros, in its middle.
    run : callable
        The network: (1, C, *window) to (1, K, *window), float32.
    window : (int, int, int)
    mirror : sequence of int
        Axes of the window; scores are the mean over all flips along them.
    told : callable
        ``told(done, total)`` after each run of the network; may raise.

    Yields
    ------
    ndarray of float32, shape (K, n, h, w)
        Sums and weights are float32 (nnU-Net's own are half precision).
    """
    size = data.shape[1:]
    before = [max(w - s, 0) // 2 for s, w in zip(size, window, strict=True)]
    after = [max(w - s, 0) - b for s, w, b in zip(size, window, before, strict=True)]
    if any(before) or any(after):
        data = np.pad(data, [(0, 0), *zip(before, after, strict=True)])
    starts = [window_starts(s, w) for s, w in zip(data.shape[1:], window, strict=True)]
    weights = window_weights(window)
    inside = tuple(slice(b, b + s) for b, s in zip(before[1:], size[1:], strict=True))
    total = window_count(size, window, mirror)
    done = 0
    sums, weighed = None, np.zeros((window[0], *data.shape[2:]), np.float32)
    for first, following in itertools.pairwise([*starts[0], data.shape[1]]):
        for y, x in itertools.product(starts[1], starts[2]):
            at = (slice(y, y + window[1]), slice(x, x + window[2]))
            part = data[(slice(None), slice(first, first + window[0]), *at)]
            for scores in _flipped(part, run, mirror):
                if sums is None:
                    sums = np.zeros((len(scores), *weighed.shape), np.float32)
                sums[(slice(None), slice(None), *at)] += scores * (weights / 2 ** len(mirror))
                done += 1
                told(done, total)
            weighed[(slice(None), *at)] += weights
        assert sums is not None
        ready = following - first
        low, high = max(before[0] - first, 0), min(before[0] + size[0] - first, ready)
        if low < high:
            slab = sums[:, low:high] / weighed[low:high]
            yield slab[(slice(None), slice(None), *inside)].astype(np.float32, copy=False)
        for array in (sums, weighed[None]):
            array[:, : window[0] - ready] = array[:, ready:].copy()
            array[:, window[0] - ready :] = 0


def _flipped(part: Float32, run: Run, mirror: Sequence[int]) -> Iterator[Float32]:
    """Scores (K, *window) of a part and of its mirror images, each turned back."""
    for count in range(len(mirror) + 1):
        for chosen in itertools.combinations(mirror, count):
            axes = tuple(axis + 1 for axis in chosen)
            turned = np.ascontiguousarray(np.flip(part, axes))[None]
            yield np.flip(run(turned)[0], axes)
