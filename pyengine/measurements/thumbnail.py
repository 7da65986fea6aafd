"""Small pictures of large images, made of rows as they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pyengine.formats.format import Reader
from pyengine.measurements.labelled_file import LabelledFile
from pyengine.overlay import overlay

Array = npt.NDArray[Any]
_BAND_PX = 1 << 22


def thumbnail(reader: Reader, page: int, longest_px: int) -> Array:
    """A page whose longer side is at most `longest_px`: every so many pixels in each direction.

    Returns
    -------
    ndarray, shape (h, w) or (h, w, C)
        In the dtype of the pixels. Labels stay labels.
    """
    height, width = reader.shape[:2]
    step = max(1, -(-max(height, width) // longest_px))
    rows = max(1, _BAND_PX // (width * step)) * step
    parts = []
    for begin in range(0, height, rows):
        part = reader.rows(page, begin, min(begin + rows, height))
        # The middle of each square stands for it; at the lower and right end, what there is.
        parts.append(_middles(_middles(part, step, 0), step, 1))
    return np.concatenate(parts)


def _middles(part: Array, step: int, axis: int) -> Array:
    size = part.shape[axis]
    places = np.minimum(np.arange(0, size, step) + step // 2, size - 1)
    return np.asarray(np.take(part, places, axis))


def pictures(file: LabelledFile, page: int, longest_px: int) -> tuple[Array, Array]:
    """A page for people to look at: as it is, and with its classes in colour.

    Returns
    -------
    pair of ndarray of uint8, shape (h, w, 3)
        Stretched to the page's own range; grey where the image is not found any more.
    """
    with file.open_labels() as labels:
        marks = thumbnail(labels, page, longest_px).astype(np.uint8)
    grey: Array
    if file.source is None:
        grey = np.full(marks.shape, 64, np.uint8)
    else:
        with file.open_image() as image:
            grey = thumbnail(image, page, longest_px)
    if marks.shape != grey.shape[:2]:
        height, width = grey.shape[:2]
        marks = np.asarray(Image.fromarray(marks).resize((width, height), Image.Resampling.NEAREST))
    plain = overlay(grey, np.zeros_like(marks), file.colors)
    return plain, overlay(grey, marks, file.colors)
