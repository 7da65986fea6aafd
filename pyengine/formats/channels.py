"""Channels of an image and those that the network needs."""

from __future__ import annotations

import numpy as np

from pyengine.formats.format import Array


def fit_channels(array: Array, channels: int) -> Array:
    """Drop what carries nothing: an opaque alpha channel, a grey image stored as colour."""
    depth = array.shape[2] if array.ndim == 3 else 1
    if (
        depth in (2, 4)
        and depth != channels
        and np.issubdtype(array.dtype, np.integer)
        and (array[..., -1] == np.iinfo(array.dtype).max).all()
    ):
        array = array[..., 0] if depth == 2 else array[..., :3]
    if array.ndim == 3 and array.shape[2] == 3 and channels == 1:
        first = array[..., :1]
        array = first[..., 0] if (array == first).all() else array
    return array
