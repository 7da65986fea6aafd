"""From a volume to what the network takes."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.volumes.normalise import normalise
from pyengine.volumes.recipe import Recipe
from pyengine.volumes.resample import (
    Float32,
    Shape,
    resample_image,
    resampled_shape,
    separate_axis,
)

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Prepared:
    """A network's input, and the way back.

    Attributes
    ----------
    data : ndarray of float32, shape (C, d, h, w)
        In the network's order of axes and spacing.
    shape : tuple of int
        Of the volume, transposed.
    box : tuple of slice
        The part of it that the network sees.
    spacing_mm, network_spacing_mm : tuple of float
        Of the volume, transposed, and of `data`.
    """

    data: Float32
    shape: Shape
    box: Box
    spacing_mm: tuple[float, ...]
    network_spacing_mm: tuple[float, ...]

    @property
    def box_shape(self) -> Shape:
        """Of the part that the network sees, before it is resampled."""
        return tuple(side.stop - side.start for side in self.box)


def prepare(volume: npt.NDArray[Any], spacing: Sequence[float], recipe: Recipe) -> Prepared:
    """Transpose, crop, normalise and resample, channel by channel.

    Parameters
    ----------
    volume : ndarray of numbers, shape (C, z, y, x)
        Never modified.
    spacing : (float, float, float)
        Along z, y and x, in mm.
    recipe : Recipe

    Returns
    -------
    Prepared
        Bit for bit the array of nnU-Net's own preprocessing.

    Raises
    ------
    ImportError
        SciPy or scikit-image is missing; names the extra that brings them.
    ValueError
        A volume or a spacing that cannot be used, and why.
    """
    check_volume(volume, spacing, recipe)
    _require_libraries()
    # Each channel lies as nnU-Net has it; see `normalise`.
    channels = [
        np.array(channel, np.float32, order="C").transpose(recipe.transpose) for channel in volume
    ]
    steps = tuple(float(spacing[axis]) for axis in recipe.transpose)
    wanted = (*steps[: 3 - len(recipe.spacing_mm)], *recipe.spacing_mm)
    nonzero = _nonzero(channels)
    shape = nonzero.shape
    box = _box(nonzero) if recipe.crop_to_nonzero else tuple(slice(0, n) for n in shape)
    inside = _inside(nonzero[box], recipe)
    cropped = inside.shape
    size = resampled_shape(cropped, steps, wanted)
    if min(size) < 1:
        raise ValueError(
            f"what is not zero are {_by(cropped)} voxels of {_by(steps)} mm; in the network's "
            f"spacing of {_by(wanted)} mm {_by(size)} are left of it"
        )
    separate = separate_axis(recipe.image, steps, wanted)
    data = np.empty((len(channels), *size), np.float32)
    for into, how in zip(data, recipe.normalisation, strict=True):
        image = channels.pop(0)[box]
        normalise(image, how, inside)
        into[...] = resample_image(image, size, recipe.image.order, separate)
    return Prepared(data, shape, box, steps, wanted)


def check_volume(volume: npt.NDArray[Any], spacing: Sequence[float], recipe: Recipe) -> None:
    """Refuse what cannot be prepared; see `prepare`."""
    if not isinstance(volume, np.ndarray) or volume.dtype.kind not in "biuf":
        found = getattr(volume, "dtype", type(volume).__name__)
        raise TypeError(f"the volume must be an array of numbers, got {found}")
    if volume.ndim != 4:
        raise ValueError(f"the volume must have the axes (C, z, y, x), got shape {volume.shape}")
    if 0 in volume.shape:
        raise ValueError(f"the volume has an axis without voxels: shape {volume.shape}")
    if len(volume) != len(recipe.normalisation):
        raise ValueError(
            f"the volume has {len(volume)} channel(s), the network takes {len(recipe.normalisation)}"
        )
    steps = tuple(spacing)
    if len(steps) != 3 or not all(np.isfinite(step) and step > 0 for step in steps):
        raise ValueError(
            f"spacing must be three sizes of a voxel above 0 (along z, y and x, in mm), got {steps}"
        )
    if volume.dtype.kind == "f" and not all(np.isfinite(part).all() for c in volume for part in c):
        raise ValueError("the volume holds NaN or infinity; fill or crop such voxels first")


def _require_libraries() -> None:
    for module in ("scipy", "skimage"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"preparing volumes needs '{module}'; install it with "
                'pip install "pyengine[volumes]"'
            )


def _nonzero(channels: list[Float32]) -> npt.NDArray[np.bool_]:
    """Where any channel is not zero."""
    found: npt.NDArray[np.bool_] = channels[0] != 0
    for channel in channels[1:]:
        found |= channel != 0
    return found


def _box(nonzero: npt.NDArray[np.bool_]) -> Box:
    """The smallest box around all that is True; everything where nothing is."""
    sides = []
    for axis, size in enumerate(nonzero.shape):
        others = tuple(other for other in range(nonzero.ndim) if other != axis)
        (hit,) = np.nonzero(nonzero.any(axis=others))
        sides.append(slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, size))
    return tuple(sides)


def _inside(nonzero: npt.NDArray[np.bool_], recipe: Recipe) -> npt.NDArray[np.bool_]:
    """The mask of `ChannelNormalisation.within_mask`: holes are inside."""
    if not any(how.within_mask for how in recipe.normalisation):
        return nonzero
    from scipy.ndimage import binary_fill_holes

    filled: npt.NDArray[np.bool_] = binary_fill_holes(nonzero)
    return filled


def _by(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
