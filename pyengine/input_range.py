"""Whether the values of an image can be on the scale that a network was trained with."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pyengine.formats.format import Array
from pyengine.info import EngineInfo

_LARGEST = {"uint8": 0xFF, "uint16": 0xFFFF}


class InputRangeWarning(UserWarning, ValueError):  # noqa: N818 - warned, not raised
    """An image is on another scale than the network's; as an error, a bad value."""


class InputRange:
    """Follows the values of one image, whole or row by row.

    Nothing is looked at where the image has the dtype that the network was trained with, nor for
    networks of float32 images, whose scale the engine file does not say.

    Parameters
    ----------
    info : EngineInfo
    dtype : numpy.dtype
        Of the image.
    name : str
        Of the image, for the warning.
    scaled : bool
        Whether the caller brings the values to the network's scale: nothing is looked at.
    """

    def __init__(
        self, info: EngineInfo, dtype: np.dtype[Any], name: str, *, scaled: bool = False
    ) -> None:
        self._trained, self._dtype, self._name = str(info.input["dtype"]), dtype, name
        self._active = not scaled and self._trained in _LARGEST and dtype != self._trained
        self._low, self._high = np.inf, -np.inf

    def see(self, rows: Array) -> None:
        """Note values, and warn as soon as one lies outside the network's scale."""
        if not self._active or rows.size == 0:
            return
        self._low = min(self._low, float(rows.min()))
        self._high = max(self._high, float(rows.max()))
        if self._low < 0 or self._high > _LARGEST[self._trained]:
            self._warn()

    def finish(self) -> None:
        """Warn if all values that were seen lie in a small part of the scale."""
        unit = 1 if self._dtype.kind == "f" else 0
        small = 0xFF if self._trained == "uint16" else unit
        if self._active and 0 < self._high <= small:
            self._warn()

    def _warn(self) -> None:
        self._active = False  # once per image
        warnings.warn(
            f"{self._name}: values are {self._dtype} from {self._low:g} to {self._high:g}, the "
            f"network was trained on {self._trained} from 0 to {_LARGEST[self._trained]}; bring "
            "them to that scale first",
            InputRangeWarning,
            stacklevel=4,
        )
