"""Samples at the size at which a network is shown them."""

from __future__ import annotations

import numpy as np

from train.config import DataConfig
from train.data.resize import resized
from train.data.store import Store


def shown_image(data: DataConfig, store: Store, number: int) -> np.ndarray:
    """The image as the network gets it, before normalisation: (H, W) or (H, W, C)."""
    image = store.image(number, data.adjacent)
    if data.resize is None:
        return image
    planes = resized(np.moveaxis(np.atleast_3d(image), 2, 0), data.resize)
    moved = np.ascontiguousarray(np.moveaxis(planes, 0, 2), np.float32)
    return moved[..., 0] if image.ndim == 2 else moved


def shown_map(data: DataConfig, store: Store, number: int, name: str) -> np.ndarray | None:
    """Map of a sample ("label", "region" or "second") at the size of `shown_image`, as bool."""
    array = store.array(number, name)
    if array is None:
        return None
    if data.resize is not None:
        array = resized(array[None].astype(np.float32), data.resize, labels=True)[0]
    return array > 0
