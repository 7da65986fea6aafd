"""Maps of an OCT volume: how thick a class is under each point, and what is seen from above.

A volume is a stack of B-scans (N, H, W): H runs along depth, W from A-scan to A-scan. A map has a
pixel for each A-scan, (N, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.spacing import Spacing, as_spacing

Array = npt.NDArray[Any]


def thickness_map(
    labels: Array,
    classes: int | Sequence[int],
    spacing: float | Sequence[float] | Spacing | None = None,
) -> npt.NDArray[np.float32]:
    """Thickness of one class, or of several together, along each A-scan.

    Parameters
    ----------
    labels : ndarray of integers, shape (N, H, W) or (H, W)
        Of a volume, or of one B-scan.
    classes : int or sequence of int
        Whose pixels are counted: all layers of the retina together give its thickness.
    spacing : float, (y, x) or (z, y, x), optional
        In mm; the distance along depth, y, counts.

    Returns
    -------
    ndarray of float32, shape (N, W) or (W,)
        Pixels of these classes in the A-scan, times their height: in micrometres, or in pixels
        without `spacing`. Gaps between them do not count.

    Raises
    ------
    ValueError
        Another shape, or a spacing that is none.
    """
    if np.ndim(labels) not in (2, 3):
        raise ValueError(f"labels must be (N, H, W) or (H, W), got {np.shape(labels)}")
    wanted = [classes] if isinstance(classes, (int, np.integer)) else list(classes)
    given = as_spacing(spacing)
    unit = 1.0 if given is None else given.height * 1000
    return np.asarray(np.isin(labels, wanted).sum(-2) * unit, np.float32)


def en_face(volume: Array, labels: Array | None = None, classes: int | Sequence[int] = 1) -> Array:
    """A volume seen from above: the mean intensity of each A-scan.

    Parameters
    ----------
    volume : ndarray, shape (N, H, W) or (H, W)
        Intensities of one channel.
    labels : ndarray of integers, shape of `volume`, optional
        Restricts the mean to `classes`, the projection of a slab between layers.
    classes : int or sequence of int
        Which ones.

    Returns
    -------
    ndarray of float32, shape (N, W) or (W,)
        NaN where an A-scan has no pixel of the classes.
    """
    if labels is None:
        return np.asarray(np.mean(volume, -2), np.float32)
    if np.shape(labels) != np.shape(volume):
        raise ValueError(
            f"labels and volume must have one shape, got {np.shape(labels)} and {np.shape(volume)}"
        )
    wanted = [classes] if isinstance(classes, (int, np.integer)) else list(classes)
    inside = np.isin(labels, wanted)
    count = inside.sum(-2)
    total = np.where(inside, volume, 0).sum(-2, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(count > 0, total / count, np.nan), np.float32)
