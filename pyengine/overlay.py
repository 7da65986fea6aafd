"""Labels in colour over the image, for people to look at."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from pyengine.atomic_file import write_atomically
from pyengine.formats import Array


def overlay(image: Array, labels: Array, colors: tuple[tuple[int, int, int], ...]) -> Array:
    """The image with its classes in colour, class 0 left clear.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Stretched to its own range for display.
    labels : ndarray of uint8, shape (H, W)
    colors : tuple of RGB
        One per class.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    grey = image if image.ndim == 3 and image.shape[2] == 3 else np.atleast_3d(image)[..., :1]
    low, high = float(grey.min()), float(grey.max())
    scaled = (grey.astype(np.float32) - low) * (255 / (high - low) if high > low else 1)
    base = np.broadcast_to(scaled, (*labels.shape, 3))
    palette = np.zeros((256, 3), np.float32)
    palette[: len(colors)] = colors
    alpha = np.where(labels == 0, 0.0, 0.55).astype(np.float32)[..., None]
    return ((1 - alpha) * base + alpha * palette[labels]).round().astype(np.uint8)


def save_image(path: str | os.PathLike[str], array: Array) -> None:
    """Write an image file under a temporary name and rename it."""
    write_atomically(Path(path), lambda temporary: Image.fromarray(array).save(temporary))
