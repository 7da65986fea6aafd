"""Channels of an image and those that the network needs."""

from __future__ import annotations

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array


def fitted_shape(shape: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """The shape that `fit_channels` gives to images of this shape."""
    if len(shape) == 2:
        return shape
    depth = shape[2]
    kept = depth
    if depth != channels:
        if depth in (2, 4):
            kept -= 1  # alpha
        if kept == 3 and channels == 1:
            kept = 1
    return shape[:2] if kept == 1 else (*shape[:2], kept)


def fit_channels(array: Array, channels: int) -> Array:
    """Drop what carries nothing: an opaque alpha channel, a grey image stored as colour.

    Parameters
    ----------
    array : ndarray, shape (rows, W) or (rows, W, C)
    channels : int
        That the network needs.

    Returns
    -------
    ndarray
        Of the shape that `fitted_shape` says.

    Raises
    ------
    ImageRefusedError
        A channel that would be dropped carries something.
    """
    if array.ndim == 2:
        return array
    if array.shape[2] != channels and array.shape[2] in (2, 4):
        alpha, array = array[..., -1], array[..., :-1]
        opaque = 1 if array.dtype.kind in "fb" else np.iinfo(array.dtype).max
        if (alpha != opaque).any():
            raise ImageRefusedError(
                f"has an alpha channel that is not opaque everywhere ({opaque}), and the network "
                f"needs {channels} channel(s); remove it or fill what is transparent"
            )
    if array.shape[2] == 3 and channels == 1:
        if (array != array[..., :1]).any():
            raise ImageRefusedError(
                "has 3 channels that differ (colour), the network needs 1; convert it to grey"
            )
        array = array[..., :1]
    return array[..., 0] if array.shape[2] == 1 else array
