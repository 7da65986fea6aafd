"""Checks of arrays at the public door; the messages give the value and the rule."""

from __future__ import annotations

from typing import Any

import numpy as np

_DTYPES = (np.uint8, np.uint16, np.float32)
# Axes that are longer are no channels of a colour image.
_MOST_CHANNELS = 4


def check_image(image: Any, channels: int) -> None:
    """Refuse what is no image for a network of so many input channels.

    Raises
    ------
    TypeError
        Not a numpy array of uint8, uint16 or float32.
    ValueError
        Wrong rank or channels, no pixels, or memory that is not aligned to the dtype.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a numpy array, got {_describe(image)}")
    if image.dtype not in _DTYPES or not image.dtype.isnative:
        raise TypeError(
            f"image must be uint8, uint16 or float32 in native byte order, got {image.dtype}; "
            "convert it, for example with image.astype(numpy.float32)"
        )
    if image.ndim == 4:
        raise ValueError(
            f"image must have shape (H, W) or (H, W, C), got {image.shape}; a stack of images goes "
            "to segment_batch, or one by one"
        )
    if image.ndim not in (2, 3):
        raise ValueError(f"image must have shape (H, W) or (H, W, C), got {image.shape}")
    if 0 in image.shape:
        raise ValueError(f"image must be at least 1 x 1 px, got {image.shape}")
    found = image.shape[2] if image.ndim == 3 else 1
    if found != channels:
        raise ValueError(
            f"image has {found} channel(s) (shape {image.shape}), the network needs {channels}"
            + _way_out(image.shape, channels)
        )
    if any(stride % image.itemsize for stride in image.strides):
        raise ValueError("image memory is not aligned to its dtype; pass image.copy()")


def _way_out(shape: tuple[int, ...], channels: int) -> str:
    """What an array of other axes may be meant as."""
    if len(shape) == 3 and shape[0] == channels > 1:
        return "; channels go last: pass numpy.moveaxis(image, 0, -1)"
    if len(shape) == 3 and channels == 1 and shape[2] > _MOST_CHANNELS:
        return f"; a stack of {shape[0]} images goes to segment_batch"
    return ""


def check_batch(batch: Any, channels: int, name: str = "batch", volume: bool = False) -> None:
    """Refuse what is no float32 (N, C, H, W) input of a network; TypeError or ValueError.

    Of networks over volumes, (N, C, D, H, W).
    """
    if not isinstance(batch, np.ndarray) or batch.dtype != np.float32:
        raise TypeError(f"{name} must be a float32 array, got {_describe(batch)}")
    if batch.ndim != (5 if volume else 4) or batch.shape[1] != channels or 0 in batch.shape:
        size = "D, H, W" if volume else "H, W"
        raise ValueError(
            f"{name} must have shape (N, {channels}, {size}) without empty axes, got {batch.shape}"
        )


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    return type(value).__name__
