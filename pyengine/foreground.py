"""Where an image is worth computing: masks of any size, as the square cells that the core takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = Array | Callable[[Array], Array]
"""Of any size, for all of the image; or what makes one from a thumbnail of it."""

Report = Callable[[int, int, int], None]
"""Told of pixels: computed, copied, left out."""

CELL_PX = 256
_THUMBNAIL_PX = 2048  # of the longer side at most
_BAND_PX = 1 << 24


def foreground_cells(
    mask: Mask, shape: tuple[int, ...], rows: Callable[[int, int], Array]
) -> list[int]:
    """What the core takes: 1 for each cell in which some pixel of the mask is not 0.

    Parameters
    ----------
    mask : ndarray or callable
        See `Mask`.
    shape : tuple of int
        (H, W) or (H, W, C) of the image.
    rows : callable
        ``rows(begin, end)`` gives rows of the image, for a thumbnail.

    Raises
    ------
    TypeError, ValueError
        Not a mask.
    """
    height, width = shape[:2]
    given = mask(thumbnail(shape, rows)) if callable(mask) else mask
    array = np.asarray(given)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "buif":
        raise ValueError(
            f"mask must be numbers of shape (H, W), got {array.dtype} of shape {array.shape}"
        )
    # How many of the first i rows and j columns are not 0.
    sums = np.zeros((array.shape[0] + 1, array.shape[1] + 1), np.int64)
    sums[1:, 1:] = (array != 0).cumsum(0).cumsum(1)
    top, bottom = _edges(height, array.shape[0])
    left, right = _edges(width, array.shape[1])
    met = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)]
    met += sums[np.ix_(top, left)] - sums[np.ix_(bottom, left)]
    cells: list[int] = (met > 0).astype(int).ravel().tolist()
    return cells


def cells_of_image(mask: Mask | None, image: Array) -> list[int]:
    """`foreground_cells` of an image at hand; none where no mask is given."""
    if mask is None:
        return []
    return foreground_cells(mask, image.shape, lambda begin, end: image[begin:end])


def _edges(size: int, mask_size: int) -> tuple[Array, Array]:
    """First and last + 1 pixel of a mask that each cell along an axis meets."""
    begin = np.arange(0, size, CELL_PX, dtype=np.int64)
    end = np.minimum(begin + CELL_PX, size)
    return begin * mask_size // size, -(-end * mask_size // size)


def thumbnail(shape: tuple[int, ...], rows: Callable[[int, int], Array]) -> Array:
    """The image as means of square blocks of whole pixels, of at most 2048 px a side.

    Its rows are asked for in bands, from the first to the last.
    """
    height, width = shape[:2]
    block = max(1, math.ceil(max(height, width) / _THUMBNAIL_PX))
    band = max(1, _BAND_PX // (block * width)) * block
    return np.concatenate(
        [_means(rows(begin, min(begin + band, height)), block) for begin in range(0, height, band)]
    )


def _means(rows: Array, block: int) -> Array:
    if block == 1:
        return rows
    sums = rows.astype(np.float64)
    for axis in (0, 1):
        begins = np.arange(0, rows.shape[axis], block)
        counts = np.diff([*begins, rows.shape[axis]])
        sums = np.add.reduceat(sums, begins, axis=axis)
        sums /= counts.reshape([-1 if i == axis else 1 for i in range(sums.ndim)])
    rounded = np.rint(sums) if rows.dtype.kind in "ui" else sums
    return rounded.astype(rows.dtype)


def tissue(image: Array, *, bright: bool = False) -> npt.NDArray[np.bool_]:
    """Tissue on a slide, by Otsu's threshold of the grey values.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        A thumbnail, say; alpha is no channel.
    bright : bool
        Tissue is brighter than what is around it, as in fluorescence, not darker.

    Returns
    -------
    ndarray of bool, shape (H, W)
        All of an image of one value.
    """
    try:
        from skimage.filters import threshold_otsu
    except ImportError as error:
        raise ImportError('tissue needs scikit-image: pip install "pyengine[tissue]"') from error
    grey = image.mean(axis=2) if image.ndim == 3 else np.asarray(image, np.float64)
    if grey.min() == grey.max():
        return np.ones(grey.shape, bool)
    threshold = threshold_otsu(grey)
    return np.asarray(grey > threshold if bright else grey <= threshold)
