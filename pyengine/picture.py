"""Labels over their image, as notebooks show them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pyengine.info import EngineInfo
from pyengine.overlay import overlay, save_image

_LONGEST_PX = 1024


@dataclass(frozen=True)
class Picture:
    """An image that a notebook shows by itself.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (H, W, 3)
    """

    pixels: npt.NDArray[np.uint8] = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture as PNG, JPEG, ..., by the suffix; complete or absent."""
        save_image(path, self.pixels)

    def _repr_png_(self) -> bytes:
        step = -(-max(self.pixels.shape[:2]) // _LONGEST_PX)
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self.pixels[::step, ::step])).save(file, "PNG")
        return file.getvalue()


def show(image: npt.NDArray[Any], labels: npt.NDArray[Any], info: EngineInfo) -> Picture:
    """The classes in the engine's colours over the image.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Stretched to its own range.
    labels : ndarray of integers, shape (H, W)
        As from `Engine.segment`.
    info : EngineInfo
        ``engine.info``, for the colours.

    Returns
    -------
    Picture
        What a notebook shows; ``show(...).pixels`` is an array, ``.save(path)`` a file.

    Raises
    ------
    ValueError
        Shapes that do not fit, or a label beyond the classes.
    """
    image, labels = np.asarray(image), np.asarray(labels)
    if labels.ndim != 2 or image.shape[:2] != labels.shape or image.ndim > 3:
        raise ValueError(
            f"labels (H, W) and an image (H, W) or (H, W, C) are needed, got {labels.shape} and "
            f"{image.shape}"
        )
    if labels.size == 0 or int(labels.max()) >= len(info.colors) or int(labels.min()) < 0:
        raise ValueError(f"labels must be classes from 0 to {len(info.colors) - 1}")
    return Picture(overlay(image, labels.astype(np.uint8), info.colors))
