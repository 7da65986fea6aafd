"""Samples at the size at which a network is shown them."""

from __future__ import annotations

import numpy as np

from train.data.resize import resized
from train.data.store import Store
from train.settings import DataConfig


def shown_image(
    data: DataConfig, store: Store, number: int, width_px: int | None = None
) -> np.ndarray:
    """The image as the network gets it, before normalisation: (H, W) or (H, W, C).

    Parameters
    ----------
    data : DataConfig
        Says the size (``resize``) and the neighbouring slices that become channels.
    store : Store
    number : int
        Of the sample.
    width_px : int, optional
        Bring the image to this width instead, its proportions kept.
    """
    image = store.image(number, data.adjacent)
    size = _size(data, image.shape[:2], width_px)
    if size == image.shape[:2]:
        return image
    planes = resized(np.moveaxis(np.atleast_3d(image), 2, 0), size)
    moved = np.ascontiguousarray(np.moveaxis(planes, 0, 2), np.float32)
    return moved[..., 0] if image.ndim == 2 else moved


def shown_map(
    data: DataConfig, store: Store, number: int, name: str, width_px: int | None = None
) -> np.ndarray | None:
    """Map of a sample ("label", "region" or "second") at the size of `shown_image`, as uint8."""
    array = store.array(number, name)
    if array is None:
        return None
    size = _size(data, array.shape, width_px)
    return resized(array[None].astype(np.float32), size, labels=True)[0].astype(np.uint8)


def _size(data: DataConfig, shape: tuple[int, ...], width_px: int | None) -> tuple[int, int]:
    height, width = shape
    if width_px is not None:
        return (max(1, round(height * width_px / width)), width_px)
    return data.resize or (height, width)
