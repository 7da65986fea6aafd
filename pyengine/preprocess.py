"""From an image to the network's input, as the engine file's manifest describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def normalise(planes: npt.NDArray[np.float32], spec: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Apply the manifest's preprocessing to (C, H, W) values, in float32.

    Parameters
    ----------
    planes : ndarray of float32, shape (C, H, W)
        Pixel values as numbers.
    spec : mapping
        ``manifest["input"]``.

    Returns
    -------
    ndarray of float32, shape (C, H, W)
    """
    for step in spec["preprocessing"]:
        if step["name"] == "scale_linear":
            gain, offset = np.asarray(step["gain"]), np.asarray(step["offset"])
        else:  # fixed_zero_mean_unit_variance; the core refused anything else at open
            gain = 1 / np.asarray(step["std"], np.float64)
            offset = -np.asarray(step["mean"]) * gain
        planes = planes * gain.astype(np.float32)[:, None, None]
        planes = planes + offset.astype(np.float32)[:, None, None]
    return planes


def network_input(image: npt.NDArray[Any], spec: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """A whole image as a (1, C, h, w) batch of the network's own size.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Resized bilinearly (Pillow, with its antialiasing) to ``spec["sample_size_px"]``.
    spec : mapping
        ``manifest["input"]``.

    Raises
    ------
    ValueError
        NaN or infinity in the image.
    """
    planes = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    planes = planes.astype(np.float32)
    if not np.isfinite(planes).all():
        count = int((~np.isfinite(planes)).sum())
        raise ValueError(f"the image holds {count} NaN or infinite values; all must be finite")
    height, width = spec["sample_size_px"]
    if planes.shape[1:] != (height, width):
        resized = [
            np.asarray(Image.fromarray(p, "F").resize((width, height), Image.Resampling.BILINEAR))
            for p in planes
        ]
        planes = np.stack(resized)
    return np.ascontiguousarray(normalise(planes, spec)[None])
