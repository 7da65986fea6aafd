"""Pixels of any dtype as one of those that networks take, where no value changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array

_TAKEN = (np.uint8, np.uint16, np.float32)
# All integers up to here are numbers of float64, in which values are compared.
_LARGEST_INTEGER = 1 << 53


def pixel_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What pixels of this dtype are read as: uint8, uint16 or float32, in native byte order.

    Raises
    ------
    ImageRefusedError
        Not numbers.
    """
    native = dtype.newbyteorder("=")
    if native in _TAKEN:
        return native
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind in "iuf":
        return np.dtype(np.float32)
    raise ImageRefusedError(f"values of type {dtype} are no pixels")


def to_pixels(array: Array) -> Array:
    """The same numbers in the dtype that `pixel_dtype` says.

    Raises
    ------
    ImageRefusedError
        A number has no equal in float32.
    """
    wanted = pixel_dtype(array.dtype)
    if array.dtype.kind == "b" or array.dtype.newbyteorder("=") == wanted:
        return array.astype(wanted, copy=False)
    with np.errstate(over="ignore"):
        pixels = array.astype(wanted)
    if np.can_cast(array.dtype, wanted):
        return pixels
    changed = (pixels.astype(np.float64) != array) & ~(np.isnan(pixels) & (array != array))
    if array.dtype.kind in "iu":
        changed |= (array > _LARGEST_INTEGER) | (array < -_LARGEST_INTEGER)
    if changed.any():
        value = array[changed][0]
        raise ImageRefusedError(
            f"the {array.dtype} value {value} would change in float32, which networks take; "
            "write the image as float32 or uint16"
        )
    return pixels
