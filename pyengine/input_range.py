"""Whether the values of an image can be on the scale that a network was trained with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pyengine.arguments import SegmentKeywords, has_scale, number
from pyengine.formats.format import Array
from pyengine.info import EngineInfo

_LARGEST = {"uint8": 0xFF, "uint16": 0xFFFF}

InputRangeOption = tuple[float, float] | Literal["dtype"]


def scaled(
    info: EngineInfo,
    dtype: np.dtype[Any],
    input_range: InputRangeOption | None,
    options: SegmentKeywords,
) -> SegmentKeywords:
    """Options with the scale that brings `input_range` to the network's scale.

    Parameters
    ----------
    info : EngineInfo
    dtype : numpy.dtype
        Of the image.
    input_range : (low, high) or "dtype", optional
        The image's values that are the network's 0 and its largest; "dtype": all of its type.
    options : SegmentKeywords

    Raises
    ------
    TypeError, ValueError
        No range, a scale beside it, or a network whose scale the engine file does not say.
    """
    if input_range is None:
        return options
    if has_scale(options):
        raise ValueError("input_range beside source_scale or source_offset: give one of both")
    trained = str(info.input["dtype"])
    if trained not in _LARGEST:
        raise ValueError(
            f"input_range: this network was trained on {trained}, whose scale the engine file does "
            "not say; give source_scale and source_offset"
        )
    low, high = _ends(input_range, dtype)
    scale = _LARGEST[trained] / (high - low)
    return {**options, "source_scale": scale, "source_offset": -low * scale}


def _ends(input_range: InputRangeOption, dtype: np.dtype[Any]) -> tuple[float, float]:
    if isinstance(input_range, str):
        if input_range != "dtype":
            raise ValueError(f"input_range must be (low, high) or 'dtype', got {input_range!r}")
        return (0.0, 1.0) if dtype.kind == "f" else (0.0, float(np.iinfo(dtype).max))
    pair: Any = input_range
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise TypeError(f"input_range must be (low, high) or 'dtype', got {input_range!r}")
    low, high = number("input_range", pair[0]), number("input_range", pair[1])
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"input_range: low must be below high, got {low:g} and {high:g}")
    return low, high


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
    input_range : (low, high) or "dtype", optional
        As the caller says; values beyond it are told.
    """

    def __init__(
        self,
        info: EngineInfo,
        dtype: np.dtype[Any],
        name: str,
        *,
        scaled: bool = False,
        input_range: InputRangeOption | None = None,
    ) -> None:
        self._trained, self._dtype, self._name = str(info.input["dtype"]), dtype, name
        self._said = None if input_range is None else _ends(input_range, dtype)
        unlike = not scaled and self._trained in _LARGEST and dtype != self._trained
        self._active = unlike or self._said is not None
        self._low, self._high = np.inf, -np.inf

    def see(self, rows: Array) -> None:
        """Note values, and warn as soon as one lies outside the network's scale."""
        if not self._active or rows.size == 0:
            return
        self._low = min(self._low, float(rows.min()))
        self._high = max(self._high, float(rows.max()))
        low, high = self._said or (0, _LARGEST[self._trained])
        if self._low < low or self._high > high:
            self._warn()

    def finish(self) -> None:
        """Warn if all values that were seen lie in a small part of the scale."""
        unit = 1 if self._dtype.kind == "f" else 0
        small = 0xFF if self._trained == "uint16" else unit
        if self._active and self._said is None and 0 < self._high <= small:
            self._warn()

    def _warn(self) -> None:
        self._active = False  # once per image
        values = f"values are {self._dtype} from {self._low:g} to {self._high:g}"
        if self._said is None:
            rule = (
                f", the network was trained on {self._trained} from 0 to "
                f"{_LARGEST[self._trained]}; bring them to that scale, as with input_range"
            )
        else:
            rule = f", beyond input_range {self._said[0]:g} to {self._said[1]:g}"
        warnings.warn(
            f"{self._name}: {values}{rule}",
            InputRangeWarning,
            stacklevel=4,
        )
