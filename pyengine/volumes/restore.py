"""From scores on the network's grid to labels of the volume, slab by slab.

Scores are interpolated one class at a time, and the best so far is kept. Nothing of the size
classes x volume exists: a slice of the result needs two slices of scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.volumes.prepare import Prepared
from pyengine.volumes.recipe import Recipe, Resampling
from pyengine.volumes.resample import Float32, nearest, separate_axis

Labels = npt.NDArray[Any]


def restore(slabs: Iterable[Float32], prepared: Prepared, recipe: Recipe) -> Labels:
    """Labels of the whole volume.

    Parameters
    ----------
    slabs : iterable of ndarray of float32, shape (K, n, h, w)
        Scores (logits) of `prepared.data`, consecutive along its first axis; read once.
    prepared : Prepared
    recipe : Recipe

    Returns
    -------
    ndarray of uint8 or uint16, shape (z, y, x)
        0 outside the part that the network saw.
    """
    check_restorable(recipe)
    result = np.zeros(prepared.shape, np.uint8 if max(recipe.labels) < 255 else np.uint16)
    part = result[prepared.box]
    ways = _ways(prepared, recipe.scores)
    for index, scores in zip(range(len(part)), _interpolated(slabs, ways[0]), strict=True):
        part[index] = _labels(scores, ways[1:], recipe, result.dtype)
    return result.transpose(np.argsort(recipe.transpose))


def check_restorable(recipe: Recipe) -> None:
    """Refuse scores that are resampled in a way that is not known; ValueError."""
    if recipe.scores.order not in (0, 1):
        raise ValueError(
            f"scores are resampled by splines of order {recipe.scores.order}; 0 and 1 are known"
        )


class _Way:
    """Along one axis: between which two of the old positions each new one lies, and where."""

    def __init__(self, old: int, new: int, order: int) -> None:
        self.size = new
        if order == 0 or old == new:
            self.low = self.high = nearest(old, new)
            self.weight = np.zeros(new, np.float32)
            return
        at = np.clip(old / new * (np.arange(new) + 0.5) - 0.5, 0, old - 1)
        self.low = np.floor(at).astype(np.intp)
        self.high = np.minimum(self.low + 1, old - 1)
        self.weight = (at - self.low).astype(np.float32)

    @property
    def copies(self) -> bool:
        return not self.weight.any()


def _ways(prepared: Prepared, how: Resampling) -> list[_Way]:
    old, new = prepared.data.shape[1:], prepared.box_shape
    separate = separate_axis(how, prepared.network_spacing_mm, prepared.spacing_mm)
    orders = [0 if axis == separate else how.order for axis in range(3)]
    return [_Way(*sizes) for sizes in zip(old, new, orders, strict=True)]


def _interpolated(slabs: Iterable[Float32], way: _Way) -> Iterator[Iterator[Float32]]:
    """For each slice of the result the scores (h, w) of all classes, one after the other."""
    slices = (slab[:, i] for slab in slabs for i in range(slab.shape[1]))
    held: dict[int, Float32] = {}
    read = 0
    for low, high, weight in zip(way.low, way.high, way.weight, strict=True):
        while read <= high:
            # Slabs may be views of a buffer that is used again.
            held = {index: held[index] for index in held if index >= low}
            held[read] = np.array(next(slices), np.float32)
            read += 1
        first, second = held[low], held[high]
        yield (_between(a, b, weight) for a, b in zip(first, second, strict=True))
    for _ in slices:
        pass  # so that what makes the slabs ends as it would


def _between(first: Float32, second: Float32, weight: Any) -> Float32:
    if not np.any(weight):
        return first
    between: Float32 = first + (second - first) * weight
    return between


def _labels(scores: Iterable[Float32], ways: list[_Way], recipe: Recipe, dtype: Any) -> Labels:
    """Labels of one slice from the scores of one class after the other."""
    labels = np.zeros([way.size for way in ways], dtype)
    best = np.full(labels.shape, 0 if recipe.regions else -np.inf, np.float32)
    for label, score in zip(recipe.labels, scores, strict=True):
        enlarged = _resized(score, ways)
        better = enlarged > best
        labels[better] = label
        if not recipe.regions:
            np.copyto(best, enlarged, where=better)
    return labels


def _resized(plane: Float32, ways: list[_Way]) -> Float32:
    rows, columns = ways
    if not (rows.copies and rows.size == len(plane)):
        plane = _between(plane[rows.low], plane[rows.high], rows.weight[:, None])
    if not (columns.copies and columns.size == plane.shape[1]):
        plane = _between(plane[:, columns.low], plane[:, columns.high], columns.weight)
    return plane
