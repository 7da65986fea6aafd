"""Volumes on another grid, as nnU-Net resamples them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.volumes.recipe import Resampling

Float32 = npt.NDArray[np.float32]
Shape = tuple[int, ...]


def resampled_shape(shape: Shape, spacing: Sequence[float], wanted: Sequence[float]) -> Shape:
    """The size of a volume in another spacing."""
    return tuple(
        round(old / new * count) for old, new, count in zip(spacing, wanted, shape, strict=True)
    )


def separate_axis(how: Resampling, spacing: Sequence[float], wanted: Sequence[float]) -> int | None:
    """The axis between whose slices nothing is interpolated; None where all axes are alike.

    Parameters
    ----------
    how : Resampling
    spacing, wanted : sequence of float
        Of the volume as it is, and as it should be.
    """
    if how.separate_slices is None:
        decisive = next((s for s in (spacing, wanted) if max(s) / min(s) > how.anisotropy), None)
    else:
        decisive = spacing if how.separate_slices else None
    if decisive is None:
        return None
    coarse = [axis for axis, step in enumerate(decisive) if step == max(decisive)]
    # Two coarse axes, as of (0.24, 1.25, 1.25) mm, are no slices.
    return coarse[0] if len(coarse) == 1 else None


def nearest(old: int, new: int) -> npt.NDArray[np.intp]:
    """For each of `new` positions the nearest of `old`, both spread over the same length."""
    at = np.clip(float(old) / new * (np.arange(new) + 0.5) - 0.5, 0, old - 1)
    index: npt.NDArray[np.intp] = np.floor(at + 0.5).astype(np.intp)
    return index


def resample_image(image: Float32, shape: Shape, order: int, separate: int | None) -> Float32:
    """One channel in another size.

    Parameters
    ----------
    image : ndarray of float32, shape (z, y, x)
    shape : tuple of int
        The new one.
    order : int
        Of the splines.
    separate : int, optional
        The axis between whose slices the nearest is taken.

    Returns
    -------
    ndarray of float32
        Bit for bit what nnU-Net computes with the same SciPy and scikit-image: in float64.
    """
    if image.shape == shape:
        return image
    if separate is None:
        return _resize(image, shape, order)
    # Only slices that are taken are computed, and each once.
    slices = np.moveaxis(image, separate, 0)
    result = np.empty(shape, np.float32)
    into = np.moveaxis(result, separate, 0)
    before = -1
    for i, index in enumerate(nearest(len(slices), len(into))):
        into[i] = into[i - 1] if index == before else _resize(slices[index], into.shape[1:], order)
        before = index
    return result


def _resize(array: Float32, shape: Shape, order: int) -> Float32:
    from skimage.transform import resize

    resized: npt.NDArray[Any] = resize(
        array.astype(float), shape, order, mode="edge", anti_aliasing=False
    )
    return resized.astype(np.float32)
