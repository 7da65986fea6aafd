"""Objects told apart: connected components, or touching ones split by a watershed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.extra import scikit_image

Array = npt.NDArray[Any]
METHODS = ("components", "watershed")


def instances(
    labels: Array,
    *,
    method: str = "components",
    object_classes: Sequence[int] | None = None,
    connectivity: str = "corners",
    min_distance: int = 10,
) -> npt.NDArray[np.uint32]:
    """Number the objects of an image or a volume.

    Needs ``pip install "pyengine[measure]"``; the labels are held whole.

    Parameters
    ----------
    labels : ndarray of integers, shape (H, W) or (D, H, W)
        As from `Engine.segment`. Three axes are one volume.
    method : {"components", "watershed"}
        "components": pixels of a class that touch are one object, numbered as in
        `measure`. "watershed": objects that touch are split at their waists (see Notes).
    object_classes : sequence of int, optional
        Classes whose objects are numbered. Default: all but 0.
    connectivity : {"corners", "sides"}
        What makes pixels neighbours.
    min_distance : int
        Of a watershed: least distance between the centres of two objects [px].

    Returns
    -------
    ndarray of uint32, shape of `labels`
        0 is no object; numbers follow the objects' first pixels.

    Raises
    ------
    ValueError
        Another method, connectivity or distance.
    ImportError
        scikit-image is missing.

    Notes
    -----
    Watershed: the distance of each pixel to the outside of its class is flooded from its local
    maxima, at least `min_distance` apart (Meyer 1991; ``skimage.segmentation.watershed``).
    """
    if method not in METHODS:
        raise ValueError(f"instances must be one of {', '.join(METHODS)}, got {method!r}")
    if connectivity not in ("sides", "corners"):
        raise ValueError(f"connectivity must be 'sides' or 'corners', got {connectivity!r}")
    labels = np.asarray(labels)
    taken = labels + 1 if object_classes is not None else labels
    if object_classes is not None:
        taken = np.where(np.isin(labels, list(object_classes)), taken, 0)
    taken = taken.astype(np.int64)
    if method == "watershed":
        taken = split(taken, connectivity, min_distance, int(taken.max(initial=0)) + 1)
    reach = 1 if connectivity == "sides" else labels.ndim
    numbered = scikit_image().measure.label(taken, background=0, connectivity=reach)
    return np.asarray(numbered, np.uint32)


def split(values: Array, connectivity: str, min_distance: int, step: int) -> Array:
    """Other values for the parts of objects that a watershed tells apart.

    Parameters
    ----------
    values : ndarray of int64
        0 is no object.
    connectivity, min_distance
        See `instances`.
    step : int
        Larger than all values.

    Returns
    -------
    ndarray of int64
        0 where `values` is 0, else ``values + k * step`` with k the part's number.
    """
    if min_distance < 1:
        raise ValueError(f"min_distance must be at least 1 px, got {min_distance}")
    import scipy.ndimage

    skimage = scikit_image()
    reach = 1 if connectivity == "sides" else values.ndim
    parts = np.zeros_like(values)
    count = 0
    for value in np.unique(values[values > 0]):
        inside = values == value
        # What lies beyond the image counts as outside, as the next class does.
        distance = scipy.ndimage.distance_transform_edt(np.pad(inside, 1))
        distance = distance[(slice(1, -1),) * values.ndim]
        components = skimage.measure.label(inside, connectivity=reach)
        peaks = skimage.feature.peak_local_max(
            distance, min_distance=min_distance, labels=components, exclude_border=False
        )
        markers = np.zeros(values.shape, np.int64)
        markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        found = skimage.segmentation.watershed(-distance, markers, connectivity=reach, mask=inside)
        parts = np.where(found > 0, found + count, parts)
        count += len(peaks)
    return values + np.where(values > 0, parts * step, 0)
