"""Whether an array is an image that the network can take."""

from __future__ import annotations

from typing import Any

import numpy as np

_DTYPES = (np.uint8, np.uint16, np.float32)


def check_image(image: Any, channels: int) -> None:
    """Refuse what is no image of so many channels.

    Raises
    ------
    TypeError
        Not an array of a supported dtype.
    ValueError
        Wrong rank, size, channels or alignment; the message gives both values.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a numpy array, got {describe(image)}")
    if image.dtype not in _DTYPES or not image.dtype.isnative:
        raise TypeError(
            f"image must be uint8, uint16 or float32 in native byte order, got {image.dtype}; "
            "convert it, for example with image.astype(numpy.float32)"
        )
    if image.ndim not in (2, 3):
        raise ValueError(f"image must have shape (H, W) or (H, W, C), got {image.shape}")
    if 0 in image.shape:
        raise ValueError(f"image must be at least 1 x 1 px, got {image.shape}")
    found = image.shape[2] if image.ndim == 3 else 1
    if found != channels:
        raise ValueError(
            f"image has {found} channel(s) (shape {image.shape}), the network needs {channels}"
        )
    if any(stride % image.itemsize for stride in image.strides):
        raise ValueError("image memory is not aligned to its dtype; pass image.copy()")


def describe(value: Any) -> str:
    """Type and shape of an argument, for messages."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    return type(value).__name__
