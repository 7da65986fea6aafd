"""Pixels and intensities of each class, added up over parts of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class ClassSums:
    """Counts of pixels and sums of intensities per class.

    Parameters
    ----------
    classes : int
        Labels are 0 to `classes` - 1.
    channels : int
        Of the image; 0 without one.

    Attributes
    ----------
    pixels : ndarray of int64, shape (classes,)
    """

    def __init__(self, classes: int, channels: int) -> None:
        self.pixels = np.zeros(classes, np.int64)
        self._sums = np.zeros((classes, channels), np.float64)

    def add(self, labels: Array, image: Array | None) -> None:
        """Add a part: labels of any shape, and an image of that shape and channels last.

        Without an image the means are not known.
        """
        flat = labels.ravel()
        classes = len(self.pixels)
        self.pixels += np.bincount(flat, minlength=classes)
        if image is None:
            self._sums[:] = np.nan
        else:
            for channel, values in enumerate(image.reshape(flat.size, self._sums.shape[1]).T):
                self._sums[:, channel] += np.bincount(flat, values, classes)

    def merge(self, other: ClassSums) -> None:
        """Add what another one counted."""
        self.pixels += other.pixels
        self._sums += other._sums

    def means(self) -> npt.NDArray[np.float64]:
        """Mean intensity, shape (classes, channels); NaN for classes without pixels."""
        return over(self._sums, self.pixels[:, None])


def over(sums: Array, counts: Array) -> npt.NDArray[np.float64]:
    """``sums / counts``, NaN where nothing was counted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
