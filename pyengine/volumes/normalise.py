"""Values of one channel as nnU-Net normalises them: the same operations in the same order.

Sums of float32 depend on their order, and that on the layout in memory. A channel must lie as
nnU-Net has it: contiguous as (z, y, x) before it is transposed and cropped, never copied since.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyengine.volumes.recipe import ChannelNormalisation

Float32 = npt.NDArray[np.float32]

_LEAST = 1e-8  # nnU-Net divides by no less


def normalise(image: Float32, how: ChannelNormalisation, inside: npt.NDArray[np.bool_]) -> None:
    """Normalise a channel in place.

    Parameters
    ----------
    image : ndarray of float32, shape (z, y, x)
    how : ChannelNormalisation
    inside : ndarray of bool, shape (z, y, x)
        What `how.within_mask` is about.

    Raises
    ------
    ValueError
        Values that the scheme does not take, or an unknown scheme.
    """
    if how.name == "zscore":
        if how.within_mask:
            values = image[inside]
            image[inside] = (values - values.mean()) / max(values.std(), _LEAST)
        else:
            mean, deviation = image.mean(), image.std()
            image -= mean
            image /= max(deviation, _LEAST)
    elif how.name == "ct":
        np.clip(image, how.low, how.high, out=image)
        image -= how.mean
        image /= max(how.std, _LEAST)
    elif how.name == "rescale_to_0_1":
        image -= image.min()
        image /= np.clip(image.max(), a_min=_LEAST, a_max=None)
    elif how.name == "rgb_to_0_1":
        low, high = float(image.min()), float(image.max())
        if low < 0 or high > 255:
            raise ValueError(
                f"values from {low:g} to {high:g}: the network was trained on colours from 0 to 255"
            )
        image /= 255.0
    elif how.name != "none":
        raise ValueError(f"normalisation {how.name!r} is not known")
