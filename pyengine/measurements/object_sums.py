"""Connected components of an image that comes slab by slab, with their sums."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.class_sums import over
from pyengine.measurements.extra import scikit_image

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Objects:
    """What is known of each object, in the order of their first pixels.

    Attributes
    ----------
    label : ndarray of int, shape (n,)
        The class.
    pixels : ndarray of int64, shape (n,)
    centroid : ndarray of float64, shape (n, D)
        Mean of the coordinates of the pixels [px].
    low, high : ndarray of int64, shape (n, D)
        Bounding box, the end left out [px].
    mean : ndarray of float64, shape (n, channels)
        Intensity.
    """

    label: Array
    pixels: Array
    centroid: Array
    low: Array
    high: Array
    mean: Array


@dataclass
class _Fragments:
    """Parts of objects within slabs; all these sums can be added and compared across slabs."""

    label: list[Array] = field(default_factory=list)
    pixels: list[Array] = field(default_factory=list)
    position: list[Array] = field(default_factory=list)
    low: list[Array] = field(default_factory=list)
    high: list[Array] = field(default_factory=list)
    intensity: list[Array] = field(default_factory=list)


class ObjectSums:
    """Connected pixels of one class: counted, located and averaged.

    Slabs are cut along the first axis. Memory holds a slab and a few numbers for each object in
    it; how the image is cut changes no object, nor their order.

    Parameters
    ----------
    ndim : int
        Axes of the image.
    channels : int
        Of intensities; 0 without an image.
    connectivity : int
        1: pixels touch by sides (4 or 6 neighbours); `ndim`: by corners, too (8 or 26).
    """

    def __init__(self, ndim: int, channels: int, connectivity: int) -> None:
        self._ndim, self._channels, self._connectivity = ndim, channels, connectivity
        self._skimage = scikit_image()
        self._found = _Fragments()
        self._count = 0
        self._seams: list[Array] = []
        self._last: tuple[Array, Array] | None = None
        self._begin = 0

    def add(self, labels: Array, image: Array | None) -> None:
        """The next slab: labels of which 0 is no object, and an image, channels last."""
        parts = self._skimage.measure.label(
            labels, background=0, connectivity=self._connectivity
        ).astype(np.int64)
        count = int(parts.max(initial=0))
        self._measure(labels, parts, count, image)
        numbered = np.where(parts > 0, parts + self._count - 1, -1)
        if self._last is not None:
            self._join(*self._last, labels[0], numbered[0])
        self._last = labels[-1], numbered[-1]
        self._count += count
        self._begin += len(labels)

    def result(self) -> Objects:
        """All objects."""
        import scipy.sparse

        n = self._count
        seams = np.concatenate([*self._seams, np.zeros((2, 0), np.int64)], axis=1)
        links = scipy.sparse.coo_matrix((np.ones(seams.shape[1], bool), seams), (n, n))
        count, owner = scipy.sparse.csgraph.connected_components(links, directed=False)
        # In the order of the first fragment, whatever order the library gives.
        first = np.full(count, n, np.int64)
        np.minimum.at(first, owner, np.arange(n))
        rank = np.empty(count, np.int64)
        rank[np.argsort(first)] = np.arange(count)
        owner = rank[owner]
        pixels = self._added(self._found.pixels, owner, count, ()).astype(np.int64)
        axes, channels = (self._ndim,), (self._channels,)
        low = np.full((count, self._ndim), np.iinfo(np.int64).max)
        high = np.zeros((count, self._ndim), np.int64)
        np.minimum.at(low, owner, _stacked(self._found.low, axes, np.int64))
        np.maximum.at(high, owner, _stacked(self._found.high, axes, np.int64))
        label = np.zeros(count, np.int64)
        label[owner] = _stacked(self._found.label, (), np.int64)
        return Objects(
            label=label,
            pixels=pixels,
            centroid=over(self._added(self._found.position, owner, count, axes), pixels[:, None]),
            low=low,
            high=high,
            mean=over(self._added(self._found.intensity, owner, count, channels), pixels[:, None]),
        )

    def _measure(self, labels: Array, parts: Array, count: int, image: Array | None) -> None:
        import scipy.ndimage

        begin = (self._begin,) + (0,) * (self._ndim - 1)
        inside = parts > 0
        owner = parts[inside] - 1
        places = np.nonzero(inside)
        found = self._found
        found.pixels.append(np.bincount(owner, minlength=count))
        sums = [np.bincount(owner, place, count) for place in places]
        position = np.stack(sums, 1) + found.pixels[-1][:, None] * np.array(begin)
        found.position.append(position)
        boxes = scipy.ndimage.find_objects(parts, count)
        low = [[side.start for side in box] for box in boxes]
        high = [[side.stop for side in box] for box in boxes]
        for ends, kept in ((low, found.low), (high, found.high)):
            kept.append(np.array(ends, np.int64).reshape(count, self._ndim) + np.array(begin))
        label = np.zeros(count, np.int64)
        label[owner] = labels[inside]
        found.label.append(label)
        intensity = np.full((count, self._channels), np.nan)
        if image is not None:
            for k, values in enumerate(image[inside].reshape(owner.size, self._channels).T):
                intensity[:, k] = np.bincount(owner, values, count)
        found.intensity.append(intensity)

    def _join(self, above: Array, above_ids: Array, below: Array, below_ids: Array) -> None:
        """Note which fragments touch across the seam of two slabs."""
        axes = self._ndim - 1
        for shift in itertools.product((-1, 0, 1), repeat=axes):
            # One step goes across the seam.
            if 1 + sum(map(abs, shift)) > self._connectivity:
                continue
            here = tuple(slice(max(s, 0), min(s, 0) or None) for s in shift)
            there = tuple(slice(max(-s, 0), min(-s, 0) or None) for s in shift)
            touch = (above[here] == below[there]) & (above[here] != 0)
            pairs = np.stack([above_ids[here][touch], below_ids[there][touch]])
            self._seams.append(np.unique(pairs, axis=1))

    def _added(self, parts: list[Array], owner: Array, count: int, shape: tuple[int, ...]) -> Array:
        sums = np.zeros((count, *shape))
        np.add.at(sums, owner, _stacked(parts, shape, np.float64))
        return sums


def _stacked(parts: list[Array], shape: tuple[int, ...], dtype: Any) -> Array:
    return np.concatenate([*parts, np.zeros((0, *shape), dtype)])
